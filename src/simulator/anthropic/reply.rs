//! Builds responses, complete or as events.

use crate::simulator::ask::Ask;
use crate::simulator::bill::Tokens;
use crate::simulator::ending::End;
use crate::simulator::script::{Events, pieces};
use serde_json::{Value, json};

/// The body of a 200.
pub(in crate::simulator) fn reply(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> String {
    let mut message = message(ask, tokens);
    message["content"] = json!([{ "type": "text", "text": text }]);
    let (reason, details) = stop(end);
    message["stop_reason"] = reason;
    message["stop_details"] = details;
    message.to_string()
}

/// The events of a stream.
pub(in crate::simulator) fn stream(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> Events {
    let start = message(ask, Tokens { output: 1, ..tokens });
    let block = json!({ "type": "text", "text": "" });
    let head = event(json!({ "type": "message_start", "message": start }))
        + &event(json!({ "type": "content_block_start", "index": 0, "content_block": block }))
        + &event(json!({ "type": "ping" }));
    let delta = |text: &str| {
        let delta = json!({ "type": "text_delta", "text": text });
        event(json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
    };
    let (reason, details) = stop(end);
    let last = json!({ "stop_reason": reason, "stop_sequence": null, "stop_details": details });
    let tail = event(json!({ "type": "content_block_stop", "index": 0 }))
        + &event(json!({ "type": "message_delta", "delta": last, "usage": counts(tokens) }))
        + &event(json!({ "type": "message_stop" }));
    Events { head, pieces: pieces(text).into_iter().map(|(text, tokens)| (delta(text), tokens)).collect(), tail }
}

/// An error in the middle of a stream.
pub(in crate::simulator) fn stream_error() -> String {
    event(json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }))
}

/// A message without content and finish reason.
fn message(ask: &Ask<'_>, tokens: Tokens) -> Value {
    let mut usage = counts(tokens);
    usage["cache_creation"] = json!({ "ephemeral_5m_input_tokens": tokens.cache_write, "ephemeral_1h_input_tokens": 0 });
    usage["service_tier"] = json!("standard");
    usage["inference_geo"] = json!("global");
    usage["speed"] = json!("standard");
    json!({
        "id": format!("msg_sim_{}", ask.short_id()),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "stop_details": null,
        "usage": usage,
    })
}

fn counts(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.fresh,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "output_tokens": tokens.output,
        "output_tokens_details": { "thinking_tokens": 0 },
    })
}

fn stop(end: End) -> (Value, Value) {
    match end {
        End::Complete => (json!("end_turn"), Value::Null),
        End::Cut => (json!("max_tokens"), Value::Null),
        End::Refused => {
            let explanation = "[simulated] The request was refused.";
            let details = json!({ "type": "refusal", "category": "general_harms", "explanation": explanation });
            (json!("refusal"), details)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "every event is made for its one line")]
fn event(data: Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}
