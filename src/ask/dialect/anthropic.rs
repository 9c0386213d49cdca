//! Anthropic's Messages API, version 2026-10-21.

use super::{Body, Extra, SchemaStyle, body, content, finish, schema, usage};
use crate::ask::fault::{Class, Fault};
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, MessagePart, Reply};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let (mut content, mut system): (Vec<Value>, Vec<Value>) = (call.parts.iter().map(part).collect(), Vec::new());
    let shape = extra.shape;
    system.extend(shape.system(call).map(text));
    if extra.cache && shape.cache && shape.blocks {
        // The provider caches everything up to the mark, so it goes to the end of what calls share.
        let last = content[..call.shared.min(call.parts.len())].last_mut().or(system.last_mut());
        if let Some(last) = last {
            last["cache_control"] = json!({"type": "ephemeral"});
        }
    }
    let instruction = shape.instruction(&call.schema);
    content.splice(..0, shape.merged(call).map(text));
    content.extend(instruction.as_deref().into_iter().chain(extra.note).map(text));
    let mut output = Map::new();
    if shape.schema == SchemaStyle::Native {
        output.insert("format".into(), json!({"type": "json_schema", "schema": schema::for_anthropic(&call.schema)}));
    }
    if let Some(effort) = call.effort.as_ref().filter(|_| shape.effort) {
        output.insert("effort".into(), json!(&**effort));
    }
    let mut body = json!({
        "model": call.model,
        "max_tokens": call.max_output_tokens.saturating_add(extra.room),
        "messages": [{"role": "user", "content": body::one_text(content, shape.blocks)}],
    });
    if !output.is_empty() {
        body["output_config"] = Value::Object(output);
    }
    if !system.is_empty() {
        body["system"] = body::one_text(system, shape.blocks);
    }
    // Some servers stream unless the request has `stream = false`.
    if extra.stream || extra.shape.no_stream {
        body["stream"] = json!(extra.stream);
    }
    for (field, value) in &*shape.body {
        body[field] = value.clone();
    }
    Body::new(&body, &call.parts)
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn part(part: &MessagePart) -> Value {
    match part {
        MessagePart::Text(content) => text(content),
        MessagePart::Picture(picture) => json!({
            "type": "image",
            "source": {"type": "base64", "media_type": picture.media_type, "data": body::placeholder(picture)},
        }),
    }
}

pub(super) fn reply(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usage"]);
    if !matches!(json["content"], Value::Array(_) | Value::String(_)) {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the reply has no content") });
    }
    // Blocks are chosen by type, never by position: thinking blocks may come first.
    let text = content::text(&json["content"]);
    let details = &json["stop_details"];
    let why = details["explanation"].as_str().or_else(|| details["category"].as_str());
    let stop = finish::stop(json["stop_reason"].as_str(), why, &text, usage)?;
    Ok(Reply {
        text,
        stop,
        usage,
        model: json["model"].as_str().unwrap_or_default().to_owned(),
        request_id: None,
        tier: Tier::in_usage(&json["usage"]),
        repaired: BTreeSet::new(),
    })
}
