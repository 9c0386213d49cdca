//! Parses and checks requests for Embeddings, and builds their responses.

use super::{charge, chat_reply, limit_headers, problem};
use crate::simulator::ask::{Ask, AskBuilder, Delivery, Form, VectorForm};
use crate::simulator::bill::Tokens;
use crate::simulator::dialect::Dialect;
use crate::simulator::ending::Problem;
use crate::simulator::scenario::MAX_DIMENSIONS;
use serde_json::{Value, json};

pub(in crate::simulator) static EMBEDDINGS: Dialect = Dialect {
    has_path: |path| path == "/v1/embeddings",
    read: |body, _, seed| read(body, seed),
    charge: |ask, _| charge(ask),
    meters_output: false,
    reply: |ask, vectors, _, tokens| reply(ask, vectors, tokens),
    stream: chat_reply::stream, // never asked for
    stream_error: chat_reply::stream_error,
    problem: |found, _| problem(found),
    id_header: Some("x-request-id"),
    limit_headers: |state| limit_headers(state).into(),
    wait_in_body: false,
};

/// The body of a 200. `vectors` is the JSON list.
fn reply(ask: &Ask<'_>, vectors: &str, tokens: Tokens) -> String {
    let usage = json!({ "prompt_tokens": tokens.input(), "total_tokens": tokens.input() });
    format!(r#"{{"object":"list","data":{vectors},"model":{},"usage":{usage}}}"#, json!(ask.model))
}

/// Parses and checks a request.
fn read(body: &Value, seed: u64) -> Result<Ask<'_>, Problem> {
    if !body.is_object() {
        return Err(Problem::invalid("We could not parse the JSON body of your request."));
    }
    let model = body["model"].as_str().ok_or_else(|| Problem::invalid("you must provide a model parameter"))?;
    let base64 = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            let message = format!("Invalid value: '{other}'. Supported values are: 'float' and 'base64'.");
            return Err(Problem::param(message, "encoding_format", Some("invalid_value")));
        }
    };
    let form = Form::Vectors(VectorForm { dimensions: read_dimensions(&body["dimensions"])?, base64 });
    let mut builder = AskBuilder::new(seed, model, form, &[]);
    read_input(&mut builder, &body["input"])?;
    Ok(builder.finish(u64::MAX, Delivery::default()))
}

fn read_dimensions(value: &Value) -> Result<Option<usize>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    let number = number.filter(|number| (1..=MAX_DIMENSIONS).contains(number));
    let invalid = || {
        let message = format!("Invalid value for 'dimensions' = {value}. Must be an integer from 1 to {MAX_DIMENSIONS}.");
        Problem::param(message, "dimensions", Some("invalid_value"))
    };
    Ok(Some(number.ok_or_else(invalid)?))
}

/// Reads a string, a list of strings, token ids, or a list of lists of token ids.
fn read_input<'a>(builder: &mut AskBuilder<'a>, input: &'a Value) -> Result<(), Problem> {
    match input {
        Value::Array(items) if items.is_empty() => {
            let message = "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead.";
            Err(Problem::param(message, "input", Some("empty_array")))
        }
        Value::Array(items) if !items[0].is_number() => {
            items.iter().enumerate().try_for_each(|(index, item)| read_one(builder, item, &format!("input[{index}]")))
        }
        Value::Null => Err(Problem::param("Missing required parameter: 'input'.", "input", Some("missing_required_parameter"))),
        one => read_one(builder, one, "input"),
    }
}

fn read_one<'a>(builder: &mut AskBuilder<'a>, item: &'a Value, place: &str) -> Result<(), Problem> {
    let invalid = |what: &str, code: &'static str| Err(Problem::param(format!("Invalid '{place}': {what}."), place, Some(code)));
    match item {
        Value::String(text) if text.is_empty() => invalid("input cannot be an empty string", "invalid_value"),
        Value::String(text) => {
            builder.text("user", text);
            Ok(())
        }
        Value::Array(ids) if ids.is_empty() => invalid("input cannot be an empty array", "empty_array"),
        Value::Array(ids) => match ids.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>() {
            Some(ids) => {
                builder.token_ids(&ids);
                Ok(())
            }
            None => invalid("expected token ids", "invalid_type"),
        },
        _ => invalid("expected a string or a list of token ids", "invalid_type"),
    }
}
