//! The Gemini dialect: generateContent.
//!
//! For text, images and JSON Schemas, it accepts and refuses the same requests as the real server,
//! with the same statuses and error bodies. It sends no rate-limit headers: the wait is in the
//! body. It never caches. It refuses tools, files, capitalised schemas, and streams without
//! `alt=sse` with a 400.

use super::ask::{Ask, AskBuilder, Delivery, Form};
use super::bill::Tokens;
use super::dialect::Dialect;
use super::ending::{End, Problem};
use super::limits::{Charge, LimitKind};
use super::picture;
use super::script::{Events, pieces};
use hyper::{StatusCode, Uri};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) static GENERATE_CONTENT: Dialect = Dialect {
    has_path: |path| path.starts_with(MODELS),
    read: |body, head, seed| read(body, &head.uri, seed),
    charge: |_, tokens| charge(tokens),
    meters_output: false,
    reply,
    stream,
    stream_error,
    problem: |found, _| problem(found),
    id_header: None,
    limit_headers: |_| Vec::new(),
    wait_in_body: true,
};

/// Path of the models. The rest is `MODEL:METHOD`.
const MODELS: &str = "/v1beta/models/";

/// Parses and checks a request.
fn read<'a>(body: &'a Value, uri: &'a Uri, seed: u64) -> Result<Ask<'a>, Problem> {
    let unknown = || Problem::UnknownPath(uri.path().to_owned());
    let (model, method) = uri.path().strip_prefix(MODELS).and_then(|rest| rest.rsplit_once(':')).ok_or_else(unknown)?;
    let stream = match method {
        "generateContent" => false,
        "streamGenerateContent" if uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse")) => true,
        "streamGenerateContent" => return Err(Problem::invalid("the simulator streams with alt=sse only")),
        _ => return Err(unknown()),
    };
    let config = &body["generationConfig"];
    let form = read_form(config)?;
    let max_tokens = match &config["maxOutputTokens"] {
        Value::Null => u64::MAX,
        number => {
            number.as_u64().filter(|number| *number > 0).ok_or_else(|| invalid("generation_config.max_output_tokens: must be positive"))?
        }
    };
    let image_tokens = match config["mediaResolution"].as_str() {
        Some("MEDIA_RESOLUTION_LOW") => 280,
        Some("MEDIA_RESOLUTION_MEDIUM") => 560,
        _ => 1120,
    };
    let mut builder = AskBuilder::new(seed, model, form, &[&config["thinkingConfig"]]);
    read_parts(&mut builder, "system", &body["systemInstruction"]["parts"], image_tokens)?;
    let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
    for content in contents.ok_or_else(|| invalid("contents is not specified"))? {
        let role = match content["role"].as_str() {
            None | Some("user") => "user",
            Some("model") => "assistant",
            Some(_) => return Err(invalid("Please use a valid role: user, model.")),
        };
        if !content["parts"].is_array() {
            return Err(invalid("contents.parts must not be empty."));
        }
        read_parts(&mut builder, role, &content["parts"], image_tokens)?;
    }
    Ok(builder.finish(max_tokens, Delivery { stream, usage: true }))
}

fn read_form(config: &Value) -> Result<Form<'_>, Problem> {
    if !config["responseSchema"].is_null() {
        return Err(Problem::invalid("the simulator knows generationConfig.responseJsonSchema only, not responseSchema"));
    }
    let schema = Some(&config["responseJsonSchema"]).filter(|schema| schema.is_object());
    match (config["responseMimeType"].as_str(), schema) {
        (Some("application/json"), Some(schema)) => Ok(Form::Schema(schema)),
        (Some("application/json"), None) => Ok(Form::Json),
        (_, Some(_)) => Err(invalid("response_json_schema: only allowed with response_mime_type application/json")),
        (_, None) => Ok(Form::Text),
    }
}

