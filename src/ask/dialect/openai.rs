//! OpenAI's Chat Completions format.

use super::assembly::{Assembly, append};
use super::body::{self, Body};
use super::form::{Form, FormPart, LimitName, Role, SchemaStyle};
use super::format::{Dialect, Endpoint, LimitRules, ProviderDefaults, RelayPaths, Tiers, WireFormat};
use super::http::HttpReply;
use super::limits::{LimitKind, RateLimitHeader, number};
use super::schema::Subset;
use super::shape::Extra;
use super::wait::duration;
use super::{content, errors, finish, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{Call, FailureCode, FinishReason, MessagePart, Reply};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

impl Dialect {
    /// OpenAI's Chat Completions format.
    pub const OPENAI: Self = Self(&FORMAT);
}

static FORMAT: WireFormat = CHAT;

/// Chat Completions as served by OpenAI. Other servers differ in some details.
pub(super) const CHAT: WireFormat = WireFormat {
    name: "openai",
    provider: ProviderDefaults {
        model: Some("gpt-6-luna"),
        vector_model: Some("text-embedding-3-small"),
        url: Some("https://api.openai.com/v1"),
        prefix: "/v1",
        key_variable: Some("OPENAI_API_KEY"),
    },
    endpoint: Endpoint {
        path: |_, _| "/chat/completions".to_owned(),
        suffix: Some("/chat/completions"),
        title: "Chat Completions (llm.provider = \"openai-compatible\")",
        base: |address| address,
        may_need_v1: true,
        headers: &[],
        key_header: ("authorization", "Bearer "),
        id_header: "x-request-id",
    },
    relay: RelayPaths { chat: Some("/chat/completions"), responses: Some("/responses"), embeddings: Some("/embeddings") },
    form: Form {
        parts: &[FormPart::Limit, FormPart::StreamUsage, FormPart::Detail, FormPart::Strict, FormPart::NoStream, FormPart::Blocks],
        limit: LimitName::MaxCompletionTokens,
        roles: &[Role::Developer, Role::System],
        schemas: &[SchemaStyle::Native, SchemaStyle::Json, SchemaStyle::Prompt],
        subset: Subset::OPENAI,
        // Older models reject these fields.
        caching_models: &["gpt-5.6", "gpt-6"],
        always_cache_fields: true,
        always_blocks: false,
    },
    request,
    read,
    is_whole: |event| {
        let choice = &event["choices"][0];
        choice["message"].is_object() && !choice["delta"].is_object()
    },
    event,
    limits: LimitRules {
        headers: rate_limits,
        refused: |_| LimitKind::Tokens,
        // OpenAI counts the larger of the estimated prompt and the output limit.
        reserved: |tokens| tokens.input.max(tokens.max_output),
        cached_counts: true,
        steady_s: 900.0,
    },
    tiers: Tiers {
        names: &["auto", "default", "flex", "priority", "scale"],
        field: "service_tier",
        spelled: ToOwned::to_owned,
        in_replies: true,
    },
    thinking_tokens: 2000,
    image_rules: "openai",
};

/// Cache mode in which the provider caches only at our breakpoints.
pub(super) const EXPLICIT: &str = "explicit";

/// The body of a request.
///
/// A struct is cheaper than a `Value`. Every attempt builds a body.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(flatten)]
    further: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: Value,
}

#[derive(Serialize)]
struct ResponseFormat {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<JsonSchema>,
}

#[derive(Serialize)]
struct JsonSchema {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    schema: Value,
}

fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let (schema, max_output_tokens) = call.want.answer();
    let shape = extra.shape;
    let limit = max_output_tokens.saturating_add(extra.room);
    let system_role = if shape.role == Role::Developer { "developer" } else { "system" };
    let system = shape.system(call).map(|system| Message { role: system_role, content: system.into() });
    let user = Message { role: "user", content: content(call, extra) };
    let response_format = match shape.schema {
        SchemaStyle::Native => Some(ResponseFormat {
            r#type: "json_schema",
            json_schema: Some(JsonSchema {
                name: "answer",
                strict: shape.strict.then_some(true),
                schema: shape.usual.subset.write(schema),
            }),
        }),
        SchemaStyle::Json => Some(ResponseFormat { r#type: "json_object", json_schema: None }),
        SchemaStyle::Prompt => None,
    };
    let ours = |name: &str| !shape.body.contains_key(name);
    let limit = |name: LimitName| Some(limit).filter(|_| shape.limit == name && ours(name.as_str()));
    let body = Request {
        model: &call.model,
        messages: system.into_iter().chain([user]).collect(),
        response_format: response_format.filter(|_| ours("response_format")),
        max_completion_tokens: limit(LimitName::MaxCompletionTokens),
        max_tokens: limit(LimitName::MaxTokens),
        max_output_tokens: limit(LimitName::MaxOutputTokens),
        reasoning_effort: call.effort.as_deref().filter(|_| shape.effort && ours("reasoning_effort")),
        // By default, the provider writes every prompt to its cache, which costs money.
        prompt_cache_options: (shape.cache && ours("prompt_cache_options")).then(|| json!({"mode": EXPLICIT})),
        // Some servers stream unless the request contains `stream = false`.
        stream: Some(extra.stream).filter(|stream| *stream || shape.no_stream),
        stream_options: (extra.stream && shape.stream_usage && ours("stream_options")).then(|| json!({"include_usage": true})),
        further: &shape.body,
    };
    Body::new(&body, &call.parts)
}

/// Builds the content of the user's message.
///
/// Without images and cache breakpoints it is a plain string, because chat templates of text-only
/// models accept nothing else.
fn content(call: &Call, extra: &Extra<'_>) -> Value {
    let shape = extra.shape;
    let (schema, _) = call.want.answer();
    let instruction = shape.instruction(schema);
    let more = || instruction.as_deref().into_iter().chain(extra.note);
    let marked = (extra.cache && shape.cache && shape.blocks).then(|| call.shared.checked_sub(1)).flatten();
    let texts: Vec<&str> = call.parts.iter().filter_map(|p| if let MessagePart::Text(text) = p { Some(&**text) } else { None }).collect();
    if texts.len() == call.parts.len() && marked.is_none() {
        return shape.merged(call).into_iter().chain(texts).chain(more()).collect::<Vec<_>>().join("\n\n").into();
    }
    let mut content: Vec<Value> = call.parts.iter().map(|part| block(part, shape.detail)).collect();
    if let Some(last) = marked.and_then(|at| content.get_mut(at)) {
        last["prompt_cache_breakpoint"] = json!({"mode": EXPLICIT});
    }
    let text = |text| json!({"type": "text", "text": text});
    let merged = shape.merged(call).map(text);
    Value::Array(merged.into_iter().chain(content).chain(more().map(text)).collect())
}

fn block(part: &MessagePart, detail: bool) -> Value {
    match part {
        MessagePart::Text(text) => json!({"type": "text", "text": &**text}),
        MessagePart::Picture(picture) => {
            let url = format!("data:{};base64,{}", picture.media_type, body::placeholder(picture));
            let image = if detail { json!({"url": url, "detail": "high"}) } else { json!({"url": url}) };
            json!({"type": "image_url", "image_url": image})
        }
    }
}

fn read(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usage"]);
    let choice = &json["choices"][0];
    if let Some(error) = choice.get("error").filter(|error| !error.is_null()) {
        let fault = errors::classify(&HttpReply { status: 200, header: &|_| None, body: b"" }, Some(&json!({"error": error})));
        return Err(fault.billed(usage));
    }
    // Some servers reply with a single `delta`, as in a stream, or with the old `text` field.
    let message = ["message", "delta"].iter().map(|name| &choice[name]).find(|message| message.is_object());
    let text = match message {
        Some(message) => content::answer(message),
        None => choice["text"].as_str().unwrap_or_default().to_owned(),
    };
    if message.is_none() && !choice["text"].is_string() {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the response has no message") });
    }
    let stop = match message.and_then(content::refusal) {
        Some(why) => FinishReason::Refused(why.to_owned()),
        None => finish::stop(choice["finish_reason"].as_str(), None, &text, usage)?,
    };
    Ok(Reply {
        text,
        stop,
        usage,
        model: json["model"].as_str().unwrap_or_default().to_owned(),
        request_id: None,
        repaired: BTreeSet::new(),
        tier: json["service_tier"].as_str().map(ToOwned::to_owned),
    })
}

fn event(reply: &mut Assembly, event: &Value, text: &mut String) {
    let whole = &mut reply.whole;
    if whole["choices"].is_null() {
        *whole = json!({"choices": [{"message": {"content": "", "refusal": null}, "finish_reason": null}], "model": event["model"]});
    }
    // Moonshot and Groq send the usage in other fields.
    for usage in [&event["usage"], &event["choices"][0]["usage"], &event["x_groq"]["usage"]] {
        usage::merge(&mut whole["usage"], usage);
    }
    // Some servers send a first chunk without a choice.
    let Some(choice) = event["choices"].get(0) else { return };
    let known = &mut whole["choices"][0];
    append(&mut known["message"]["content"], &choice["delta"]["content"], text);
    for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
        tool_call(&mut known["message"]["tool_calls"], call);
    }
    if choice["delta"]["refusal"].is_string() {
        append(&mut known["message"]["refusal"], &choice["delta"]["refusal"], &mut String::new());
    }
    if choice["error"].is_object() {
        known["error"] = choice["error"].clone();
    }
    if choice["finish_reason"].as_str().is_some_and(|reason| !finish::is_open(reason)) {
        known["finish_reason"] = choice["finish_reason"].clone();
        reply.done = true;
    }
}

