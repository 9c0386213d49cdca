//! Reads responses that go to the client as they came.
//!
//! A relayed response is OpenAI's or compatible with it. docmill reads only what the bill, the
//! limits and retries need.

use super::http::HttpReply;
use super::limits::RateLimitHeader;
use super::{decode, errors, openai, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{FailureCode, Usage};
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The parts of a response that determine its bill.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Relayed {
    /// Billed tokens; all zero if unknown.
    pub usage: Usage,
    /// The service tier that served the request.
    pub tier: Option<String>,
}

/// Longest field of a response that is parsed, in bytes.
const LONGEST: usize = 16 * 1024;
/// Longest event of a stream, in bytes.
const LONGEST_EVENT: usize = 16 << 20;

/// Reads a complete response.
pub fn relayed(http: &HttpReply<'_>) -> Result<Relayed, Fault> {
    if !(200..=299).contains(&http.status) {
        return Err(errors::classify(http, decode::first_value(http.body).as_ref()));
    }
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(http.body) else { return Err(errors::unreadable(http)) };
    // Long fields hold answers and vectors. That they are there is enough.
    let short =
        |raw: &RawValue| if raw.get().len() > LONGEST { Value::Bool(true) } else { serde_json::from_str(raw.get()).unwrap_or_default() };
    let json = Value::Object(fields.into_iter().map(|(name, raw)| (name, short(raw))).collect::<Map<_, _>>());
    if errors::is_error(&json) {
        return Err(errors::classify(http, Some(&json)).billed(usage::read(&json["usage"])));
    }
    Ok(Relayed { usage: usage::read(&json["usage"]), tier: json["service_tier"].as_str().map(ToOwned::to_owned) })
}

/// The rate limits in the headers of an OpenAI-compatible response.
pub fn openai_rate_limits(http: &HttpReply<'_>) -> Vec<RateLimitHeader> {
    openai::rate_limits(http)
}

/// Follows a streamed response.
#[derive(Debug, Default)]
pub struct RelayedStream {
    /// The incomplete event.
    held: Vec<u8>,
    usage: Value,
    tier: Option<String>,
    done: bool,
    /// Whether the client did not ask for the usage, which docmill asked for.
    hides_usage: bool,
}

impl RelayedStream {
    /// `hides_usage` removes the event with the usage from a stream of Chat Completions.
    pub fn new(hides_usage: bool) -> Self {
        Self { hides_usage, ..Self::default() }
    }

    /// Takes more bytes. Returns the complete events for the client.
    ///
    /// An event that reports an error ends the stream.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Bytes, Fault> {
        let mut scanned = self.held.len().saturating_sub(3);
        self.held.extend_from_slice(bytes);
        let mut forward = Vec::new();
        while let Some(end) = end_of_event(&self.held, scanned) {
            let event: Vec<u8> = self.held.drain(..end).collect();
            scanned = 0;
            match self.event(&event) {
                Ok(true) => forward.extend_from_slice(&event),
                Ok(false) => {}
                Err(fault) if forward.is_empty() => return Err(fault),
                // The error is reported after the events before it.
                Err(_) => {
                    self.held.splice(..0, event);
                    break;
                }
            }
        }
        if self.held.len() > LONGEST_EVENT {
            return Err(Fault::new(Class::Ambiguous, FailureCode::BadReply, "an event of the stream is too large"));
        }
        Ok(forward.into())
    }

    /// Reads an event. Returns whether the client gets it.
    fn event(&mut self, event: &[u8]) -> Result<bool, Fault> {
        let text = String::from_utf8_lossy(event);
        let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
        if data == ["[DONE]"] {
            self.done = true;
        }
        let Ok(json) = serde_json::from_str::<Value>(&data.join("\n")) else { return Ok(true) };
        let whole = &json["response"];
        for reported in [&json["usage"], &json["x_groq"]["usage"], &whole["usage"]] {
            usage::merge(&mut self.usage, reported);
        }
        for tier in [&json["service_tier"], &whole["service_tier"]] {
            self.tier = tier.as_str().map(ToOwned::to_owned).or_else(|| self.tier.take());
        }
        let kind = json["type"].as_str().unwrap_or_default();
        self.done |= matches!(kind, "response.completed" | "response.incomplete" | "response.failed");
        self.done |= json["choices"][0]["finish_reason"].is_string();
        if errors::is_error(&json) && !kind.starts_with("response.") {
            let http = HttpReply { status: 200, header: &|_| None, body: b"" };
            return Err(errors::classify(&http, Some(&json)).billed(usage::read(&self.usage)));
        }
        let only_usage = json["choices"].as_array().is_some_and(Vec::is_empty) && json["usage"].is_object();
        Ok(!(self.hides_usage && only_usage))
    }

    /// Ends the stream.
    pub fn finish(self) -> Result<Relayed, Fault> {
        let usage = usage::read(&self.usage);
        if !self.done {
            let message = "the stream ended before the answer was complete";
            return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::LostReply, message) });
        }
        Ok(Relayed { usage, tier: self.tier })
    }
}

