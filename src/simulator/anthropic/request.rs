//! Parses and checks requests.

use crate::simulator::ask::{Ask, AskBuilder, Delivery, Form};
use crate::simulator::ending::Problem;
use crate::simulator::picture::{self, FLAT_TOKENS};
use crate::simulator::schema::check_anthropic;
use hyper::HeaderMap;
use serde_json::{Map, Value};

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
const MAX_MARKS: usize = 4;
const MAX_OUTPUT_TOKENS: u64 = 128_000;

/// Parses and checks a request.
pub(in crate::simulator) fn read<'a>(body: &'a Value, headers: &HeaderMap, seed: u64) -> Result<Ask<'a>, Problem> {
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

    let mut builder = AskBuilder::new(seed, model, form, &[&body["output_config"]["effort"], &body["thinking"]]);
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
        Some(_) => {
            if body["cache_control"].is_object() {
                builder.mark();
            }
            let marks = builder.marks();
            if marks > MAX_MARKS {
                return Err(Problem::invalid(format!(
                    "A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {marks}."
                )));
            }
            let delivery = Delivery { stream: body["stream"] == true, usage: true };
            Ok(builder.finish(max_tokens, delivery))
        }
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

fn read_content<'a>(builder: &mut AskBuilder<'a>, role: &str, content: &'a Value, place: &str) -> Result<(), Problem> {
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
                if block["cache_control"].is_object() {
                    builder.mark();
                }
            }
            Ok(())
        }
        _ => Err(Problem::invalid(format!("{place}.content: Input should be a valid string or list"))),
    }
}

fn read_block<'a>(builder: &mut AskBuilder<'a>, role: &str, block: &'a Value) -> Result<(), String> {
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

fn read_image<'a>(builder: &mut AskBuilder<'a>, source: &'a Value) -> Result<(), String> {
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
    builder.picture(data, data, picture.tokens(PATCH, MAX_IMAGE_TOKENS));
    Ok(())
}