fn read_parts<'a>(builder: &mut AskBuilder<'a>, role: &str, parts: &'a Value, image_tokens: u64) -> Result<(), Problem> {
    for part in parts.as_array().into_iter().flatten() {
        match (part["text"].as_str(), part["inlineData"]["data"].as_str()) {
            (Some(text), _) => builder.text(role, text),
            (None, Some(data)) if role == "user" => {
                picture::look(data).ok_or_else(|| invalid("Unable to process input image. Please retry or report."))?;
                builder.picture(data, data, image_tokens);
            }
            _ => return Err(invalid("contents.parts: the simulator knows text and inlineData only")),
        }
    }
    Ok(())
}

fn invalid(message: &str) -> Problem {
    Problem::invalid(format!("* GenerateContentRequest: {message}"))
}

/// All input counts towards the limits; output does not.
fn charge(tokens: Tokens) -> Charge {
    vec![(LimitKind::Requests, 1), (LimitKind::Input, tokens.input())]
}

/// The body of a 200.
fn reply(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> String {
    fragment(ask, text, Some(end), tokens).to_string()
}

/// The fragments of a stream.
fn stream(ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> Events {
    let line = |text: &str, end: Option<End>, output: u64| {
        let fragment = fragment(ask, text, end, Tokens { output, ..tokens });
        format!("data: {fragment}\n\n")
    };
    let mut so_far = 0;
    let mut piece = |(text, tokens)| {
        so_far += tokens;
        (line(text, None, so_far), tokens)
    };
    let pieces = pieces(text).into_iter().map(&mut piece).collect();
    Events { head: line("", None, 0), pieces, tail: line("", Some(end), tokens.output) }
}

/// An error in the middle of a stream.
fn stream_error() -> String {
    let (_, body) = problem(&Problem::Overloaded);
    format!("data: {body}\n\n")
}

fn fragment(ask: &Ask<'_>, text: &str, end: Option<End>, tokens: Tokens) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": [{ "text": text }] }, "index": 0 });
    if let Some(end) = end {
        candidate["finishReason"] = json!(match end {
            End::Complete => "STOP",
            End::Cut => "MAX_TOKENS",
            End::Refused => "SAFETY",
        });
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": tokens.input(),
            "candidatesTokenCount": tokens.output,
            "totalTokenCount": tokens.input() + tokens.output,
        },
        "modelVersion": ask.model,
        "responseId": format!("sim-{}", ask.short_id()),
    })
}

/// Status and body of an error.
fn problem(problem: &Problem) -> (StatusCode, String) {
    let none = || json!([]);
    let (code, status, message, details) = match problem {
        Problem::Invalid { message, .. } => (400, "INVALID_ARGUMENT", message.clone(), none()),
        Problem::Unauthorized => {
            let info =
                json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com" });
            (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.".to_owned(), json!([info]))
        }
        Problem::UnknownModel(model) => (404, "NOT_FOUND", format!("models/{model} is not found for API version v1beta"), none()),
        Problem::UnknownPath(path) => (404, "NOT_FOUND", format!("{path} was not found"), none()),
        Problem::TooLarge => (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit.".to_owned(), none()),
        Problem::RateLimited { meter, wait } => {
            (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.".to_owned(), exhausted(*meter, *wait))
        }
        Problem::Overloaded => (503, "UNAVAILABLE", "The model is overloaded. Please try again later.".to_owned(), none()),
        Problem::ServerError => (500, "INTERNAL", "An internal error has occurred.".to_owned(), none()),
    };
    let mut error = json!({ "code": code, "message": message, "status": status });
    if details != none() {
        error["details"] = details;
    }
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, json!({ "error": error }).to_string())
}

fn exhausted(meter: LimitKind, wait: Option<Duration>) -> Value {
    let (metric, id) = match meter {
        LimitKind::Requests => ("generate_requests_per_model", "GenerateRequestsPerMinutePerProjectPerModel"),
        _ => ("generate_content_paid_tier_input_token_count", "GenerateContentPaidTierInputTokensPerModelPerMinute"),
    };
    let violation = json!({ "quotaMetric": format!("generativelanguage.googleapis.com/{metric}"), "quotaId": id });
    let mut details = vec![json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation] })];
    if let Some(wait) = wait {
        let delay = format!("{}s", wait.as_millis() as f64 / 1000.0);
        details.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }));
    }
    Value::Array(details)
}
