//! The Anthropic Messages dialect.
//!
//! Promises: accepts what the real server accepts of text and images, refuses with its statuses and error
//! types what it refuses. Never supports tools, streaming or batches: those are refused with a 400.

use super::ask::{Ask, AskBuilder, Form};
use super::dialect::{End, Problem};
use super::limits::Standing;
use super::picture::{self, FLAT_TOKENS};
use super::schema::check_anthropic;
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const KNOWN_FIELDS: [&str; 17] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "output_config",
    "thinking",
    "cache_control",
    "metadata",
    "service_tier",
    "inference_geo",
    "speed",
    "diagnostics",
];
const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const PATCH: u32 = 28;
const MAX_IMAGE_TOKENS: u64 = 4784;
const MAX_OUTPUT_TOKENS: u64 = 128_000;

/// Reads and checks a request.
pub(super) fn read<'a>(body: &'a Value, headers: &HeaderMap, seed: u64) -> Result<Ask<'a>, Problem> {
    let Some(version) = headers.get("anthropic-version") else {
        return Err(Problem::invalid("anthropic-version: header is required"));
    };
    if version != "2023-06-01" && version != "2026-10-21" {
        return Err(Problem::invalid(format!("anthropic-version: {version:?} is not a valid version")));
    }
    let fields = body.as_object().ok_or_else(|| Problem::invalid("Input should be a valid dictionary"))?;
    let model = body["model"].as_str().ok_or_else(|| Problem::invalid("model: Field required"))?;
    let max_tokens = match body.get("max_tokens") {
        None | Some(Value::Null) => return Err(Problem::invalid("max_tokens: Field required")),
        Some(number) => number
            .as_u64()
            .filter(|number| *number > 0)
            .ok_or_else(|| Problem::invalid("max_tokens: Input should be a valid integer greater than or equal to 1"))?,
    };
    if max_tokens > MAX_OUTPUT_TOKENS && model.starts_with("claude-") {
        return Err(Problem::invalid(format!(
            "max_tokens: {max_tokens} > {MAX_OUTPUT_TOKENS}, which is the maximum allowed number of output \
             tokens for {model}"
        )));
    }
    check_fields(fields, model, version == "2026-10-21")?;
    let form = read_form(&body["output_config"])?;

    let mut builder = AskBuilder::new(seed, model);
    read_content(&mut builder, "system", &body["system"], "system")?;
    let messages = body["messages"].as_array().ok_or_else(|| Problem::invalid("messages: Field required"))?;
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        let role = message["role"].as_str().unwrap_or_default();
        if !matches!(role, "user" | "assistant" | "system") {
            return Err(Problem::invalid(format!("{place}.role: Input should be 'user' or 'assistant'")));
        }
        if message.get("content").is_none() {
            return Err(Problem::invalid(format!("{place}.content: Field required")));
        }
        read_content(&mut builder, role, &message["content"], &place)?;
    }
    match messages.last() {
        None => Err(Problem::invalid("messages: at least one message is required")),
        Some(last) if last["role"] == "assistant" => Err(Problem::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user \
             message.",
        )),
        Some(_) => Ok(builder.finish(model, form, max_tokens)),
    }
}

fn check_fields(fields: &Map<String, Value>, model: &str, newest: bool) -> Result<(), Problem> {
    for name in fields.keys() {
        if !KNOWN_FIELDS.contains(&name.as_str()) {
            return Err(Problem::invalid(format!("{name}: Extra inputs are not permitted")));
        }
    }
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = fields.get(name) else { continue };
        let tolerated = !newest && (!model.starts_with("claude-") || value.as_f64() == Some(1.0));
        if !tolerated {
            return Err(Problem::invalid(format!("{name}: this parameter is not supported")));
        }
    }
    if fields.get("stream").is_some_and(|stream| *stream == true) {
        return Err(Problem::invalid("stream: the simulator does not stream"));
    }
    let off = fields.get("thinking").is_some_and(|thinking| thinking["type"] == "disabled");
    if off && matches!(model, "claude-opus-5-5" | "claude-sonnet-5-5") {
        return Err(Problem::invalid(format!("thinking.type: 'disabled' is not supported for {model}")));
    }
    Ok(())
}

fn read_form(output_config: &Value) -> Result<Form<'_>, Problem> {
    let Some(format) = output_config.get("format").filter(|format| !format.is_null()) else {
        return Ok(Form::Text);
    };
    if format["type"] != "json_schema" {
        return Err(Problem::invalid("output_config.format.type: Input should be 'json_schema'"));
    }
    let Some(schema) = format.get("schema").filter(|schema| schema.is_object()) else {
        return Err(Problem::invalid("output_config.format.schema: Field required"));
    };
    check_anthropic(schema).map_err(|problem| Problem::invalid(format!("output_config.format.schema: {problem}")))?;
    Ok(Form::Schema(schema))
}

