//! Replies that come piece by piece.
//!
//! The pieces are put together to what the same reply would be in one piece, and that is read as always. A stream that
//! ends before the model has said that it is finished is no reply, whatever is in it.

use super::sse::Events;
use super::{Dialect, HttpReply, errors, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{FailureCode, Reply};
use serde_json::{Value, json};

/// Puts one reply together.
#[derive(Debug)]
pub struct StreamReader {
    dialect: Dialect,
    events: Events,
    whole: Value,
    /// An error in the middle of it.
    error: Option<Value>,
    started: bool,
    done: bool,
}

impl Dialect {
    /// A reader for one reply.
    pub fn stream(self) -> StreamReader {
        StreamReader { dialect: self, events: Events::default(), whole: json!({}), error: None, started: false, done: false }
    }
}

impl StreamReader {
    /// Takes the next bytes; gives the text of the answer that is new.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut events = Vec::new();
        self.events.push(bytes, |data| events.push(data.to_owned()));
        self.take(&events)
    }

    /// Whether the answer has begun: from now on others can use what it has left in the provider's prompt cache.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether the model has said that it is finished.
    pub fn done(&self) -> bool {
        self.done
    }

    /// The reply, when no more bytes come.
    pub fn finish(mut self, header: &dyn Fn(&str) -> Option<String>) -> Result<Reply, Fault> {
        let mut events = Vec::new();
        self.events.finish(|data| events.push(data.to_owned()));
        self.take(&events);
        if let Some(error) = &self.error {
            // As if it had come instead of the reply; but some of it may have been billed.
            let fault = errors::sort(&HttpReply { status: 200, header, body: b"" }, Some(error));
            let usage = self.dialect.read(&self.whole).map_or_else(|fault| fault.usage, |reply| reply.usage);
            return Err(Fault { usage, ..fault });
        }
        let reply = self.dialect.read(&self.whole);
        if self.done {
            return reply;
        }
        let usage = reply.map_or_else(|fault| fault.usage, |reply| reply.usage);
        let message = "the reply broke off before the model was finished";
        Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::LostReply, message) })
    }

    fn take(&mut self, events: &[String]) -> String {
        let mut text = String::new();
        for data in events {
            if data.trim() == "[DONE]" {
                self.done = true;
                continue;
            }
            // What is no JSON is something that we do not know, such as a comment of a gateway.
            let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
            self.started = true;
            if event["type"] == "error" || event.get("error").is_some_and(|error| !error.is_null()) {
                self.error = Some(event);
                continue;
            }
            match self.dialect {
                Dialect::Anthropic => self.anthropic(&event, &mut text),
                Dialect::OpenAi | Dialect::Compatible => self.openai(&event, &mut text),
                Dialect::Responses => self.responses(&event, &mut text),
                Dialect::Gemini => self.gemini(&event, &mut text),
            }
        }
        text
    }

    fn anthropic(&mut self, event: &Value, text: &mut String) {
        let whole = &mut self.whole;
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                *whole = Value::Object(event["message"].as_object().cloned().unwrap_or_default());
                whole["content"] = json!([{"type": "text", "text": ""}]);
                // This count is not final. Without a later one the output is unknown.
                if let Some(usage) = whole["usage"].as_object_mut() {
                    usage.remove("output_tokens");
                }
            }
            "content_block_delta" if event["delta"]["type"] == "text_delta" => {
                append(&mut whole["content"][0]["text"], &event["delta"]["text"], text);
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().into_iter().flatten() {
                    whole[name] = value.clone();
                }
                usage::merge(&mut whole["usage"], &event["usage"]);
                self.done |= event["delta"]["stop_reason"].is_string();
            }
            "message_stop" => self.done = true,
            _ => {}
        }
    }

    fn openai(&mut self, event: &Value, text: &mut String) {
        let whole = &mut self.whole;
        if whole["choices"].is_null() {
            *whole = json!({"choices": [{"message": {"content": "", "refusal": null}, "finish_reason": null}], "model": event["model"]});
        }
        // Moonshot and Groq have the usage elsewhere.
        for usage in [&event["usage"], &event["choices"][0]["usage"], &event["x_groq"]["usage"]] {
            usage::merge(&mut whole["usage"], usage);
        }
        // The first chunk of some servers has no choice in it.
        let Some(choice) = event["choices"].get(0) else { return };
        let reply = &mut whole["choices"][0];
        append(&mut reply["message"]["content"], &choice["delta"]["content"], text);
        if choice["delta"]["refusal"].is_string() {
            append(&mut reply["message"]["refusal"], &choice["delta"]["refusal"], &mut String::new());
        }
        if choice["error"].is_object() {
            reply["error"] = choice["error"].clone();
        }
        if choice["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty()) {
            reply["finish_reason"] = choice["finish_reason"].clone();
            self.done = true;
        }
    }

    fn responses(&mut self, event: &Value, text: &mut String) {
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => text.push_str(event["delta"].as_str().unwrap_or_default()),
            // The last event holds the whole reply.
            "response.completed" | "response.incomplete" => {
                self.whole = event["response"].clone();
                self.done = true;
            }
            "response.failed" => self.error = Some(event["response"].clone()),
            _ => {}
        }
    }

    fn gemini(&mut self, event: &Value, text: &mut String) {
        let whole = &mut self.whole;
        usage::merge(&mut whole["usageMetadata"], &event["usageMetadata"]);
        for name in ["modelVersion", "promptFeedback"] {
            if !event[name].is_null() {
                whole[name] = event[name].clone();
            }
        }
        self.done |= event["promptFeedback"]["blockReason"].is_string();
        let Some(candidate) = event["candidates"].get(0) else { return };
        if whole["candidates"].is_null() {
            whole["candidates"] = json!([{"content": {"parts": [{"text": ""}]}}]);
        }
        for part in candidate["content"]["parts"].as_array().into_iter().flatten().filter(|part| part["thought"] != true) {
            append(&mut whole["candidates"][0]["content"]["parts"][0]["text"], &part["text"], text);
        }
        if candidate["finishReason"].is_string() {
            whole["candidates"][0]["finishReason"] = candidate["finishReason"].clone();
            self.done = true;
        }
    }
}

fn append(to: &mut Value, more: &Value, text: &mut String) {
    let Some(more) = more.as_str() else { return };
    text.push_str(more);
    match to {
        Value::String(to) => to.push_str(more),
        to => *to = Value::String(more.to_owned()),
    }
}
