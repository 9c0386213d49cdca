//! Chat Completions: OpenAI's own, and as other servers speak it.

use super::{Body, Extra, body};
use crate::ask::fault::{Class, Fault};
use crate::model::{Call, FailureCode, Part, Reply, Stop, Usage};
use serde::Serialize;
use serde_json::{Value, json};

/// Whose Chat Completions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    OpenAi,
    Compatible,
}

/// The body. A struct and not a `Value`: it is made for every attempt.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Value>,
    response_format: ResponseFormat<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a Value,
}

pub(super) fn request(call: &Call, extra: &Extra<'_>, flavour: Flavour) -> Body {
    let limit = Some(call.max_output_tokens.saturating_add(extra.room));
    let (system_role, max_completion_tokens, max_tokens) = match flavour {
        Flavour::OpenAi => ("developer", limit, None),
        Flavour::Compatible => ("system", None, limit),
    };
    let system = (!call.system.is_empty()).then(|| json!({"role": system_role, "content": &*call.system}));
    let user = json!({"role": "user", "content": content(&call.parts, extra.note)});
    let body = Request {
        model: &call.model,
        messages: system.into_iter().chain([user]).collect(),
        response_format: ResponseFormat {
            r#type: "json_schema",
            json_schema: JsonSchema { name: "answer", strict: true, schema: &call.schema },
        },
        max_completion_tokens,
        max_tokens,
        reasoning_effort: call.effort.as_deref(),
    };
    Body::new(&body, &call.parts)
}

/// A plain string where there is no image: chat templates of text-only models know nothing else.
fn content(parts: &[Part], note: Option<&str>) -> Value {
    let texts: Vec<&str> = parts.iter().filter_map(|p| if let Part::Text(text) = p { Some(&**text) } else { None }).collect();
    if texts.len() == parts.len() {
        return json!(texts.into_iter().chain(note).collect::<Vec<_>>().join("\n\n"));
    }
    let note = note.map(|note| json!({"type": "text", "text": note}));
    parts.iter().map(part).chain(note).collect()
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": &**text}),
        Part::Picture(picture) => {
            let url = format!("data:{};base64,{}", picture.media_type, body::placeholder(picture));
            json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}})
        }
    }
}

pub(super) fn reply(json: &Value) -> Result<Reply, Fault> {
    let usage = usage(&json["usage"]);
    let bad = |class, message: String| Err(Fault { usage, ..Fault::new(class, FailureCode::BadReply, message) });
    let choice = &json["choices"][0];
    if let Some(error) = choice.get("error").filter(|e| !e.is_null()) {
        return bad(Class::BadReply, format!("the provider failed while it answered: {error}"));
    }
    if !choice["message"].is_object() {
        return bad(Class::Ambiguous, "the reply has no message".to_owned());
    }
    let message = &choice["message"];
    let stop = match (message["refusal"].as_str(), choice["finish_reason"].as_str()) {
        (Some(why), _) => Stop::Refused(why.to_owned()),
        (None, Some("length")) => Stop::Truncated,
        (None, Some("content_filter")) => Stop::Filtered("content_filter".to_owned()),
        _ => Stop::Complete,
    };
    let text = message["content"].as_str().unwrap_or_default().to_owned();
    Ok(Reply { text, stop, usage, model: json["model"].as_str().unwrap_or_default().to_owned(), request_id: None })
}

/// Unlike Anthropic's, `prompt_tokens` counts the cached tokens too.
fn usage(json: &Value) -> Usage {
    let count = |pointer: &str| json.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let cache_read = count("/prompt_tokens_details/cached_tokens");
    let cache_write = count("/prompt_tokens_details/cache_write_tokens");
    Usage {
        fresh: count("/prompt_tokens").saturating_sub(cache_read + cache_write),
        cache_read,
        cache_write,
        output: count("/completion_tokens"),
    }
}
