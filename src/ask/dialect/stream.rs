//! Reads streamed replies.
//!
//! The reader assembles the events into the equivalent complete reply, which the usual reader then
//! reads. If a stream ends before the model has reported its end, the reply is lost. The content
//! decides whether a body is a stream: some servers reply in one piece to a request for a stream.

use super::sse::Events;
use super::{Body, Dialect, HttpReply, content, decode, errors, finish, halves, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{FailureCode, Repair, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Assembles one streamed reply.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about the stream")]
pub struct StreamReader {
    dialect: Dialect,
    /// Bytes until the body is known to be events; the whole body if it is not.
    body: Vec<u8>,
    is_events: Option<bool>,
    events: Events,
    whole: Value,
    /// Items that Responses has sent before its last event.
    items: Vec<Value>,
    repaired: BTreeSet<Repair>,
    /// An error event in the stream.
    error: Option<Value>,
    started: bool,
    done: bool,
    /// One event contained the whole reply.
    in_one_piece: bool,
    /// An event contained half of a surrogate pair.
    has_halves: bool,
}

impl Dialect {
    /// Creates a reader for one reply.
    pub fn stream(self) -> StreamReader {
        StreamReader {
            dialect: self,
            body: Vec::new(),
            is_events: None,
            events: Events::default(),
            whole: json!({}),
            items: Vec::new(),
            repaired: BTreeSet::new(),
            error: None,
            started: false,
            done: false,
            in_one_piece: false,
            has_halves: false,
        }
    }
}

impl StreamReader {
    /// Takes the next bytes. Returns the new text of the answer.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.is_events == Some(true) {
            return self.event_bytes(bytes);
        }
        self.body.extend_from_slice(bytes);
        self.is_events = self.is_events.or_else(|| decode::is_events(&self.body));
        self.started |= self.is_events == Some(false);
        if self.is_events != Some(true) {
            return String::new();
        }
        let body = std::mem::take(&mut self.body);
        self.event_bytes(decode::beginning(&body))
    }

    fn event_bytes(&mut self, bytes: &[u8]) -> String {
        let mut events = Vec::new();
        self.events.push(bytes, |data| events.push(data.to_owned()));
        self.take(&events)
    }

    /// The whole body, if it is not a stream of events.
    pub fn body(&self) -> Option<&[u8]> {
        (self.is_events != Some(true)).then_some(&self.body)
    }

    /// Whether the answer has begun. From then on other calls can use the cached prompt.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether the model has reported its end.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Ends the stream and returns the reply.
    ///
    /// Text of an error that repeats the request `asked` is removed, so that a document's own words
    /// do not decide how its failure is classified.
    pub fn finish(mut self, header: &dyn Fn(&str) -> Option<String>, asked: Option<&Body>) -> Result<Reply, Fault> {
        let mut events = Vec::new();
        self.events.finish(|data| events.push(data.to_owned()));
        self.take(&events);
        if self.has_halves && halves::join_all(&mut self.whole) {
            self.repaired.insert(Repair::LoneSurrogate);
        }
        if let Some(asked) = asked {
            let in_choice = self.whole.pointer_mut("/choices/0/error");
            self.error.iter_mut().chain(in_choice).for_each(|error| leave_out_echo(error, asked));
        }
        if let Some(error) = &self.error {
            // The error is read like an error response, but part of the reply may be billed.
            let fault = errors::classify(&HttpReply { status: 200, header, body: b"" }, Some(error));
            return Err(fault.billed(self.dialect.usage(&self.whole)));
        }
        let reply = self.dialect.read(&self.whole).map(|reply| Reply { repaired: self.repaired, ..reply });
        if self.done {
            return reply;
        }
        let usage = reply.map_or_else(|fault| fault.usage, |reply| reply.usage);
        let message = "the reply broke off before the model had finished";
        Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::LostReply, message) })
    }

    fn take(&mut self, events: &[String]) -> String {
        let mut text = String::new();
        for data in events {
            if data.trim().trim_matches(['"', '[', ']']) == "DONE" {
                self.done = true;
                continue;
            }
            let marked = halves::marked(data);
            self.has_halves |= marked.is_some();
            let data = marked.as_deref().unwrap_or(data);
            match serde_json::from_str(data) {
                Ok(event) => self.event(event, &mut text),
                // Some servers leave out the empty line between two events. Other text, such as a
                // gateway's comment, is ignored.
                Err(_) => {
                    let mut repaired = BTreeSet::new();
                    for event in decode::values(data, &mut repaired) {
                        self.event(event, &mut text);
                    }
                    self.repaired.extend(repaired.into_iter().filter(|repair| *repair == Repair::LoneSurrogate));
                }
            }
        }
        if self.has_halves { halves::joined(&text).0 } else { text }
    }

    /// Takes a stream that came as a list of values.
    pub(super) fn take_all(&mut self, values: Vec<Value>) {
        self.is_events = Some(true);
        let mut text = String::new();
        for event in values {
            self.event(event, &mut text);
        }
    }

    fn event(&mut self, event: Value, text: &mut String) {
        self.started = true;
        if event["type"] == "error" || event.get("error").is_some_and(|error| !error.is_null()) {
            self.error = Some(event);
            return;
        }
        // Some servers send the whole reply as one event.
        let is_whole = match self.dialect {
            Dialect::Anthropic => event["type"] == "message",
            Dialect::OpenAi | Dialect::Compatible => {
                let choice = &event["choices"][0];
                choice["message"].is_object() && !choice["delta"].is_object()
            }
            Dialect::Responses => event["output"].is_array() && event["type"].is_null(),
            Dialect::Gemini => false,
        };
        if is_whole || self.in_one_piece {
            if is_whole {
                self.whole = event;
            }
            (self.in_one_piece, self.done) = (true, true);
            return;
        }
        match self.dialect {
            Dialect::Anthropic => self.anthropic(&event, text),
            Dialect::OpenAi | Dialect::Compatible => self.openai(&event, text),
            Dialect::Responses => self.responses(&event, text),
            Dialect::Gemini => self.gemini(&event, text),
        }
    }

    fn anthropic(&mut self, event: &Value, text: &mut String) {
        let whole = &mut self.whole;
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                *whole = Value::Object(event["message"].as_object().cloned().unwrap_or_default());
                whole["content"] = json!([{"type": "text", "text": ""}]);
                // This count of output tokens is not final. Without a later one, the output is
                // unknown.
                if let Some(usage) = whole["usage"].as_object_mut() {
                    usage.remove("output_tokens");
                }
            }
            // Events before `message_start` are ignored.
            _ if whole["content"].is_null() => {}
            "content_block_start" if event["content_block"]["type"] == "text" => {
                append(&mut whole["content"][0]["text"], &event["content_block"]["text"], text);
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
        // Moonshot and Groq send the usage in other places.
        for usage in [&event["usage"], &event["choices"][0]["usage"], &event["x_groq"]["usage"]] {
            usage::merge(&mut whole["usage"], usage);
        }
        // The first chunk of some servers has no choice in it.
        let Some(choice) = event["choices"].get(0) else { return };
        let reply = &mut whole["choices"][0];
        append(&mut reply["message"]["content"], &choice["delta"]["content"], text);
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            tool_call(&mut reply["message"]["tool_calls"], call);
        }
        if choice["delta"]["refusal"].is_string() {
            append(&mut reply["message"]["refusal"], &choice["delta"]["refusal"], &mut String::new());
        }
        if choice["error"].is_object() {
            reply["error"] = choice["error"].clone();
        }
        if choice["finish_reason"].as_str().is_some_and(|reason| !finish::is_open(reason)) {
            reply["finish_reason"] = choice["finish_reason"].clone();
            self.done = true;
        }
    }

    fn responses(&mut self, event: &Value, text: &mut String) {
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => text.push_str(event["delta"].as_str().unwrap_or_default()),
            "response.output_item.done" => self.items.push(event["item"].clone()),
            // The last event contains the whole reply. Some servers leave out items that they sent
            // before.
            "response.completed" | "response.incomplete" | "response.cancelled" | "response.done" => {
                self.whole = Value::Object(event["response"].as_object().cloned().unwrap_or_default());
                if self.whole["output"].as_array().is_none_or(Vec::is_empty) {
                    self.whole["output"] = Value::Array(std::mem::take(&mut self.items));
                }
                self.done = true;
            }
            "response.failed" => {
                self.whole = event["response"].clone();
                self.error = Some(event["response"].clone());
            }
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

/// Adds a piece of a tool call.
///
/// A piece with another id or a new number begins a call. Other pieces belong to an earlier call.
fn tool_call(calls: &mut Value, piece: &Value) {
    if !calls.is_array() {
        *calls = json!([]);
    }
    let Some(calls) = calls.as_array_mut() else { return };
    let number = piece["index"].as_u64().and_then(|number| usize::try_from(number).ok());
    let is_other = calls.last().is_none_or(|last| piece["id"].is_string() && !last["id"].is_null() && piece["id"] != last["id"]);
    if is_other || number.is_some_and(|number| number >= calls.len()) {
        calls.push(json!({"id": piece["id"], "function": {"arguments": ""}}));
    }
    let at = number.filter(|number| *number < calls.len() && !is_other).unwrap_or(calls.len() - 1);
    match (&mut calls[at]["function"]["arguments"], &piece["function"]["arguments"]) {
        (Value::String(all), Value::String(more)) => all.push_str(more),
        (all, whole @ Value::Object(_)) => *all = whole.clone(),
        _ => {}
    }
}

/// Removes text from an error that repeats the request.
fn leave_out_echo(error: &mut Value, asked: &Body) {
    let text = error.to_string();
    // The rest is still JSON.
    if let Ok(left) = serde_json::from_str(&asked.without_echo(text.into())) {
        *error = left;
    }
}

/// Adds text of the answer: a string, or a list of parts.
fn append(to: &mut Value, more: &Value, text: &mut String) {
    if more.is_null() {
        return;
    }
    let more = content::text(more);
    text.push_str(&more);
    match to {
        Value::String(to) => to.push_str(&more),
        to => *to = Value::String(more),
    }
}
