//! Google's generateContent.

use super::{Body, Extra, SchemaStyle, body, content, finish, usage};
use crate::ask::fault::{Class, Fault};
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, FinishReason, MessagePart, Reply};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let merged = extra.shape.merged(call).map(|text| json!({"text": text}));
    let mut parts: Vec<Value> = merged.into_iter().chain(call.parts.iter().map(part)).collect();
    let instruction = extra.shape.instruction(&call.schema);
    parts.extend(instruction.as_deref().into_iter().chain(extra.note).map(|text| json!({"text": text})));
    let mut config = Map::new();
    config.insert("maxOutputTokens".into(), json!(call.max_output_tokens.saturating_add(extra.room)));
    if extra.shape.schema != SchemaStyle::Prompt {
        config.insert("responseMimeType".into(), json!("application/json"));
    }
    if extra.shape.schema == SchemaStyle::Native {
        config.insert("responseJsonSchema".into(), (*call.schema).clone());
    }
    if let Some(effort) = call.effort.as_ref().filter(|_| extra.shape.effort) {
        config.insert("thinkingConfig".into(), json!({"thinkingLevel": effort.to_uppercase()}));
    }
    let mut body = json!({"contents": [{"role": "user", "parts": parts}]});
    if let Some(system) = extra.shape.system(call) {
        body["systemInstruction"] = json!({"parts": [{"text": system}]});
    }
    for (field, value) in &*extra.shape.body {
        match (field.as_str(), value) {
            // The user's fields are merged into ours.
            ("generationConfig", Value::Object(further)) => config.extend(further.clone()),
            _ => body[field] = value.clone(),
        }
    }
    body["generationConfig"] = Value::Object(config);
    Body::new(&body, &call.parts)
}

fn part(part: &MessagePart) -> Value {
    match part {
        MessagePart::Text(text) => json!({"text": &**text}),
        MessagePart::Picture(picture) => json!({"inlineData": {"mimeType": picture.media_type, "data": body::placeholder(picture)}}),
    }
}

pub(super) fn reply(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usageMetadata"]);
    let tier = Tier::in_usage(&json["usageMetadata"]);
    let model = json["modelVersion"].as_str().unwrap_or_default().to_owned();
    let reply =
        |text, stop| Ok(Reply { text, stop, usage, model: model.clone(), request_id: None, tier: tier.clone(), repaired: BTreeSet::new() });
    if let Some(why) = json["promptFeedback"]["blockReason"].as_str() {
        return reply(String::new(), FinishReason::Filtered(why.to_owned()));
    }
    let Some(candidate) = json["candidates"].get(0) else {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the reply has no candidates") });
    };
    let text = content::text(&candidate["content"]["parts"]);
    let stop = finish::stop(candidate["finishReason"].as_str(), candidate["finishMessage"].as_str(), &text, usage)?;
    reply(text, stop)
}
