//! Google's generateContent format.

use super::assembly::{Assembly, append};
use super::body::{self, Body};
use super::form::{Form, LimitName, Role, SchemaStyle};
use super::format::{Dialect, Endpoint, LimitRules, ProviderDefaults, RelayPaths, Tiers, WireFormat};
use super::limits::LimitKind;
use super::schema::Subset;
use super::shape::Extra;
use super::{content, finish, usage};
use crate::ask::fault::{Class, Fault};
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, FinishReason, MessagePart, Reply};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

impl Dialect {
    /// Google's generateContent format.
    pub const GEMINI: Self = Self(&FORMAT);
}

static FORMAT: WireFormat = WireFormat {
    name: "gemini",
    provider: ProviderDefaults {
        model: Some("gemini-3.5-flash-lite"),
        vector_model: Some("gemini-embedding-001"),
        url: Some("https://generativelanguage.googleapis.com/v1beta"),
        prefix: "/v1beta",
        key_variable: Some("GEMINI_API_KEY"),
    },
    endpoint: Endpoint {
        path,
        suffix: None,
        title: "generateContent (llm.provider = \"gemini\")",
        base: |address| address.split_once("/models/").map_or(address, |(base, _)| base),
        may_need_v1: false,
        headers: &[],
        key_header: ("x-goog-api-key", ""),
        id_header: "x-request-id",
    },
    relay: RelayPaths { chat: Some("/openai/chat/completions"), responses: None, embeddings: Some("/openai/embeddings") },
    form: Form {
        parts: &[],
        limit: LimitName::MaxTokens,
        roles: &[Role::System],
        schemas: &[SchemaStyle::Native, SchemaStyle::Json, SchemaStyle::Prompt],
        subset: Subset::GEMINI,
        caching_models: &[],
        always_cache_fields: false,
        always_blocks: false,
    },
    request,
    read,
    is_whole: |_| false,
    event,
    limits: LimitRules {
        // Gemini sends no rate limit headers.
        headers: |_| Vec::new(),
        refused: |_| LimitKind::InputTokens,
        // Output counts when it is produced. The output limit reserves nothing.
        reserved: |tokens| tokens.input + tokens.output,
        cached_counts: true,
        steady_s: 0.0,
    },
    tiers: Tiers { names: &["standard", "flex", "priority"], field: "serviceTier", spelled: str::to_uppercase, in_replies: false },
    thinking_tokens: 4000,
    image_rules: "gemini",
};

/// Characters to percent-encode in paths.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn path(model: &str, stream: bool) -> String {
    // The model name may be any text.
    let model = utf8_percent_encode(model.trim_start_matches("models/"), IN_PATH);
    let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    format!("/models/{model}:{method}")
}

fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let (schema, max_output_tokens) = call.want.answer();
    let merged = extra.shape.merged(call).map(|text| json!({"text": text}));
    let mut parts: Vec<Value> = merged.into_iter().chain(call.parts.iter().map(part)).collect();
    let instruction = extra.shape.instruction(schema);
    parts.extend(instruction.as_deref().into_iter().chain(extra.note).map(|text| json!({"text": text})));
    let mut config = Map::new();
    config.insert("maxOutputTokens".into(), json!(max_output_tokens.saturating_add(extra.room)));
    if extra.shape.schema != SchemaStyle::Prompt {
        config.insert("responseMimeType".into(), json!("application/json"));
    }
    if extra.shape.schema == SchemaStyle::Native {
        config.insert("responseJsonSchema".into(), extra.shape.usual.subset.write(schema));
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

fn read(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usageMetadata"]);
    let tier = Tier::in_usage(&json["usageMetadata"]);
    let model = json["modelVersion"].as_str().unwrap_or_default().to_owned();
    let reply =
        |text, stop| Ok(Reply { text, stop, usage, model: model.clone(), request_id: None, tier: tier.clone(), repaired: BTreeSet::new() });
    if let Some(why) = json["promptFeedback"]["blockReason"].as_str() {
        return reply(String::new(), FinishReason::Filtered(why.to_owned()));
    }
    let Some(candidate) = json["candidates"].get(0) else {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the response has no candidates") });
    };
    let text = content::text(&candidate["content"]["parts"]);
    let stop = finish::stop(candidate["finishReason"].as_str(), candidate["finishMessage"].as_str(), &text, usage)?;
    reply(text, stop)
}

fn event(reply: &mut Assembly, event: &Value, text: &mut String) {
    let whole = &mut reply.whole;
    usage::merge(&mut whole["usageMetadata"], &event["usageMetadata"]);
    for name in ["modelVersion", "promptFeedback"] {
        if !event[name].is_null() {
            whole[name] = event[name].clone();
        }
    }
    reply.done |= event["promptFeedback"]["blockReason"].is_string();
    let Some(candidate) = event["candidates"].get(0) else { return };
    if whole["candidates"].is_null() {
        whole["candidates"] = json!([{"content": {"parts": [{"text": ""}]}}]);
    }
    for part in candidate["content"]["parts"].as_array().into_iter().flatten().filter(|part| part["thought"] != true) {
        append(&mut whole["candidates"][0]["content"]["parts"][0]["text"], &part["text"], text);
    }
    if candidate["finishReason"].is_string() {
        whole["candidates"][0]["finishReason"] = candidate["finishReason"].clone();
        reply.done = true;
    }
}