fn read_content(builder: &mut AskBuilder, role: &str, content: &Value, place: &str) -> Result<(), Problem> {
    match content {
        Value::Null => Ok(()),
        Value::String(text) => {
            if text.is_empty() && role == "user" {
                return Err(Problem::invalid(format!("{place}: user messages must have non-empty content")));
            }
            builder.text(role, text);
            Ok(())
        }
        Value::Array(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                read_block(builder, role, block).map_err(|problem| Problem::invalid(format!("{place}.content.{index}.{problem}")))?;
            }
            Ok(())
        }
        _ => Err(Problem::invalid(format!("{place}.content: Input should be a valid string or list"))),
    }
}

fn read_block(builder: &mut AskBuilder, role: &str, block: &Value) -> Result<(), String> {
    match block["type"].as_str().unwrap_or_default() {
        "text" => match block["text"].as_str() {
            Some("") => Err("text: text content blocks must be non-empty".to_owned()),
            Some(text) => {
                builder.text(role, text);
                Ok(())
            }
            None => Err("text.text: Field required".to_owned()),
        },
        "image" if role == "user" => read_image(builder, &block["source"]),
        "document" if role == "user" => {
            let source = &block["source"];
            match (source["type"].as_str(), source["data"].as_str()) {
                (Some("text"), Some(text)) => builder.text(role, text),
                (_, Some(data)) => builder.attachment(data, FLAT_TOKENS),
                _ => builder.attachment(&source.to_string(), FLAT_TOKENS),
            }
            Ok(())
        }
        other => Err(format!("type: '{other}' is not supported by the simulator here")),
    }
}

fn read_image(builder: &mut AskBuilder, source: &Value) -> Result<(), String> {
    if source["type"] != "base64" {
        builder.attachment(&source.to_string(), FLAT_TOKENS); // a URL or a file: never fetched
        return Ok(());
    }
    let data = source["data"].as_str().ok_or("image.source.data: Field required")?;
    let claimed = source["media_type"].as_str().unwrap_or_default();
    if !IMAGE_TYPES.contains(&claimed) {
        return Err(format!("image.source.media_type: Input should be one of {}", IMAGE_TYPES.join(", ")));
    }
    let picture = picture::look(data).ok_or("image.source.data: Could not process image")?;
    if picture.media_type != claimed {
        return Err(format!(
            "image.source.data: The image was specified using the {claimed} media type, but the image \
             appears to be a {} image",
            picture.media_type
        ));
    }
    builder.attachment(data, picture.tokens(PATCH, MAX_IMAGE_TOKENS));
    Ok(())
}

/// The body of a 200.
pub(super) fn reply(ask: &Ask<'_>, text: &str, end: End, output_tokens: u64) -> String {
    let (reason, details) = match end {
        End::Complete => ("end_turn", Value::Null),
        End::Cut => ("max_tokens", Value::Null),
        End::Refused => (
            "refusal",
            json!({
                "type": "refusal",
                "category": "general_harms",
                "explanation": "[simulated] The request was refused.",
            }),
        ),
    };
    json!({
        "id": format!("msg_sim_{}", short_id(ask)),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [{ "type": "text", "text": text }],
        "stop_reason": reason,
        "stop_sequence": null,
        "stop_details": details,
        "usage": {
            "input_tokens": ask.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": output_tokens,
            "output_tokens_details": { "thinking_tokens": 0 },
            "service_tier": "standard",
            "inference_geo": "global",
            "speed": "standard",
        },
    })
    .to_string()
}

/// The start of the call's hash, for ids that repeat when the request does.
pub(super) fn short_id(ask: &Ask<'_>) -> String {
    let hex = blake3::Hash::from_bytes(ask.hash).to_hex();
    hex.chars().take(24).collect()
}

/// Status and body of an error.
pub(super) fn problem(problem: &Problem, request_id: &str) -> (StatusCode, String) {
    let (status, kind, message) = match problem {
        Problem::Invalid { message, .. } => (400, "invalid_request_error", message.clone()),
        Problem::Unauthorized => (401, "authentication_error", "invalid x-api-key".to_owned()),
        Problem::UnknownModel(model) => (404, "not_found_error", format!("model: {model}")),
        Problem::UnknownPath(path) => (404, "not_found_error", format!("Not found: {path}")),
        Problem::TooLarge => (413, "request_too_large", "Request exceeds the maximum size of 32 MB".to_owned()),
        Problem::RateLimited => (429, "rate_limit_error", "This request would exceed your organization's rate limit.".to_owned()),
        Problem::Overloaded => (529, "overloaded_error", "Overloaded".to_owned()),
        Problem::ServerError => (500, "api_error", "Internal server error".to_owned()),
    };
    let body = json!({
        "type": "error",
        "error": { "type": kind, "message": message },
        "request_id": request_id,
    });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body.to_string())
}

/// The rate-limit headers; the reset is an RFC 3339 time in whole seconds, rounded up.
pub(super) fn limit_headers(standing: Standing) -> [(&'static str, String); 3] {
    let full = Timestamp::now().saturating_add(standing.reset).unwrap_or(Timestamp::MAX);
    let full = Timestamp::from_second(full.as_second().saturating_add(1)).unwrap_or(full);
    [
        ("anthropic-ratelimit-requests-limit", standing.limit.to_string()),
        ("anthropic-ratelimit-requests-remaining", standing.remaining.to_string()),
        ("anthropic-ratelimit-requests-reset", full.to_string()),
    ]
}
