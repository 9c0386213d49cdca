//! The OpenAI dialects: Chat Completions, Responses and Embeddings.
//!
//! For text and images, they accept and refuse the same requests as the real server, with the same
//! statuses and error codes. They refuse tools and several choices with a 400.

pub(super) mod chat;
mod chat_reply;
pub(super) mod embeddings;
pub(super) mod responses;
mod responses_reply;

use super::ask::Ask;
use super::ending::Problem;
use super::limits::{Charge, LimitKind, LimitState};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const PATCH: u32 = 32;
/// A fixed date (18 November 2026), because a response depends only on its request.
const CREATED: u64 = 1_795_000_000;

/// The list of models.
pub(super) fn list_models(models: &[String]) -> Value {
    let entry = |id: &String| json!({ "id": id, "object": "model", "created": 0, "owned_by": "simulator" });
    json!({ "object": "list", "data": models.iter().map(entry).collect::<Vec<_>>() })
}

/// The output limit counts in full, unless the input is longer.
fn charge(ask: &Ask<'_>) -> Charge {
    let reserved = if ask.max_tokens == u64::MAX { 0 } else { ask.max_tokens };
    vec![(LimitKind::Requests, 1), (LimitKind::Tokens, reserved.max(ask.input_tokens))]
}

/// Status and body of an error.
fn problem(problem: &Problem) -> (StatusCode, String) {
    let invalid = "invalid_request_error";
    let (status, kind, code, param, message) = match problem {
        Problem::Invalid { message, param, code } => (400, invalid, *code, param.as_deref(), message.clone()),
        Problem::Unauthorized => (401, invalid, Some("invalid_api_key"), None, "Incorrect API key provided.".to_owned()),
        Problem::UnknownModel(model) => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            (404, invalid, Some("model_not_found"), None, message)
        }
        Problem::UnknownPath(path) => (404, invalid, None, None, format!("Invalid URL ({path})")),
        Problem::TooLarge => (413, invalid, None, None, "The request is too large.".to_owned()),
        Problem::RateLimited { meter: LimitKind::Requests, .. } => {
            let message = "Rate limit reached on requests per min (RPM).".to_owned();
            (429, "requests", Some("rate_limit_exceeded"), None, message)
        }
        Problem::RateLimited { .. } => {
            let message = "Rate limit reached on tokens per min (TPM).".to_owned();
            (429, "tokens", Some("rate_limit_exceeded"), None, message)
        }
        Problem::Overloaded => {
            let message = "The server is currently overloaded. Please try again later.".to_owned();
            (503, "server_error", Some("server_is_overloaded"), None, message)
        }
        Problem::ServerError => {
            let message = "The server had an error while processing your request.".to_owned();
            (500, "server_error", None, None, message)
        }
    };
    let body = json!({ "error": { "message": message, "type": kind, "param": param, "code": code } });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body.to_string())
}

/// Rate-limit headers.
fn limit_headers(state: &LimitState) -> [(String, String); 3] {
    let name = if state.meter == LimitKind::Requests { "requests" } else { "tokens" };
    [
        (format!("x-ratelimit-limit-{name}"), state.limit.to_string()),
        (format!("x-ratelimit-remaining-{name}"), state.remaining.to_string()),
        (format!("x-ratelimit-reset-{name}"), go_duration(state.reset)),
    ]
}

/// A duration as Go prints it, in whole milliseconds, rounded up.
pub(super) fn go_duration(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    let (minutes, seconds) = (millis / 60_000, (millis % 60_000) as f64 / 1000.0);
    match minutes {
        0 if millis == 0 => "0s".to_owned(),
        0 if millis < 1000 => format!("{millis}ms"),
        0 => format!("{seconds}s"),
        1..60 => format!("{minutes}m{seconds}s"),
        _ => format!("{}h{}m{seconds}s", minutes / 60, minutes % 60),
    }
}
