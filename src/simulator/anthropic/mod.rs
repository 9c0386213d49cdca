//! The Anthropic Messages dialect.
//!
//! For text and images, it accepts and refuses the same requests as the real server, with the same
//! statuses and error types. It refuses tools and batches with a 400.

mod reply;
mod request;

use super::bill::Tokens;
use super::dialect::Dialect;
use super::ending::Problem;
use super::limits::{Charge, LimitKind, LimitState};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) static MESSAGES: Dialect = Dialect {
    has_path: |path| path == "/v1/messages",
    read: |body, head, seed| request::read(body, &head.headers, seed),
    charge: |_, tokens| charge(tokens),
    meters_output: true,
    reply: reply::reply,
    stream: reply::stream,
    stream_error: reply::stream_error,
    problem,
    id_header: Some("request-id"),
    limit_headers: |state| limit_headers(state).into(),
    wait_in_body: false,
};

/// The list of models.
pub(super) fn list_models(models: &[String]) -> Value {
    let entry = |id: &String| json!({ "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z" });
    let data: Vec<_> = models.iter().map(entry).collect();
    json!({ "data": data, "has_more": false, "first_id": models.first(), "last_id": models.last() })
}

/// Input counts towards the limits unless it comes from the cache. Output counts once it exists.
fn charge(tokens: Tokens) -> Charge {
    vec![(LimitKind::Requests, 1), (LimitKind::Input, tokens.fresh + tokens.cache_write), (LimitKind::Output, 0)]
}

/// Status and body of an error.
fn problem(problem: &Problem, request_id: &str) -> (StatusCode, String) {
    let (status, kind, message) = match problem {
        Problem::Invalid { message, .. } => (400, "invalid_request_error", message.clone()),
        Problem::Unauthorized => (401, "authentication_error", "invalid x-api-key".to_owned()),
        Problem::UnknownModel(model) => (404, "not_found_error", format!("model: {model}")),
        Problem::UnknownPath(path) => (404, "not_found_error", format!("Not found: {path}")),
        Problem::TooLarge => (413, "request_too_large", "Request exceeds the maximum size of 32 MB".to_owned()),
        Problem::RateLimited { meter, .. } => {
            let message = format!("This request would exceed your organization's rate limit of {} per minute.", name(*meter));
            (429, "rate_limit_error", message)
        }
        Problem::Overloaded => (529, "overloaded_error", "Overloaded".to_owned()),
        Problem::ServerError => (500, "api_error", "Internal server error".to_owned()),
    };
    let body = json!({
        "type": "error",
        "error": { "type": kind, "message": message },
        "request_id": request_id,
    });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body.to_string())
}

fn name(meter: LimitKind) -> &'static str {
    match meter {
        LimitKind::Requests => "requests",
        LimitKind::Input => "input tokens",
        LimitKind::Output => "output tokens",
        LimitKind::Tokens => "tokens",
    }
}

/// Rate-limit headers. Resets are RFC 3339 times in whole seconds, rounded up. Remaining tokens are
/// rounded to thousands.
fn limit_headers(state: &LimitState) -> [(String, String); 3] {
    let full = Timestamp::now().saturating_add(state.reset).unwrap_or(Timestamp::MAX);
    let full = Timestamp::from_second(full.as_second().saturating_add(1)).unwrap_or(full);
    let remaining = match state.meter {
        LimitKind::Requests => state.remaining,
        _ => (state.remaining + 500) / 1000 * 1000,
    };
    let header = |part: &str| format!("anthropic-ratelimit-{}-{part}", name(state.meter).replace(' ', "-"));
    [(header("limit"), state.limit.to_string()), (header("remaining"), remaining.to_string()), (header("reset"), full.to_string())]
}