/// The end of the first event: behind its empty line. `from` is where to look.
fn end_of_event(held: &[u8], from: usize) -> Option<usize> {
    let rest = &held[from..];
    let ends = [&b"\n\n"[..], b"\n\r\n", b"\r\r"];
    let found = ends.iter().filter_map(|end| Some(rest.windows(end.len()).position(|window| window == *end)? + end.len()));
    found.min().map(|end| from + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n\
        : comment\r\n\r\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3},\"service_tier\":\"flex\"}\n\n\
        data: [DONE]\n\n";

    #[test]
    fn a_stream_reaches_the_client_unchanged_except_for_the_usage_that_it_did_not_ask_for() {
        let without: String = STREAM.split_inclusive("\n\n").filter(|event| !event.contains("prompt_tokens")).collect();
        for (hides, expected) in [(false, STREAM), (true, without.as_str())] {
            for size in [1, 7, STREAM.len()] {
                let mut stream = RelayedStream::new(hides);
                let sent: Vec<u8> = STREAM.as_bytes().chunks(size).flat_map(|chunk| stream.push(chunk).unwrap()).collect();
                assert_eq!(String::from_utf8(sent).unwrap(), expected);
                let end = stream.finish().unwrap();
                assert_eq!((end.usage.uncached_input, end.usage.output, end.tier.as_deref()), (7, 3, Some("flex")));
            }
        }
    }

    #[test]
    fn an_error_in_a_stream_comes_after_the_events_before_it() {
        let error = "data: {\"error\":{\"message\":\"m\",\"code\":\"server_is_overloaded\"}}\n\n";
        let mut stream = RelayedStream::new(false);
        let first = stream.push(format!("data: {{\"choices\":[]}}\n\n{error}").as_bytes()).unwrap();
        assert!(!first.is_empty());
        assert_eq!(stream.push(b"").unwrap_err().code, FailureCode::Overloaded);
        assert_eq!(RelayedStream::new(false).finish().unwrap_err().class, Class::Ambiguous);
    }

    #[test]
    fn the_bill_of_a_response_needs_only_its_short_fields() {
        let long = "x".repeat(LONGEST);
        let body = format!("{{\"data\":[\"{long}\"],\"usage\":{{\"prompt_tokens\":5,\"total_tokens\":5}}}}");
        let read = relayed(&HttpReply { status: 200, header: &|_| None, body: body.as_bytes() }).unwrap();
        assert_eq!(read.usage, Usage { uncached_input: 5, ..Usage::default() });
        let refused = relayed(&HttpReply { status: 400, header: &|_| None, body: b"{\"error\":{\"message\":\"no\"}}" });
        assert_eq!(refused.unwrap_err().status, Some(400));
    }
}
