//! Builds responses of the Responses API, complete or as events.

use super::CREATED;
use crate::simulator::ask::Ask;
use crate::simulator::bill::Tokens;
use crate::simulator::ending::End;
use crate::simulator::script::{Events, pieces};
use serde_json::{Value, json};

/// The body of a 200.
pub(in crate::simulator) fn reply(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> String {
    response(ask, Some((text, end, tokens))).to_string()
}

/// The numbered events of a stream.
pub(in crate::simulator) fn stream(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> Events {
    let mut next = 0;
    let mut event = |name: &str, mut data: Value| {
        data["type"] = json!(name);
        data["sequence_number"] = json!(next);
        next += 1;
        format!("event: {name}\ndata: {data}\n\n")
    };
    let (kind, field) = if end == End::Refused { ("refusal", "refusal") } else { ("output_text", "text") };
    let item_id = item_id(ask);
    let at = || json!({ "item_id": &item_id, "output_index": 0, "content_index": 0 });
    let head = [
        event("response.created", json!({ "response": response(ask, None) })),
        event("response.in_progress", json!({ "response": response(ask, None) })),
        event("response.output_item.added", json!({ "output_index": 0, "item": item(ask, &[], "in_progress") })),
        event("response.content_part.added", with(at(), "part", part("", end))),
    ]
    .concat();
    let delta = |(text, tokens): (&str, u64)| (event(&format!("response.{kind}.delta"), with(at(), "delta", json!(text))), tokens);
    let pieces = pieces(text).into_iter().map(delta).collect();
    let status = status(end);
    let tail = [
        event(&format!("response.{kind}.done"), with(at(), field, json!(text))),
        event("response.content_part.done", with(at(), "part", part(text, end))),
        event("response.output_item.done", json!({ "output_index": 0, "item": item(ask, &[part(text, end)], status) })),
        event(&format!("response.{status}"), json!({ "response": response(ask, Some((text, end, tokens))) })),
    ]
    .concat();
    Events { head, pieces, tail }
}

/// An error in the middle of a stream.
pub(in crate::simulator) fn stream_error() -> String {
    let message = "The server is currently overloaded. Please try again later.";
    let error = json!({ "type": "error", "code": "server_is_overloaded", "message": message, "param": null });
    format!("event: error\ndata: {error}\n\n")
}

/// A response, before or after its answer.
fn response(ask: &Ask<'_>, answer: Option<(&str, End, Tokens)>) -> Value {
    let mut response = json!({
        "id": format!("resp_sim_{}", ask.short_id()),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": null,
        "incomplete_details": null,
        "model": ask.model,
        "output": [],
        "service_tier": "default",
        "usage": null,
    });
    if let Some((text, end, tokens)) = answer {
        response["status"] = json!(status(end));
        if end == End::Cut {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        response["output"] = json!([item(ask, &[part(text, end)], status(end))]);
        response["usage"] = json!({
            "input_tokens": tokens.input(),
            "input_tokens_details": { "cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write },
            "output_tokens": tokens.output,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": tokens.input() + tokens.output,
        });
    }
    response
}

fn item(ask: &Ask<'_>, content: &[Value], status: &str) -> Value {
    json!({ "type": "message", "id": item_id(ask), "status": status, "role": "assistant", "content": content })
}

fn part(text: &str, end: End) -> Value {
    match end {
        End::Refused => json!({ "type": "refusal", "refusal": text }),
        End::Complete | End::Cut => json!({ "type": "output_text", "text": text, "annotations": [] }),
    }
}

fn item_id(ask: &Ask<'_>) -> String {
    format!("msg_sim_{}", ask.short_id())
}

fn status(end: End) -> &'static str {
    if end == End::Cut { "incomplete" } else { "completed" }
}

fn with(mut data: Value, field: &str, value: Value) -> Value {
    data[field] = value;
    data
}
