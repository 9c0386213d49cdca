//! OpenAI's Responses.

use super::openai::EXPLICIT;
use super::{Body, Extra, SchemaStyle, body, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{Call, FailureCode, Part, Reply, Stop};
use serde_json::{Value, json};

pub(super) fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let shape = extra.shape;
    let mut content: Vec<Value> = call.parts.iter().map(part).collect();
    if let Some(at) = call.shared.checked_sub(1).filter(|_| extra.cache && shape.cache) {
        content[at]["prompt_cache_breakpoint"] = json!({"mode": EXPLICIT});
    }
    let instruction = shape.instruction(&call.schema);
    content.extend(instruction.as_deref().into_iter().chain(extra.note).map(|text| json!({"type": "input_text", "text": text})));
    let mut body = json!({
        "model": call.model,
        "input": [{"role": "user", "content": content}],
        "max_output_tokens": call.max_output_tokens.saturating_add(extra.room),
        // By default the provider would keep every document.
        "store": false,
    });
    if !call.system.is_empty() {
        body["instructions"] = json!(&*call.system);
    }
    match shape.schema {
        SchemaStyle::Native => {
            body["text"] = json!({"format": {"type": "json_schema", "name": "answer", "strict": true, "schema": &*call.schema}});
        }
        SchemaStyle::Json => body["text"] = json!({"format": {"type": "json_object"}}),
        SchemaStyle::Prompt => {}
    }
    if let Some(effort) = call.effort.as_ref().filter(|_| shape.effort) {
        body["reasoning"] = json!({"effort": &**effort});
    }
    if shape.cache {
        body["prompt_cache_options"] = json!({"mode": EXPLICIT});
    }
    if extra.stream {
        body["stream"] = json!(true);
    }
    for (field, value) in &shape.body {
        body[field] = value.clone();
    }
    Body::new(&body, &call.parts)
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "input_text", "text": &**text}),
        Part::Picture(picture) => {
            let url = format!("data:{};base64,{}", picture.media_type, body::placeholder(picture));
            json!({"type": "input_image", "image_url": url, "detail": "high"})
        }
    }
}

pub(super) fn reply(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usage"]);
    let bad = |class, message: String| Err(Fault { usage, ..Fault::new(class, FailureCode::BadReply, message) });
    let Some(output) = json["output"].as_array() else {
        return bad(Class::Ambiguous, "the reply has no output".to_owned());
    };
    // Reasoning stands beside the message: pieces are chosen by type, never by position.
    let pieces = || output.iter().filter(|item| item["type"] == "message").filter_map(|item| item["content"].as_array()).flatten();
    let text = pieces().filter(|piece| piece["type"] == "output_text").filter_map(|piece| piece["text"].as_str()).collect();
    let refusal = pieces().find(|piece| piece["type"] == "refusal").map(|piece| piece["refusal"].as_str().unwrap_or_default());
    let stop = match (refusal, json["status"].as_str().unwrap_or("completed"), json["incomplete_details"]["reason"].as_str()) {
        (Some(why), ..) => Stop::Refused(why.to_owned()),
        (None, "completed", _) => Stop::Complete,
        (None, "incomplete", Some("content_filter")) => Stop::Filtered("content_filter".to_owned()),
        (None, "incomplete", Some("max_output_tokens" | "max_tokens")) => Stop::Truncated,
        (None, status, why) => return bad(Class::BadReply, format!("the answer is {status}: {}", why.unwrap_or("no reason given"))),
    };
    let tier = json["service_tier"].as_str().map(ToOwned::to_owned);
    Ok(Reply { text, stop, usage, model: json["model"].as_str().unwrap_or_default().to_owned(), request_id: None, tier })
}
