//! The OpenAI Chat Completions dialect.
//!
//! Promises: accepts what the real server accepts of text and images, refuses with its statuses and error
//! codes what it refuses. Never supports tools, streaming or several choices: those are refused with a 400.

use super::anthropic::short_id;
use super::ask::{Ask, AskBuilder, Form};
use super::dialect::{End, Problem};
use super::limits::Standing;
use super::picture::{self, FLAT_TOKENS};
use super::schema::check_openai;
use hyper::StatusCode;
use serde_json::{Value, json};

const PATCH: u32 = 32;
/// A reply is a function of its request, so it has no clock: 18 November 2026.
const CREATED: u64 = 1_795_000_000;

/// Reads and checks a request.
pub(super) fn read(body: &Value, seed: u64) -> Result<Ask<'_>, Problem> {
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
    for (name, off) in [("stream", json!(false)), ("n", json!(1)), ("tools", json!([]))] {
        if body.get(name).is_some_and(|value| !value.is_null() && *value != off) {
            let message = format!("Unsupported value: '{name}' is not supported by the simulator.");
            return Err(Problem::param(message, name, Some("unsupported_value")));
        }
    }
    let max_tokens = read_limit(body)?;
    let form = read_form(&body["response_format"])?;
    let mut builder = AskBuilder::new(seed, model);
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return Err(Problem::param("Missing required parameter: 'messages'.", "messages", Some("missing_required_parameter")));
    }
    for (index, message) in messages.iter().enumerate() {
        read_message(&mut builder, message, &format!("messages[{index}]"))?;
    }
    Ok(builder.finish(model, form, max_tokens))
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
    let invalid = |message: String| Problem::param(message, "response_format", None);
    match format["type"].as_str() {
        None if format.is_null() => Ok(Form::Text),
        Some("text") => Ok(Form::Text),
        Some("json_object") => Ok(Form::Json),
        Some("json_schema") => {
            let spec = &format["json_schema"];
            let name = spec["name"].as_str().unwrap_or_default();
            let name_is_fine =
                (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
            if !name_is_fine {
                return Err(Problem::param(
                    "Missing or invalid parameter: 'response_format.json_schema.name'.",
                    "response_format.json_schema.name",
                    Some("missing_required_parameter"),
                ));
            }
            let Some(schema) = spec.get("schema").filter(|schema| schema.is_object()) else {
                return Err(invalid("Missing required parameter: 'response_format.json_schema.schema'.".into()));
            };
            if spec["strict"] == true {
                check_openai(schema).map_err(|problem| invalid(format!("Invalid schema for response_format '{name}': {problem}")))?;
            }
            Ok(Form::Schema(schema))
        }
        _ => Err(invalid("Invalid value: 'response_format.type'.".to_owned())),
    }
}

fn read_message(builder: &mut AskBuilder, message: &Value, place: &str) -> Result<(), Problem> {
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

fn read_part(builder: &mut AskBuilder, role: &str, part: &Value, place: &str) -> Result<(), Problem> {
    match (part["type"].as_str(), part["text"].as_str(), part["image_url"]["url"].as_str()) {
        (Some("text"), Some(text), _) => builder.text(role, text),
        (Some("image_url"), _, Some(url)) if role == "user" => {
            let Some(inline) = url.strip_prefix("data:") else {
                builder.attachment(url, FLAT_TOKENS); // never fetched
                return Ok(());
            };
            let picture = inline.split_once(";base64,").and_then(|(_, data)| picture::look(data));
            let Some(picture) = picture else {
                return Err(Problem::param(
                    "You uploaded an unsupported image. Please make sure your image is valid.",
                    place,
                    Some("invalid_image_format"),
                ));
            };
            builder.attachment(url, picture.tokens(PATCH, u64::MAX));
        }
        _ => {
            let message = format!("Invalid value: '{place}': expected a text or an image of the user.");
            return Err(Problem::param(message, place, Some("invalid_value")));
        }
    }
    Ok(())
}

/// The body of a 200.
pub(super) fn reply(ask: &Ask<'_>, text: &str, end: End, output_tokens: u64) -> String {
    let (message, reason) = match end {
        End::Complete => (json!({ "role": "assistant", "content": text, "refusal": null }), "stop"),
        End::Cut => (json!({ "role": "assistant", "content": text, "refusal": null }), "length"),
        End::Refused => (json!({ "role": "assistant", "content": null, "refusal": text }), "stop"),
    };
    json!({
        "id": format!("chatcmpl-sim-{}", short_id(ask)),
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason }],
        "usage": {
            "prompt_tokens": ask.input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": ask.input_tokens + output_tokens,
            "prompt_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    })
    .to_string()
}

/// Status and body of an error.
pub(super) fn problem(problem: &Problem) -> (StatusCode, String) {
    let invalid = "invalid_request_error";
    let (status, kind, code, param, message) = match problem {
        Problem::Invalid { message, param, code } => (400, invalid, *code, param.as_deref(), message.clone()),
        Problem::Unauthorized => (401, invalid, Some("invalid_api_key"), None, "Incorrect API key provided.".to_owned()),
        Problem::UnknownModel(model) => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            (404, invalid, Some("model_not_found"), None, message)
        }
        Problem::UnknownPath(path) => (404, invalid, None, None, format!("Invalid URL ({path})")),
        Problem::TooLarge => (413, invalid, None, None, "The request is too large.".to_owned()),
        Problem::RateLimited => {
            let message = "Rate limit reached on requests per min (RPM).".to_owned();
            (429, "requests", Some("rate_limit_exceeded"), None, message)
        }
        Problem::Overloaded => {
            let message = "The server is currently overloaded. Please try again later.".to_owned();
            (503, "server_error", Some("server_is_overloaded"), None, message)
        }
        Problem::ServerError => {
            let message = "The server had an error while processing your request.".to_owned();
            (500, "server_error", None, None, message)
        }
    };
    let body = json!({ "error": { "message": message, "type": kind, "param": param, "code": code } });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body.to_string())
}

/// The rate-limit headers; the reset is a duration as Go prints it.
pub(super) fn limit_headers(standing: Standing) -> [(&'static str, String); 3] {
    let millis = standing.reset.as_millis();
    let reset = match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{}s", millis as f64 / 1000.0),
        _ => format!("{}m{}s", millis / 60_000, (millis % 60_000) as f64 / 1000.0),
    };
    [
        ("x-ratelimit-limit-requests", standing.limit.to_string()),
        ("x-ratelimit-remaining-requests", standing.remaining.to_string()),
        ("x-ratelimit-reset-requests", reset),
    ]
}
