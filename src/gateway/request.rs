//! Reads the parts of a client's request that docmill needs. The rest goes to the provider as it is.

use super::error::ApiError;
use crate::ask::{RelayEndpoint, RelayTokens, Tier};
use bytes::Bytes;
use serde_json::Value;

/// A checked request of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The model.
    pub model: String,
    /// Whether the client asks for a stream.
    pub stream: bool,
    /// Whether the client asks that the response is kept.
    pub keeps: bool,
    /// Whether the client does not ask for the usage in a stream of Chat Completions.
    pub hides_usage: bool,
    /// Bounds of its tokens.
    pub tokens: RelayTokens,
    /// Where its conversation is.
    pub conversation: Conversation,
    /// The service tier that it asks for.
    pub tier: Tier,
    /// A hash of endpoint and body. The order of fields does not matter.
    pub hash: blake3::Hash,
}

/// Where the conversation of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// In the request.
    Sent,
    /// At the provider. Its length is not known.
    Kept,
}

/// Output tokens of a request that sets no limit. No known model writes more by default.
const MOST_OUTPUT: u64 = 128_000;
/// Input tokens of a request that continues a conversation of the provider.
const MOST_CONTEXT: u64 = 1_000_000;
/// Estimated and maximum tokens of an image.
const IMAGE: u64 = 1_500;
const MOST_IMAGE: u64 = 10_000;
/// Tokens that a provider may add to a prompt.
const WRAPPING: u64 = 1_000;
/// Parameters that are whole numbers from 1, with their maximum. No model writes as many tokens.
const NUMBERS: [(&str, u64); 4] =
    [("max_completion_tokens", 10_000_000), ("max_output_tokens", 10_000_000), ("max_tokens", 10_000_000), ("n", 128)];
/// Parameters that are true or false.
const FLAGS: [&str; 3] = ["stream", "store", "background"];
/// Bytes of text for each token, about.
const BYTES_PER_TOKEN: u64 = 4;

/// Checks a request to `endpoint`.
pub fn parse(endpoint: RelayEndpoint, body: &Bytes) -> Result<Parsed, ApiError> {
    let json: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(format!("We could not parse the JSON body of your request: {error}")))?;
    parse_value(endpoint, &json)
}

/// Checks a request to `endpoint` that was parsed before.
pub fn parse_value(endpoint: RelayEndpoint, json: &Value) -> Result<Parsed, ApiError> {
    let Some(fields) = json.as_object() else { return Err(ApiError::invalid("The body of the request must be a JSON object.")) };
    let missing = |name: &str| ApiError::param(name, "missing_required_parameter", format!("you must provide a {name} parameter"));
    let model = fields.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()).ok_or_else(|| missing("model"))?;
    let needed = if endpoint == RelayEndpoint::Chat { "messages" } else { "input" };
    if endpoint != RelayEndpoint::Responses && fields.get(needed).is_none_or(Value::is_null) {
        return Err(missing(needed));
    }
    check_types(json)?;
    if json["background"] == true {
        let message = "background responses are not supported, because their result would need another request. Leave background out.";
        return Err(ApiError::param("background", "unsupported_value", message));
    }
    let stream = endpoint != RelayEndpoint::Embeddings && json["stream"] == true;
    let hides_usage = stream && endpoint == RelayEndpoint::Chat && !fields.contains_key("stream_options");
    let mut hasher = blake3::Hasher::new();
    hasher.update(endpoint.path().as_bytes());
    hash_value(&mut hasher, json);
    Ok(Parsed {
        model: model.to_owned(),
        stream,
        keeps: json["store"] == true && !stream && endpoint == RelayEndpoint::Responses,
        hides_usage,
        tokens: tokens(endpoint, json),
        conversation: conversation(json),
        tier: Tier::asked(json["service_tier"].as_str().unwrap_or_default()),
        hash: hasher.finalize(),
    })
}

/// Checks the parameters on which the cost of a request depends. A wrong one would count as missing.
fn check_types(json: &Value) -> Result<(), ApiError> {
    let given = |name: &str| Some(&json[name]).filter(|value| !value.is_null());
    for (name, most) in NUMBERS {
        let Some(value) = given(name) else { continue };
        let code = match value.as_u64() {
            Some(number) if number > most => "integer_above_max_value",
            Some(number) if number > 0 => continue,
            Some(_) => "integer_below_min_value",
            None if value.is_i64() => "integer_below_min_value",
            None => "invalid_type",
        };
        let found = shown(value);
        return Err(ApiError::param(name, code, format!("Invalid '{name}': expected a whole number from 1 to {most}, found {found}.")));
    }
    let wrong = |name: &str, expected: &str, value: &Value| {
        ApiError::param(name, "invalid_type", format!("Invalid '{name}': expected {expected}, found {}.", shown(value)))
    };
    for name in FLAGS {
        if let Some(value) = given(name).filter(|value| !value.is_boolean()) {
            return Err(wrong(name, "true or false", value));
        }
    }
    match given("service_tier").filter(|value| !value.is_string()) {
        Some(value) => Err(wrong("service_tier", "a string", value)),
        None => Ok(()),
    }
}

/// A value in an error message.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        short => short.to_string(),
    }
}

/// Where the conversation of a request is.
fn conversation(json: &Value) -> Conversation {
    let is_kept = ["previous_response_id", "conversation", "prompt"].iter().any(|name| !json[*name].is_null());
    if is_kept { Conversation::Kept } else { Conversation::Sent }
}

