//! The two wire formats, written from the providers' references.

use super::files::number_on;
use super::server::{Ask, SentImage};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Instant;

/// The wire format of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic's Messages.
    Messages,
    /// Chat Completions.
    ChatCompletions,
}

/// Parses a request as a provider does. The error is the body of the response.
pub(super) fn read(path: &str, headers: HeaderMap, body: &[u8], arrived: Instant) -> Result<Ask, Value> {
    let dialect = match path {
        "/v1/messages" => Dialect::Messages,
        "/v1/chat/completions" => Dialect::ChatCompletions,
        _ => return Err(json!({"error": {"message": format!("no such path: {path}")}})),
    };
    let body: Value = serde_json::from_slice(body).map_err(|e| json!({"error": {"message": e.to_string()}}))?;
    let (mut system, mut texts, mut images) = (Vec::new(), Vec::new(), Vec::new());
    collect(&body["system"], &mut system, &mut images);
    for message in body["messages"].as_array().into_iter().flatten() {
        match message["role"].as_str() {
            Some("system" | "developer") => collect(&message["content"], &mut system, &mut images),
            _ => collect(&message["content"], &mut texts, &mut images),
        }
    }
    let schema = match dialect {
        Dialect::Messages => &body["output_config"]["format"]["schema"],
        Dialect::ChatCompletions => &body["response_format"]["json_schema"]["schema"],
    };
    let (schema, text) = (schema.clone(), texts.join("\n\n"));
    let docid = docid(&text).or_else(|| Some(format!("image-{}", number_on(&images.first()?.bytes)?)));
    let path = path.to_owned();
    Ok(Ask { dialect, path, headers, system: system.join("\n\n"), text, images, schema, docid, attempt: 0, arrived, body })
}

fn collect(content: &Value, texts: &mut Vec<String>, images: &mut Vec<SentImage>) {
    if let Some(text) = content.as_str() {
        texts.push(text.to_owned());
    }
    for block in content.as_array().into_iter().flatten() {
        match block["type"].as_str() {
            Some("text") => texts.push(block["text"].as_str().unwrap().to_owned()),
            Some("image") => {
                let source = &block["source"];
                images.push(SentImage {
                    media_type: source["media_type"].as_str().unwrap().to_owned(),
                    bytes: STANDARD.decode(source["data"].as_str().unwrap()).unwrap(),
                });
            }
            Some("image_url") => {
                let url = block["image_url"]["url"].as_str().unwrap();
                let (media_type, data) = url.strip_prefix("data:").unwrap().split_once(";base64,").unwrap();
                images.push(SentImage { media_type: media_type.to_owned(), bytes: STANDARD.decode(data).unwrap() });
            }
            other => panic!("a block of type {other:?}"),
        }
    }
}

/// Finds the first `docid:XYZ` of a text.
fn docid(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("docid:")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

impl Dialect {
    /// A complete answer with this text.
    pub(super) fn answered(self, ask: &Ask, text: &str) -> Value {
        self.message(ask, Some(text), "end_turn", "stop")
    }

    /// An answer that is cut at the token limit.
    pub(super) fn truncated(self, ask: &Ask) -> Value {
        self.message(ask, Some(r#"{"ans"#), "max_tokens", "length")
    }

    /// A response in which the model declines.
    pub(super) fn refused(self, ask: &Ask) -> Value {
        let mut message = self.message(ask, None, "refusal", "stop");
        match self {
            Self::Messages => {
                message["stop_details"] = json!({"type": "refusal", "category": null, "explanation": "I cannot help with that."});
            }
            Self::ChatCompletions => message["choices"][0]["message"]["refusal"] = json!("I cannot help with that."),
        }
        message
    }

    /// An error body.
    pub fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::Messages => json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_test"}),
            Self::ChatCompletions => json!({"error": {"message": message, "type": kind, "param": null, "code": kind}}),
        }
    }

    fn message(self, ask: &Ask, text: Option<&str>, anthropic_stop: &str, openai_stop: &str) -> Value {
        let (input, output) = (100 + ask.text.len() as u64 / 4, text.map_or(0, |text| 10 + text.len() as u64 / 4));
        match self {
            Self::Messages => json!({
                "id": "msg_test", "type": "message", "role": "assistant", "model": ask.body["model"],
                // Thinking comes first: readers must choose blocks by type.
                "content": text.map_or_else(Vec::new, |text| vec![
                    json!({"type": "thinking", "thinking": "{\"not\": \"the answer\"}", "signature": "x"}),
                    json!({"type": "text", "text": text}),
                ]),
                "stop_reason": anthropic_stop, "stop_sequence": null, "stop_details": null,
                "usage": {
                    "input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 20, "output_tokens": output,
                    "output_tokens_details": {"thinking_tokens": 0}, "service_tier": "standard"
                }
            }),
            Self::ChatCompletions => json!({
                "id": "chatcmpl-test", "object": "chat.completion", "created": 1_795_000_000, "model": ask.body["model"],
                "choices": [{
                    "index": 0, "message": {"role": "assistant", "content": text, "refusal": null}, "logprobs": null,
                    "finish_reason": openai_stop
                }],
                "usage": {
                    "prompt_tokens": input + 20, "completion_tokens": output, "total_tokens": input + 20 + output,
                    "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 0}
                },
                "service_tier": "default"
            }),
        }
    }
}
