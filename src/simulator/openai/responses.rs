//! Parses and checks requests for Responses.

use super::chat::{marks_by_itself, read_image, read_schema};
use super::{charge, limit_headers, problem, responses_reply};
use crate::simulator::ask::{Ask, AskBuilder, Delivery, Form};
use crate::simulator::dialect::Dialect;
use crate::simulator::ending::Problem;
use serde_json::Value;

pub(in crate::simulator) static RESPONSES: Dialect = Dialect {
    has_path: |path| path == "/v1/responses",
    read: |body, _, seed| read(body, seed),
    charge: |ask, _| charge(ask),
    meters_output: false,
    reply: responses_reply::reply,
    stream: responses_reply::stream,
    stream_error: responses_reply::stream_error,
    problem: |found, _| problem(found),
    id_header: Some("x-request-id"),
    limit_headers: |state| limit_headers(state).into(),
    wait_in_body: false,
};

/// Parses and checks a request.
fn read(body: &Value, seed: u64) -> Result<Ask<'_>, Problem> {
    let model = body["model"].as_str().ok_or_else(|| missing("model"))?;
    for name in ["background", "tools", "messages", "max_tokens"] {
        if body.get(name).is_some_and(|value| !value.is_null() && *value != false && value.as_array().is_none_or(|list| !list.is_empty())) {
            let message = format!("Unsupported parameter: '{name}' is not supported by the simulator here.");
            return Err(Problem::param(message, name, Some("unsupported_parameter")));
        }
    }
    let max_tokens = match &body["max_output_tokens"] {
        Value::Null => u64::MAX,
        number => number.as_u64().filter(|number| *number > 0).ok_or_else(|| {
            let message = "Invalid 'max_output_tokens': integer below minimum value.".to_owned();
            Problem::param(message, "max_output_tokens", Some("integer_below_min_value"))
        })?,
    };
    let form = read_form(&body["text"]["format"])?;
    let effort = [&body["reasoning"]["effort"], &body["text"]["verbosity"]];
    let mut builder = AskBuilder::new(seed, model, form, &effort);
    if let Some(text) = body["instructions"].as_str() {
        builder.text("system", text);
    }
    match &body["input"] {
        Value::String(text) => builder.text("user", text),
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                read_item(&mut builder, item, &format!("input[{index}]"))?;
            }
        }
        _ => return Err(missing("input")),
    }
    if marks_by_itself(body, model) {
        builder.mark();
    }
    Ok(builder.finish(max_tokens, Delivery { stream: body["stream"] == true, usage: true }))
}

fn missing(name: &str) -> Problem {
    Problem::param(format!("Missing required parameter: '{name}'."), name, Some("missing_required_parameter"))
}

fn read_form(format: &Value) -> Result<Form<'_>, Problem> {
    match format["type"].as_str() {
        None if format.is_null() => Ok(Form::Text),
        Some("text") => Ok(Form::Text),
        Some("json_object") => Ok(Form::Json),
        Some("json_schema") => read_schema(format, "text.format"),
        _ => Err(Problem::param("Invalid value: 'text.format.type'.", "text.format.type", None)),
    }
}

fn read_item<'a>(builder: &mut AskBuilder<'a>, item: &'a Value, place: &str) -> Result<(), Problem> {
    let invalid = |place: &str| Problem::param(format!("Invalid value: '{place}'."), place, Some("invalid_value"));
    let role = item["role"].as_str().filter(|role| matches!(*role, "system" | "developer" | "user" | "assistant"));
    let role = role.ok_or_else(|| invalid(&format!("{place}.role")))?;
    if let Some(text) = item["content"].as_str() {
        builder.text(role, text);
        return Ok(());
    }
    let parts = item["content"].as_array().ok_or_else(|| invalid(&format!("{place}.content")))?;
    for (index, part) in parts.iter().enumerate() {
        let place = format!("{place}.content[{index}]");
        match (part["type"].as_str(), part["text"].as_str(), part["image_url"].as_str()) {
            (Some("input_text" | "output_text"), Some(text), _) => builder.text(role, text),
            (Some("input_image"), _, Some(url)) if role == "user" => read_image(builder, url, &place)?,
            _ => return Err(invalid(&place)),
        }
        if part["prompt_cache_breakpoint"].is_object() {
            builder.mark();
        }
    }
    Ok(())
}
