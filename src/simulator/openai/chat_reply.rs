//! Builds responses of Chat Completions, complete or in chunks.

use super::CREATED;
use crate::simulator::ask::Ask;
use crate::simulator::bill::Tokens;
use crate::simulator::ending::End;
use crate::simulator::script::{Events, pieces};
use serde_json::{Value, json};

/// The body of a 200.
pub(in crate::simulator) fn reply(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> String {
    let message = match end {
        End::Complete | End::Cut => json!({ "role": "assistant", "content": text, "refusal": null }),
        End::Refused => json!({ "role": "assistant", "content": null, "refusal": text }),
    };
    json!({
        "id": id(ask),
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason(end) }],
        "usage": usage(tokens),
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    })
    .to_string()
}

/// The chunks of a stream. The usage is sent only on request.
pub(in crate::simulator) fn stream(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> Events {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": id(ask),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": ask.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
            "choices": choices,
        });
        if ask.delivery.usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, reason: Value| {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
        chunk(json!([choice]), Value::Null)
    };
    let field = if end == End::Refused { "refusal" } else { "content" };
    let mut first = json!({ "role": "assistant", "content": "", "refusal": null });
    if end == End::Refused {
        first["content"] = Value::Null;
    }
    let mut tail = choice(json!({}), json!(reason(end)));
    if ask.delivery.usage {
        tail += &chunk(json!([]), usage(tokens));
    }
    tail += "data: [DONE]\n\n";
    let piece = |(text, tokens)| (choice(json!({ field: text }), Value::Null), tokens);
    Events { head: choice(first, Value::Null), pieces: pieces(text).into_iter().map(piece).collect(), tail }
}

/// An error in the middle of a stream.
pub(in crate::simulator) fn stream_error() -> String {
    let message = "The server is currently overloaded. Please try again later.";
    let error = json!({ "message": message, "type": "server_error", "param": null, "code": "server_is_overloaded" });
    format!("data: {}\n\n", json!({ "error": error }))
}

fn id(ask: &Ask<'_>) -> String {
    format!("chatcmpl-sim-{}", ask.short_id())
}

fn reason(end: End) -> &'static str {
    if end == End::Cut { "length" } else { "stop" }
}

/// Unlike Anthropic's, the prompt tokens include cached tokens.
fn usage(tokens: Tokens) -> Value {
    let details = json!({ "cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write, "audio_tokens": 0 });
    json!({
        "prompt_tokens": tokens.input(),
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input() + tokens.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