/// Estimates and bounds the tokens of a request.
fn tokens(endpoint: RelayEndpoint, json: &Value) -> RelayTokens {
    let mut sum = Sum::default();
    sum.add(json);
    let limit = ["max_completion_tokens", "max_output_tokens", "max_tokens"].iter().find_map(|name| json[*name].as_u64());
    let choices = json["n"].as_u64().unwrap_or(1).clamp(1, 128);
    let most_output = if endpoint == RelayEndpoint::Embeddings { 0 } else { limit.unwrap_or(MOST_OUTPUT).saturating_mul(choices) };
    RelayTokens {
        input: sum.bytes / BYTES_PER_TOKEN + sum.numbers + sum.images * IMAGE,
        images: sum.images * IMAGE,
        // A tokenizer makes at most one token of each byte.
        most_input: sum.bytes
            + sum.numbers
            + sum.images * MOST_IMAGE
            + WRAPPING
            + match conversation(json) {
                Conversation::Kept => MOST_CONTEXT,
                Conversation::Sent => 0,
            },
        most_output,
    }
}

/// The content of a request.
#[derive(Debug, Default)]
struct Sum {
    /// Bytes of texts and of names.
    bytes: u64,
    /// Numbers, which may be tokens.
    numbers: u64,
    images: u64,
}

impl Sum {
    fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.starts_with("data:image") => self.images += 1,
            Value::String(text) => self.bytes += text.len() as u64 + 1,
            Value::Number(_) => self.numbers += 1,
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => {
                // An image elsewhere takes tokens too.
                self.images += u64::from(fields.get("type").is_some_and(|kind| kind == "image_url" || kind == "input_image"));
                for (name, field) in fields {
                    self.bytes += name.len() as u64;
                    self.add(field);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// Hashes a value. Objects with the same fields in another order have the same hash.
fn hash_value(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            hasher.update(b"{").update(&(sorted.len() as u64).to_le_bytes());
            for (name, field) in sorted {
                hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
                hash_value(hasher, field);
            }
        }
        Value::Array(items) => {
            hasher.update(b"[").update(&(items.len() as u64).to_le_bytes());
            for item in items {
                hash_value(hasher, item);
            }
        }
        Value::String(text) => {
            hasher.update(b"\"").update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        other => {
            hasher.update(other.to_string().as_bytes()).update(b",");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_hold_for_texts_images_tokens_and_choices() {
        let of = |endpoint, json: &Value| parse_value(endpoint, json).unwrap().tokens;
        let chat = |content: Value| json!({"model": "m", "messages": [{"role": "user", "content": content}], "max_tokens": 10, "n": 3});
        let text = of(RelayEndpoint::Chat, &chat(json!("x".repeat(4000))));
        assert!(text.most_input > 5000 && text.input > 1000 && text.most_output == 30 && text.images == 0, "{text:?}");
        let image = json!([{"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(1_000_000))}}]);
        let image = of(RelayEndpoint::Chat, &chat(image));
        assert!(image.most_input < 30_000 && image.images >= IMAGE, "{image:?}");
        let vectors = of(RelayEndpoint::Embeddings, &json!({"model": "m", "input": [[1, 2, 3], [4]]}));
        assert!(vectors.most_output == 0 && vectors.most_input > 1000, "{vectors:?}");
        let unlimited = of(RelayEndpoint::Responses, &json!({"model": "m", "input": "x", "previous_response_id": "r"}));
        assert!(unlimited.most_output == MOST_OUTPUT && unlimited.most_input > MOST_CONTEXT);
    }

    #[test]
    fn the_hash_ignores_the_order_of_fields_and_nothing_else() {
        let hash = |text: &str| parse(RelayEndpoint::Chat, &Bytes::copy_from_slice(text.as_bytes())).unwrap().hash;
        let base = hash("{\"model\":\"m\",\"messages\":[\"a\",\"b\"],\"seed\":1}");
        assert_eq!(base, hash("{ \"seed\" : 1, \"messages\" : [\"a\",\"b\"], \"model\":\"m\"}"));
        for other in ["{\"model\":\"m\",\"messages\":[\"b\",\"a\"],\"seed\":1}", "{\"model\":\"m\",\"messages\":[\"ab\"],\"seed\":1}"] {
            assert_ne!(base, hash(other));
        }
    }

    #[test]
    fn a_parameter_that_decides_about_the_cost_has_a_sound_value() {
        let of = |name: &str, value: Value| {
            let mut json = json!({"model": "m", "messages": []});
            json[name] = value;
            parse_value(RelayEndpoint::Chat, &json).map_err(|error| (error.status, error.kind, error.param, error.code))
        };
        let refused = |name: &str, code| Err((400, "invalid_request_error", Some(name.to_owned()), Some(code)));
        for name in ["max_completion_tokens", "max_output_tokens", "max_tokens", "n"] {
            for (value, code) in [
                (json!(-1), "integer_below_min_value"),
                (json!(0), "integer_below_min_value"),
                (json!(u64::MAX), "integer_above_max_value"),
                (json!("10"), "invalid_type"),
                (json!(1.5), "invalid_type"),
                (json!(true), "invalid_type"),
                (json!([1]), "invalid_type"),
            ] {
                assert_eq!(of(name, value.clone()).map(drop), refused(name, code), "{name}: {value}");
            }
            assert!(of(name, json!(null)).is_ok() && of(name, json!(1)).is_ok());
        }
        for name in ["stream", "store", "background", "service_tier"] {
            assert_eq!(of(name, json!(1)).map(drop), refused(name, "invalid_type"));
        }
        assert!(of("stream", json!(false)).is_ok() && of("service_tier", json!("flex")).is_ok());
    }

    #[test]
    fn a_malformed_request_is_refused_with_the_name_of_the_parameter() {
        for (body, param) in [("{", None), ("[]", None), ("{\"messages\":[]}", Some("model")), ("{\"model\":\"m\"}", Some("messages"))] {
            let error = parse(RelayEndpoint::Chat, &Bytes::from(body)).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, param), "{body}");
        }
    }
}
