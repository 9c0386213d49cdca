//! Wire formats as pure functions: a call becomes the body of a request, a reply becomes a [`Reply`] or a [`Fault`].
//!
//! Nothing here does I/O, keeps state or looks at a clock. A status of 200 is not success: the stop reason is read
//! first, then the text. Readers are lenient: they take the few fields that they need and ignore the rest, because
//! "compatible" servers differ in everything else.

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
    /// Chat Completions as other servers speak it.
    Compatible,
    /// OpenAI's Responses.
    Responses,
    /// Google's generateContent.
    Gemini,
}

/// What an attempt adds to its call.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'a> {
    /// Tokens on top of the answer's limit, for thinking or after a truncated answer.
    pub room: u32,
    /// What was wrong with the last answer.
    pub note: Option<&'a str>,
    /// Whether the answer is to come piece by piece.
    pub stream: bool,
    /// Whether the provider should keep the prompt's shared beginning for other calls.
    pub cache: bool,
    /// How requests of this account look.
    pub shape: &'a Shape,
}

/// A reply as it came off the wire.
pub struct HttpReply<'a> {
    /// The status.
    pub status: u16,
    /// Looks up a header by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The whole body.
    pub body: &'a [u8],
}

impl Dialect {
    /// Tokens that a thinking model may use before its answer, when the settings do not say. Generous where only
    /// tokens really produced count, tight where the limit is reserved.
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

    /// The field that names a tier of service, and how this provider writes the tier.
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

    /// A reply that is there whole and is no error.
    fn read(self, json: &Value) -> Result<Reply, Fault> {
        match self {
            Self::Anthropic => anthropic::reply(json),
            Self::OpenAi | Self::Compatible => openai::reply(json),
            Self::Responses => responses::reply(json),
            Self::Gemini => gemini::reply(json),
        }
    }

    /// What a reply was billed for, whatever else it says.
    fn usage(self, json: &Value) -> Usage {
        self.read(json).map_or_else(|fault| fault.usage, |reply| reply.usage)
    }

    /// A reply whose status is a success.
    fn whole(self, http: &HttpReply<'_>) -> Result<Reply, Fault> {
        match decode::decode(http.body) {
            Decoded::Json(json, repaired) => {
                if errors::is_error(&json) {
                    return Err(errors::sort(http, Some(&json)).billed(self.usage(&json)));
                }
                self.read(&json).map(|reply| Reply { repaired, ..reply })
            }
            // A stream that was not asked for is read all the same.
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

    /// The meaning of a reply.
    pub fn reply(self, http: &HttpReply<'_>) -> Result<Reply, Fault> {
        let id_header = if self == Self::Anthropic { "request-id" } else { "x-request-id" };
        let request_id = (http.header)(id_header);
        let result = if (200..=299).contains(&http.status) {
            self.whole(http)
        } else {
            Err(errors::sort(http, decode::first_value(http.body).as_ref()))
        };
        match result {
            Ok(reply) => Ok(Reply { request_id, ..reply }),
            Err(fault) => Err(Fault { request_id, ..fault }),
        }
    }
}

/// A model's name as a piece of a path: it may be any text.
fn in_path(model: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    model
        .trim_start_matches("models/")
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The beginning of a body that nobody can read, on one line.
fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text: String = String::from_utf8_lossy(body).chars().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().is_empty() { "(empty body)".into() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests;
