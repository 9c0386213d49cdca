//! Wire formats as pure functions.
//!
//! A call becomes the body of a request; a response becomes a [`Reply`] or a [`Fault`]. This module
//! does no I/O, keeps no state and reads no clock. A status of 200 does not mean success: the stop
//! reason is read first, then the text. Readers are lenient: they take the few fields that they
//! need and ignore the rest, because "compatible" servers differ in everything else.

mod anthropic;
mod body;
mod complaint;
mod content;
mod decode;
mod error_text;
mod errors;
mod finish;
mod gemini;
mod halves;
mod limits;
mod openai;
mod responses;
mod schema;
mod shape;
mod sse;
mod stream;
mod usage;
mod wait;

pub use body::Body;
pub use complaint::Complaint;
pub use limits::{LimitKind, RateLimitHeader};
pub use shape::{Feature, LimitName, Role, SchemaStyle, Shape};
pub use stream::StreamReader;

use super::fault::Fault;
use crate::model::{Call, Reply, Usage};
use decode::Decoded;
use serde_json::Value;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions.
    OpenAi,
    /// Chat Completions of other servers.
    Compatible,
    /// OpenAI's Responses.
    Responses,
    /// Google's generateContent.
    Gemini,
}

/// The parts of a request that depend on the attempt.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'a> {
    /// Tokens on top of the answer's limit, for thinking or after a truncated answer.
    pub room: u32,
    /// Text for the model about the mistake in its last answer.
    pub note: Option<&'a str>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the provider should cache the prompt's shared beginning for other calls.
    pub cache: bool,
    /// The form of requests to this model.
    pub shape: &'a Shape,
}

/// A complete HTTP response.
pub struct HttpReply<'a> {
    /// The status.
    pub status: u16,
    /// Looks up a header by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The whole body.
    pub body: &'a [u8],
}

impl Dialect {
    /// Default room for thinking before an answer, in tokens.
    ///
    /// Generous if the provider counts only produced tokens, tight if it reserves the limit.
    pub fn thinking_tokens(self) -> u32 {
        match self {
            Self::Anthropic => 4000,
            Self::OpenAi | Self::Responses => 2000,
            Self::Gemini => 4000,
            Self::Compatible => 0,
        }
    }

    /// Path of the endpoint below the base address.
    pub fn path(self, model: &str, stream: bool) -> String {
        match (self, stream) {
            (Self::Anthropic, _) => "/v1/messages".to_owned(),
            (Self::OpenAi | Self::Compatible, _) => "/chat/completions".to_owned(),
            (Self::Responses, _) => "/responses".to_owned(),
            (Self::Gemini, false) => format!("/models/{}:generateContent", in_path(model)),
            (Self::Gemini, true) => format!("/models/{}:streamGenerateContent?alt=sse", in_path(model)),
        }
    }

    /// Headers of every request, besides the key and the content type.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2026-10-21")],
            Self::OpenAi | Self::Compatible | Self::Responses | Self::Gemini => &[],
        }
    }

    /// Name and value prefix of the header that carries the key.
    pub fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("x-api-key", ""),
            Self::OpenAi | Self::Compatible | Self::Responses => ("authorization", "Bearer "),
            Self::Gemini => ("x-goog-api-key", ""),
        }
    }

    /// The field for the service tier, and the tier in this provider's spelling.
    pub fn service_tier(self, tier: &str) -> (&'static str, String) {
        match self {
            Self::Gemini => ("serviceTier", tier.to_uppercase()),
            Self::Anthropic | Self::OpenAi | Self::Compatible | Self::Responses => ("service_tier", tier.to_owned()),
        }
    }

    /// The body of a request for a call.
    pub fn request(self, call: &Call, extra: &Extra<'_>) -> Body {
        match self {
            Self::Anthropic => anthropic::request(call, extra),
            Self::OpenAi | Self::Compatible => openai::request(call, extra),
            Self::Responses => responses::request(call, extra),
            Self::Gemini => gemini::request(call, extra),
        }
    }

    /// Reads a complete reply that is not an error.
    fn read(self, json: &Value) -> Result<Reply, Fault> {
        match self {
            Self::Anthropic => anthropic::reply(json),
            Self::OpenAi | Self::Compatible => openai::reply(json),
            Self::Responses => responses::reply(json),
            Self::Gemini => gemini::reply(json),
        }
    }

    /// The billed usage of a reply, even if the reply is a failure.
    fn usage(self, json: &Value) -> Usage {
        self.read(json).map_or_else(|fault| fault.usage, |reply| reply.usage)
    }

    /// Reads a response with a status of success.
    fn whole(self, http: &HttpReply<'_>) -> Result<Reply, Fault> {
        match decode::decode(http.body) {
            Decoded::Json(json, repaired) => {
                if errors::is_error(&json) {
                    return Err(errors::classify(http, Some(&json)).billed(self.usage(&json)));
                }
                self.read(&json).map(|reply| Reply { repaired, ..reply })
            }
            // Some servers send a stream although the request did not ask for one.
            Decoded::Events => {
                let mut reader = self.stream();
                reader.push(http.body);
                reader.finish(http.header, None)
            }
            Decoded::Values(values) => {
                let mut reader = self.stream();
                reader.take_all(values);
                reader.finish(http.header, None)
            }
            Decoded::Unreadable => Err(errors::unreadable(http)),
        }
    }

    /// Turns a response into a reply or a fault.
    pub fn reply(self, http: &HttpReply<'_>) -> Result<Reply, Fault> {
        let id_header = if self == Self::Anthropic { "request-id" } else { "x-request-id" };
        let request_id = (http.header)(id_header);
        let result = if (200..=299).contains(&http.status) {
            self.whole(http)
        } else {
            Err(errors::classify(http, decode::first_value(http.body).as_ref()))
        };
        match result {
            Ok(reply) => Ok(Reply { request_id, ..reply }),
            Err(fault) => Err(Fault { request_id, ..fault }),
        }
    }
}

/// Percent-encodes a model's name for a path. The name may be any text.
fn in_path(model: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    model
        .trim_start_matches("models/")
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The beginning of an unreadable body, on one line.
fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text: String = String::from_utf8_lossy(body).chars().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().is_empty() { "(empty body)".into() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests;
