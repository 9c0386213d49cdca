//! Anthropic's Messages API, version 2026-10-21.

use super::assembly::{Assembly, append};
use super::body::{self, Body};
use super::form::{Form, FormPart, LimitName, Role, SchemaStyle};
use super::format::{Dialect, Endpoint, LimitRules, ProviderDefaults, RelayPaths, Tiers, WireFormat};
use super::http::HttpReply;
use super::limits::{LimitKind, RateLimitHeader, number};
use super::schema::Subset;
use super::shape::Extra;
use super::{content, finish, usage};
use crate::ask::fault::{Class, Fault};
use crate::ask::tier::Tier;
use crate::model::{Call, FailureCode, MessagePart, Reply};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

impl Dialect {
    /// Anthropic's Messages format.
    pub const ANTHROPIC: Self = Self(&FORMAT);
}

static FORMAT: WireFormat = WireFormat {
    name: "anthropic",
    provider: ProviderDefaults {
        model: Some("claude-haiku-5-5"),
        vector_model: None,
        url: Some("https://api.anthropic.com"),
        prefix: "",
        key_variable: Some("ANTHROPIC_API_KEY"),
    },
    endpoint: Endpoint {
        path: |_, _| "/v1/messages".to_owned(),
        suffix: Some("/v1/messages"),
        title: "Messages (llm.provider = \"anthropic\")",
        // The path of each endpoint includes the version.
        base: |address| address.trim_end_matches("/v1"),
        may_need_v1: false,
        headers: &[("anthropic-version", "2026-10-21")],
        key_header: ("x-api-key", ""),
        id_header: "request-id",
    },
    // Anthropic serves Chat Completions for OpenAI's SDKs.
    relay: RelayPaths { chat: Some("/v1/chat/completions"), responses: None, embeddings: None },
    form: Form {
        parts: &[FormPart::NoStream, FormPart::Blocks],
        limit: LimitName::MaxTokens,
        roles: &[Role::System],
        schemas: &[SchemaStyle::Native, SchemaStyle::Prompt],
        subset: Subset::ANTHROPIC,
        caching_models: &[""],
        always_cache_fields: false,
        always_blocks: true,
    },
    request,
    read,
    is_whole: |event| event["type"] == "message",
    event,
    limits: LimitRules {
        headers: rate_limits,
        refused: |message| if message.contains("output token") { LimitKind::OutputTokens } else { LimitKind::InputTokens },
        // Output counts when it is produced. The output limit reserves nothing.
        reserved: |tokens| tokens.input + tokens.output,
        cached_counts: false,
        steady_s: 0.0,
    },
    tiers: Tiers { names: &["auto", "standard_only"], field: "service_tier", spelled: ToOwned::to_owned, in_replies: true },
    thinking_tokens: 4000,
    image_rules: "anthropic",
};

fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let (wanted, max_output_tokens) = call.want.answer();
    let (mut content, mut system): (Vec<Value>, Vec<Value>) = (call.parts.iter().map(part).collect(), Vec::new());
    let shape = extra.shape;
    system.extend(shape.system(call).map(text));
    if extra.cache && shape.cache && shape.blocks {
        // The provider caches everything before the mark, so the mark goes to the end of the shared
        // part.
        let last = content[..call.shared.min(call.parts.len())].last_mut().or(system.last_mut());
        if let Some(last) = last {
            last["cache_control"] = json!({"type": "ephemeral"});
        }
    }
    let instruction = shape.instruction(wanted);
    content.splice(..0, shape.merged(call).map(text));
    content.extend(instruction.as_deref().into_iter().chain(extra.note).map(text));
    let mut output = Map::new();
    if shape.schema == SchemaStyle::Native {
        output.insert("format".into(), json!({"type": "json_schema", "schema": shape.usual.subset.write(wanted)}));
    }
    if let Some(effort) = call.effort.as_ref().filter(|_| shape.effort) {
        output.insert("effort".into(), json!(&**effort));
    }
    let mut body = json!({
        "model": call.model,
        "max_tokens": max_output_tokens.saturating_add(extra.room),
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

fn read(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usage"]);
    if !matches!(json["content"], Value::Array(_) | Value::String(_)) {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the response has no content") });
    }
    // Blocks are chosen by type and not by position, because thinking blocks may come first.
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

fn event(reply: &mut Assembly, event: &Value, text: &mut String) {
    let whole = &mut reply.whole;
    match event["type"].as_str().unwrap_or_default() {
        "message_start" => {
            *whole = Value::Object(event["message"].as_object().cloned().unwrap_or_default());
            whole["content"] = json!([{"type": "text", "text": ""}]);
            // This count of output tokens is preliminary. Without a later count, the output is
            // unknown.
            if let Some(usage) = whole["usage"].as_object_mut() {
                usage.remove("output_tokens");
            }
        }
        // Events before `message_start` are ignored.
        _ if whole["content"].is_null() => {}
        "content_block_start" if event["content_block"]["type"] == "text" => {
            append(&mut whole["content"][0]["text"], &event["content_block"]["text"], text);
        }
        "content_block_delta" if event["delta"]["type"] == "text_delta" => {
            append(&mut whole["content"][0]["text"], &event["delta"]["text"], text);
        }
        "message_delta" => {
            for (name, value) in event["delta"].as_object().into_iter().flatten() {
                whole[name] = value.clone();
            }
            usage::merge(&mut whole["usage"], &event["usage"]);
            reply.done |= event["delta"]["stop_reason"].is_string();
        }
        "message_stop" => reply.done = true,
        _ => {}
    }
}

fn rate_limits(http: &HttpReply<'_>) -> Vec<RateLimitHeader> {
    let now = (http.header)("date").and_then(|date| httpdate::parse_http_date(&date).ok()).and_then(|date| Timestamp::try_from(date).ok());
    let read = |what: &str, meter| {
        let header = |part: &str| format!("anthropic-ratelimit-{what}-{part}");
        let reset = (http.header)(&header("reset")).and_then(|at| at.trim().parse::<Timestamp>().ok());
        Some(RateLimitHeader {
            meter,
            per_minute: number(http, &header("limit")).filter(|limit| *limit > 0.0)?,
            remaining: number(http, &header("remaining")),
            reset: reset.zip(now).map(|(at, now)| Duration::try_from(at.duration_since(now)).unwrap_or_default()),
        })
    };
    let mut rate_limits: Vec<RateLimitHeader> =
        [("requests", LimitKind::Requests), ("input-tokens", LimitKind::InputTokens), ("output-tokens", LimitKind::OutputTokens)]
            .into_iter()
            .filter_map(|(what, meter)| read(what, meter))
            .collect();
    if rate_limits.iter().all(|header| header.meter == LimitKind::Requests) {
        rate_limits.extend(read("tokens", LimitKind::Tokens));
    }
    rate_limits
}
