//! Wire formats as pure functions: a call becomes the body of a request, a reply becomes a [`Reply`] or a [`Fault`].
//!
//! Nothing here does I/O, keeps state or looks at a clock. A status of 200 is not success: the stop reason is read
//! first, then the text. Readers are lenient: they take the few fields that they need and ignore the rest, because
//! "compatible" servers differ in everything else.

mod anthropic;
mod body;
mod limits;
mod openai;
mod schema;

pub use body::Body;
pub use limits::{Meter, Standing};

use super::fault::{Class, Fault, Pressure, StopKind};
use crate::model::{Call, FailureCode, Reply};
use serde_json::Value;
use std::time::Duration;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions.
    OpenAi,
    /// Chat Completions as other servers speak it.
    Compatible,
}

/// What an attempt adds to its call.
#[derive(Debug, Clone, Default)]
pub struct Extra<'a> {
    /// Tokens on top of the answer's limit, for thinking or after a truncated answer.
    pub room: u32,
    /// What was wrong with the last answer.
    pub note: Option<&'a str>,
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
            Self::OpenAi => 2000,
            Self::Compatible => 0,
        }
    }

    /// Path of the endpoint below the base address.
    pub fn path(self) -> &'static str {
        match self {
            Self::Anthropic => "/v1/messages",
            Self::OpenAi | Self::Compatible => "/chat/completions",
        }
    }

    /// Headers of every request, besides the key and the content type.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2026-10-21")],
            Self::OpenAi | Self::Compatible => &[],
        }
    }

    /// Name and value prefix of the header that carries the key.
    pub fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("x-api-key", ""),
            Self::OpenAi | Self::Compatible => ("authorization", "Bearer "),
        }
    }

    /// The body of a request for a call.
    pub fn request(self, call: &Call, extra: &Extra<'_>) -> Body {
        match self {
            Self::Anthropic => anthropic::request(call, extra),
            Self::OpenAi => openai::request(call, extra, openai::Flavour::OpenAi),
            Self::Compatible => openai::request(call, extra, openai::Flavour::Compatible),
        }
    }

    /// stub
    pub fn standings(self, _http: &HttpReply<'_>) -> Vec<Standing> {
        Vec::new()
    }

    /// The meaning of a reply.
    pub fn reply(self, http: &HttpReply<'_>) -> Result<Reply, Fault> {
        let id_header = if self == Self::Anthropic { "request-id" } else { "x-request-id" };
        let request_id = (http.header)(id_header);
        let json: Option<Value> = serde_json::from_slice(http.body).ok();
        let result = match (http.status, json) {
            (200..=299, Some(json)) if json.get("error").is_none_or(Value::is_null) => match self {
                Self::Anthropic => anthropic::reply(&json),
                Self::OpenAi | Self::Compatible => openai::reply(&json),
            },
            (200..=299, None) => {
                let message = format!("the reply is not JSON: {}", excerpt(http.body));
                // Somebody answered something, and nobody can say what it cost.
                Err(Fault::new(Class::Ambiguous, FailureCode::BadReply, message))
            }
            (status, json) => Err(refusal(status, http, json.as_ref())),
        };
        match result {
            Ok(reply) => Ok(Reply { request_id, ..reply }),
            Err(fault) => Err(Fault { request_id, ..fault }),
        }
    }
}

/// Codes of accounts without money, whatever their status is.
const NO_CREDIT: [&str; 8] = [
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "insufficient_quota",
    "billing_error",
];

/// Codes of documents that do not fit, whatever their status is.
const TOO_LONG: [&str; 4] = ["context_length_exceeded", "exceed_context_size_error", "request_too_large", "image_too_large"];

/// Sorts an error by its code, then by its status; never by its message, which may be worded anew any day.
fn refusal(status: u16, http: &HttpReply<'_>, json: Option<&Value>) -> Fault {
    let error = json.and_then(|json| json.get("error")).filter(|e| !e.is_null());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    let kind = text(error.and_then(|e| e.get("type")));
    let code = text(error.and_then(|e| e.pointer("/details/error_code")))
        .or_else(|| text(error.and_then(|e| e.get("code"))))
        .or_else(|| kind.clone())
        .unwrap_or_default();
    let said = text(error.and_then(|e| e.get("message"))).or_else(|| text(error)).unwrap_or_else(|| excerpt(http.body));
    // Some gateways report a failure inside a 200; the inner code then stands for the status.
    let status = match error.and_then(|e| e.get("code")).and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()) {
        Some(inner) if status == 200 => inner,
        _ => status,
    };
    let message = if code.is_empty() { format!("HTTP {status}: {said}") } else { format!("HTTP {status} {code}: {said}") };
    let retry_after = retry_after(http.header);
    let known = |list: &[&str]| list.contains(&code.as_str()) || kind.as_deref().is_some_and(|k| list.contains(&k));
    let (class, failure) = match status {
        _ if known(&NO_CREDIT) || status == 402 => (Class::RunFatal(StopKind::Refused), FailureCode::Rejected),
        _ if known(&TOO_LONG) || status == 413 => (Class::Permanent, FailureCode::TooLong),
        _ if code == "content_filter" => (Class::Permanent, FailureCode::Filtered),
        401 | 403 | 404 => (Class::RunFatal(StopKind::Refused), FailureCode::Rejected),
        429 => (Class::Refused { retry_after }, FailureCode::RateLimited),
        503 | 529 => (Class::Refused { retry_after }, FailureCode::Overloaded),
        408 | 409 | 425 | 500..=599 => (Class::Refused { retry_after }, FailureCode::ServerError),
        200 => (Class::BadReply, FailureCode::BadReply),
        _ => (Class::Permanent, FailureCode::Rejected),
    };
    let pressure = match (&class, failure) {
        (Class::Refused { .. }, FailureCode::RateLimited) => Pressure::Rate,
        (Class::Refused { .. }, FailureCode::Overloaded) => Pressure::Overload,
        _ => Pressure::None,
    };
    Fault { status: Some(status), reason: Some(code).filter(|c| !c.is_empty()), pressure, ..Fault::new(class, failure, message) }
}

/// The wait that the provider asks for: milliseconds, seconds, or a date.
fn retry_after(header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    if let Some(ms) = header("retry-after-ms").and_then(|v| v.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let value = header("retry-after")?;
    match value.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        // A date counts from the server's own clock where it tells it: ours may be wrong.
        Err(_) => {
            let at = httpdate::parse_http_date(value.trim()).ok()?;
            let now = header("date").and_then(|d| httpdate::parse_http_date(&d).ok())?;
            Some(at.duration_since(now).unwrap_or_default())
        }
    }
}

/// The beginning of a body that nobody can read, on one line.
fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text: String = String::from_utf8_lossy(body).chars().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().is_empty() { "(empty body)".into() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests;
