//! Wire formats as pure functions.
//!
//! They turn a call into the body of a request, and a response into a [`Reply`] or a [`Fault`].
//! This module does no I/O, keeps no state and reads no clock. A status of 200 does not mean
//! success: the stop reason is read first, then the text. Readers only use the few fields that they
//! need, because "compatible" servers differ in all others.
//!
//! A wire format is a file with a static [`WireFormat`], and an entry in [`Dialect::ALL`]. No other
//! code depends on a particular format. Differences in wording are data:
//!
//! - `errors.toml` and `complaint.toml`
//! - the prices and image rules of the provider's models

mod anthropic;
mod assembly;
mod body;
mod compatible;
mod complaint;
mod content;
mod decode;
mod error_text;
mod errors;
mod finish;
mod form;
mod format;
mod gemini;
mod halves;
mod http;
mod limits;
mod meaning;
mod openai;
mod pack_refusal;
mod relayed;
mod responses;
mod schema;
mod shape;
mod sse;
mod stream;
mod usage;
mod wait;

pub use body::Body;
pub use complaint::Complaint;
pub use form::{LimitName, Role, SchemaStyle};
pub use format::{Dialect, Endpoint, Expected, LimitRules, ProviderDefaults, RelayPaths, Tiers, WireFormat};
pub use http::HttpReply;
pub use limits::{LimitKind, RateLimitHeader};
pub use pack_refusal::{SizeKind, TooLarge, may_blame_one_item, pack_refusal};
pub use relayed::{Relayed, RelayedStream, openai_rate_limits, relayed};
pub use schema::{Patterns, Subset};
pub use shape::{Extra, Feature, Shape};
pub use stream::StreamReader;

use super::fault::Fault;
use crate::model::{Call, Reply};
use decode::Decoded;
use serde_json::{Map, Value};

impl Dialect {
    /// All wire formats.
    pub const ALL: &'static [Self] = &[Self::ANTHROPIC, Self::OPENAI, Self::RESPONSES, Self::GEMINI, Self::COMPATIBLE];

    /// Returns the usual form of requests, with the fields of `llm.body`.
    pub fn shape(self, model: &str, body: Map<String, Value>) -> Shape {
        Shape::new(&self.0.form, model, body)
    }

    /// Builds the body of a request for a call.
    pub fn request(self, call: &Call, extra: &Extra<'_>) -> Body {
        (self.0.request)(call, extra)
    }

    /// Creates a reader for one streamed reply.
    pub fn stream(self) -> StreamReader {
        StreamReader::new(self)
    }

    /// Reads a response with a success status.
    fn whole(self, http: &HttpReply<'_>) -> Result<Reply, Fault> {
        match decode::decode(http.body) {
            Decoded::Json(json, repaired) => {
                if errors::is_error(&json) {
                    return Err(errors::classify(http, Some(&json)).billed(self.usage(&json)));
                }
                (self.0.read)(&json).map(|reply| Reply { repaired, ..reply })
            }
            // Some servers send a stream although the request did not ask for it.
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
        let request_id = (http.header)(self.endpoint.id_header);
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

#[cfg(test)]
mod tests;
