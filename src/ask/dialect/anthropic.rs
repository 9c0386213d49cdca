//! Anthropic's Messages API, version 2026-10-21.

use super::{Body, Extra, SchemaStyle, body, schema, usage};
use crate::ask::fault::{Class, Fault};
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, Part, Reply, Stop};
use serde_json::{Map, Value, json};

pub(super) fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let (mut content, mut system): (Vec<Value>, Vec<Value>) = (call.parts.iter().map(part).collect(), Vec::new());
    if !call.system.is_empty() {
        system.push(text(&call.system));
    }
    if extra.cache && extra.shape.cache {
        // Everything up to the mark is kept: the end of what calls have in common.
        let last = content[..call.shared.min(call.parts.len())].last_mut().or(system.last_mut());
        if let Some(last) = last {
            last["cache_control"] = json!({"type": "ephemeral"});
        }
    }
    let instruction = extra.shape.instruction(&call.schema);
    content.extend(instruction.as_deref().into_iter().chain(extra.note).map(text));
    let mut output = Map::new();
    if extra.shape.schema == SchemaStyle::Native {
        output.insert("format".into(), json!({"type": "json_schema", "schema": schema::for_anthropic(&call.schema)}));
    }
    if let Some(effort) = call.effort.as_ref().filter(|_| extra.shape.effort) {
        output.insert("effort".into(), json!(&**effort));
    }
    let mut body = json!({
        "model": call.model,
        "max_tokens": call.max_output_tokens.saturating_add(extra.room),
        "messages": [{"role": "user", "content": content}],
    });
    if !output.is_empty() {
        body["output_config"] = Value::Object(output);
    }
    if !system.is_empty() {
        body["system"] = Value::Array(system);
    }
    if extra.stream {
        body["stream"] = json!(true);
    }
    for (field, value) in &extra.shape.body {
        body[field] = value.clone();
    }
    Body::new(&body, &call.parts)
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(said) => text(said),
        Part::Picture(picture) => json!({
            "type": "image",
            "source": {"type": "base64", "media_type": picture.media_type, "data": body::placeholder(picture)},
        }),
    }
}

pub(super) fn reply(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usage"]);
    let Some(blocks) = json["content"].as_array() else {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the reply has no content") });
    };
    // Thinking blocks may come first: blocks are chosen by type, never by position.
    let text: String = blocks.iter().filter(|b| b["type"] == "text").filter_map(|b| b["text"].as_str()).collect();
    let stop = match json["stop_reason"].as_str() {
        Some("max_tokens") => Stop::Truncated,
        Some("model_context_window_exceeded") => {
            let message = "the document and its answer do not fit into the model's context";
            return Err(Fault { usage, ..Fault::new(Class::Permanent, FailureCode::TooLong, message) });
        }
        Some("refusal") => {
            let details = &json["stop_details"];
            let why = details["explanation"].as_str().or_else(|| details["category"].as_str());
            Stop::Refused(why.unwrap_or("no reason given").to_owned())
        }
        _ => Stop::Complete,
    };
    Ok(Reply {
        text,
        stop,
        usage,
        model: json["model"].as_str().unwrap_or_default().to_owned(),
        request_id: None,
        tier: Tier::in_usage(&json["usage"]),
    })
}