/// Adds a piece of a tool call.
///
/// A piece with another id or a new number starts a call. Other pieces belong to an earlier call.
fn tool_call(calls: &mut Value, piece: &Value) {
    if !calls.is_array() {
        *calls = json!([]);
    }
    let Some(calls) = calls.as_array_mut() else { return };
    let number = piece["index"].as_u64().and_then(|number| usize::try_from(number).ok());
    let is_other = calls.last().is_none_or(|last| piece["id"].is_string() && !last["id"].is_null() && piece["id"] != last["id"]);
    if is_other || number.is_some_and(|number| number >= calls.len()) {
        calls.push(json!({"id": piece["id"], "function": {"arguments": ""}}));
    }
    let at = number.filter(|number| *number < calls.len() && !is_other).unwrap_or(calls.len() - 1);
    match (&mut calls[at]["function"]["arguments"], &piece["function"]["arguments"]) {
        (Value::String(all), Value::String(more)) => all.push_str(more),
        (all, whole @ Value::Object(_)) => *all = whole.clone(),
        _ => {}
    }
}

pub(super) fn rate_limits(http: &HttpReply<'_>) -> Vec<RateLimitHeader> {
    let read = |what: &str, meter| {
        let header = |part: &str| format!("x-ratelimit-{part}-{what}");
        let per_minute = number(http, &header("limit")).filter(|limit| *limit > 0.0)?;
        let remaining = number(http, &header("remaining"));
        let reset = (http.header)(&header("reset")).and_then(|reset| duration(&reset));
        let header = RateLimitHeader { meter, per_minute, remaining, reset };
        header.is_per_minute().then_some(header)
    };
    let tokens =
        read("tokens", LimitKind::Tokens).into_iter().chain(read("project-tokens", LimitKind::Tokens)).reduce(RateLimitHeader::stricter);
    read("requests", LimitKind::Requests).into_iter().chain(tokens).collect()
}
