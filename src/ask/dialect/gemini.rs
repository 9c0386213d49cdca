//! Google's generateContent.

use super::{Body, Extra, SchemaStyle, body, usage};
use crate::ask::fault::{Class, Fault};
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, Part, Reply, Stop};
use serde_json::{Map, Value, json};

pub(super) fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let mut parts: Vec<Value> = call.parts.iter().map(part).collect();
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
    if !call.system.is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": &*call.system}]});
    }
    for (field, value) in &extra.shape.body {
        match (field.as_str(), value) {
            // Ours and theirs side by side.
            ("generationConfig", Value::Object(further)) => config.extend(further.clone()),
            _ => body[field] = value.clone(),
        }
    }
    body["generationConfig"] = Value::Object(config);
    Body::new(&body, &call.parts)
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"text": &**text}),
        Part::Picture(picture) => json!({"inlineData": {"mimeType": picture.media_type, "data": body::placeholder(picture)}}),
    }
}

pub(super) fn reply(json: &Value) -> Result<Reply, Fault> {
    // Streams without the parameter for events come as a list.
    let json = json.get(0).unwrap_or(json);
    let usage = usage::read(&json["usageMetadata"]);
    let model = json["modelVersion"].as_str().unwrap_or_default().to_owned();
    let reply = |text: String, stop| {
        Ok(Reply { text, stop, usage, model: model.clone(), request_id: None, tier: Tier::in_usage(&json["usageMetadata"]) })
    };
    if let Some(why) = json["promptFeedback"]["blockReason"].as_str() {
        return reply(String::new(), Stop::Filtered(why.to_owned()));
    }
    let Some(candidate) = json["candidates"].get(0) else {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the reply has no candidates") });
    };
    let parts = candidate["content"]["parts"].as_array().into_iter().flatten();
    let text: String = parts.filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect();
    let stop = match candidate["finishReason"].as_str().unwrap_or("STOP") {
        "STOP" | "FINISH_REASON_UNSPECIFIED" => Stop::Complete,
        "MAX_TOKENS" => Stop::Truncated,
        why @ ("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" | "MODEL_ARMOR" | "JAILBREAK") => {
            Stop::Filtered(why.to_owned())
        }
        why if why.starts_with("IMAGE_") => Stop::Filtered(why.to_owned()),
        why => {
            let message = format!("the model stopped with {why}");
            return Err(Fault { usage, ..Fault::new(Class::BadReply, FailureCode::BadReply, message) });
        }
    };
    reply(text, stop)
}
