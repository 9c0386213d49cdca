//! Parses and checks requests for Chat Completions.

use super::{PATCH, charge, chat_reply, limit_headers, problem};
use crate::simulator::ask::{Ask, AskBuilder, Delivery, Form};
use crate::simulator::dialect::Dialect;
use crate::simulator::ending::Problem;
use crate::simulator::picture::{self, FLAT_TOKENS};
use crate::simulator::schema::check_openai;
use serde_json::{Value, json};

pub(in crate::simulator) static CHAT_COMPLETIONS: Dialect = Dialect {
    has_path: |path| path == "/v1/chat/completions",
    read: |body, _, seed| read(body, seed),
    charge: |ask, _| charge(ask),
    meters_output: false,
    reply: chat_reply::reply,
    stream: chat_reply::stream,
    stream_error: chat_reply::stream_error,
    problem: |found, _| problem(found),
    id_header: Some("x-request-id"),
    limit_headers: |state| limit_headers(state).into(),
    wait_in_body: false,
};

/// Parses and checks a request.
fn read(body: &Value, seed: u64) -> Result<Ask<'_>, Problem> {
    if !body.is_object() {
        return Err(Problem::invalid("We could not parse the JSON body of your request."));
    }
    let model = body["model"].as_str().ok_or_else(|| Problem::invalid("you must provide a model parameter"))?;
    if model.starts_with("gpt-") && body.get("max_tokens").is_some_and(|number| !number.is_null()) {
        return Err(Problem::param(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
             'max_completion_tokens' instead.",
            "max_tokens",
            Some("unsupported_parameter"),
        ));
    }
    for (name, off) in [("n", json!(1)), ("tools", json!([]))] {
        if body.get(name).is_some_and(|value| !value.is_null() && *value != off) {
            let message = format!("Unsupported value: '{name}' is not supported by the simulator.");
            return Err(Problem::param(message, name, Some("unsupported_value")));
        }
    }
    let max_tokens = read_limit(body)?;
    let form = read_form(&body["response_format"])?;
    let mut builder = AskBuilder::new(seed, model, form, &[&body["reasoning_effort"], &body["verbosity"]]);
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return Err(Problem::param("Missing required parameter: 'messages'.", "messages", Some("missing_required_parameter")));
    }
    let last_of_user = messages.iter().rposition(|message| message["role"] == "user");
    for (index, message) in messages.iter().enumerate() {
        read_message(&mut builder, message, &format!("messages[{index}]"))?;
        if last_of_user == Some(index) && marks_by_itself(body, model) {
            builder.mark();
        }
    }
    let delivery = Delivery { stream: body["stream"] == true, usage: body["stream_options"]["include_usage"] == true };
    Ok(builder.finish(max_tokens, delivery))
}

/// Whether the model caches the whole prompt: the provider's own models do by default.
pub(super) fn marks_by_itself(body: &Value, model: &str) -> bool {
    model.starts_with("gpt-") && body["prompt_cache_options"]["mode"] != "explicit"
}

fn read_limit(body: &Value) -> Result<u64, Problem> {
    for name in ["max_completion_tokens", "max_tokens"] {
        let Some(value) = body.get(name).filter(|value| !value.is_null()) else { continue };
        return value.as_u64().filter(|number| *number > 0).ok_or_else(|| {
            let message = format!("Invalid '{name}': integer below minimum value. Expected a value >= 1.");
            Problem::param(message, name, Some("integer_below_min_value"))
        });
    }
    Ok(u64::MAX)
}

fn read_form(format: &Value) -> Result<Form<'_>, Problem> {
    match format["type"].as_str() {
        None if format.is_null() => Ok(Form::Text),
        Some("text") => Ok(Form::Text),
        Some("json_object") => Ok(Form::Json),
        Some("json_schema") => read_schema(&format["json_schema"], "response_format.json_schema"),
        _ => Err(Problem::param("Invalid value: 'response_format.type'.", "response_format", None)),
    }
}

/// Parses a named schema at `place` in the request.
pub(super) fn read_schema<'a>(spec: &'a Value, place: &str) -> Result<Form<'a>, Problem> {
    let name = spec["name"].as_str().unwrap_or_default();
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !is_name {
        let message = format!("Missing or invalid parameter: '{place}.name'.");
        return Err(Problem::param(message, &format!("{place}.name"), Some("missing_required_parameter")));
    }
    let top = place.split_once('.').map_or(place, |(top, _)| top);
    let invalid = |message: String| Problem::param(message, top, None);
    let schema = spec.get("schema").filter(|schema| schema.is_object());
    let schema = schema.ok_or_else(|| invalid(format!("Missing required parameter: '{place}.schema'.")))?;
    if spec["strict"] == true {
        check_openai(schema).map_err(|problem| invalid(format!("Invalid schema for {top} '{name}': {problem}")))?;
    }
    Ok(Form::Schema(schema))
}

fn read_message<'a>(builder: &mut AskBuilder<'a>, message: &'a Value, place: &str) -> Result<(), Problem> {
    let role = message["role"].as_str().unwrap_or_default();
    if !matches!(role, "system" | "developer" | "user" | "assistant") {
        let message = format!("Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user'.");
        return Err(Problem::param(message, &format!("{place}.role"), Some("invalid_value")));
    }
    match &message["content"] {
        Value::String(text) => builder.text(role, text),
        Value::Array(parts) => {
            for (index, part) in parts.iter().enumerate() {
                read_part(builder, role, part, &format!("{place}.content[{index}]"))?;
                if part["prompt_cache_breakpoint"].is_object() {
                    builder.mark();
                }
            }
        }
        Value::Null if role == "assistant" => {}
        _ => {
            let message = format!("Invalid type for '{place}.content': expected a string or an array.");
            return Err(Problem::param(message, &format!("{place}.content"), Some("invalid_type")));
        }
    }
    Ok(())
}

fn read_part<'a>(builder: &mut AskBuilder<'a>, role: &str, part: &'a Value, place: &str) -> Result<(), Problem> {
    match (part["type"].as_str(), part["text"].as_str(), part["image_url"]["url"].as_str()) {
        (Some("text"), Some(text), _) => builder.text(role, text),
        (Some("image_url"), _, Some(url)) if role == "user" => read_image(builder, url, place)?,
        _ => {
            let message = format!("Invalid value: '{place}': expected a text or an image of the user.");
            return Err(Problem::param(message, place, Some("invalid_value")));
        }
    }
    Ok(())
}

/// Reads a data URL. Other URLs are never fetched.
pub(super) fn read_image<'a>(builder: &mut AskBuilder<'a>, url: &'a str, place: &str) -> Result<(), Problem> {
    let Some(inline) = url.strip_prefix("data:") else {
        builder.attachment(url, FLAT_TOKENS);
        return Ok(());
    };
    let picture = inline.split_once(";base64,").and_then(|(_, data)| Some((data, picture::look(data)?)));
    let (data, picture) = picture.ok_or_else(|| {
        let message = "You uploaded an unsupported image. Please make sure your image is valid.";
        Problem::param(message, place, Some("invalid_image_format"))
    })?;
    builder.picture(url, data, picture.tokens(PATCH, u64::MAX));
    Ok(())
}
