//! The parts of a wire dialect.
//!
//! Dialects are pure functions from request to [`Ask`] and from outcome to response, in the
//! providers' formats. They make no decisions. A new one is a file with a static [`Dialect`], and a
//! line in the table of the simulator.

use super::ask::Ask;
use super::bill::Tokens;
use super::ending::{End, Problem};
use super::limits::{Charge, LimitState};
use super::script::Events;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::Value;

/// A provider API.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Whether model calls of this dialect go to a path.
    pub(super) has_path: fn(&str) -> bool,
    /// Parses and checks a request.
    pub(super) read: for<'a> fn(body: &'a Value, head: &'a Parts, seed: u64) -> Result<Ask<'a>, Problem>,
    /// The amounts that a request takes from the limits.
    pub(super) charge: fn(&Ask<'_>, Tokens) -> Charge,
    /// Whether output counts towards a limit as it is produced.
    pub(super) meters_output: bool,
    /// The body of a 200.
    pub(super) reply: fn(&Ask<'_>, text: &str, End, Tokens) -> String,
    /// The events of a stream.
    pub(super) stream: fn(&Ask<'_>, text: &str, End, Tokens) -> Events,
    /// The event of an error in the middle of a stream.
    pub(super) stream_error: fn() -> String,
    /// Status and body of an error.
    pub(super) problem: fn(&Problem, request_id: &str) -> (StatusCode, String),
    /// The header with the request id.
    pub(super) id_header: Option<&'static str>,
    /// The rate-limit headers of one limit.
    pub(super) limit_headers: fn(&LimitState) -> Vec<(String, String)>,
    /// Whether a 429 has the wait in its body, to the millisecond, and not in a header.
    pub(super) wait_in_body: bool,
}
