//! Replies that come piece by piece.
//!
//! The pieces are put together to what the same reply would be in one piece, and that is read as always. A stream that
//! ends before the model has said that it is finished is no reply, whatever is in it. Whether it is a stream at all is told by
//! its content: some servers reply in one piece to those who ask for a stream.

use super::sse::Events;
use super::{Body, Dialect, HttpReply, content, decode, errors, finish, halves, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{FailureCode, Repair, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Puts one reply together.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what has been seen of the stream, each by itself")]
pub struct StreamReader {
    dialect: Dialect,
    /// What came until it is known to be events, and all of it if it is none.
    body: Vec<u8>,
    is_events: Option<bool>,
    events: Events,
    whole: Value,
    /// Messages that Responses has told before the end.
    items: Vec<Value>,
    repaired: BTreeSet<Repair>,
    /// An error in the middle of it.
    error: Option<Value>,
    started: bool,
    done: bool,
    /// An event held the whole reply.
    in_one_piece: bool,
    /// An event ended or began with half a character.
    has_halves: bool,
}

impl Dialect {
    /// A reader for one reply.
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
    /// Takes the next bytes; gives the text of the answer that is new.
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

    /// The whole body, if what came is no stream of events.
    pub fn body(&self) -> Option<&[u8]> {
        (self.is_events != Some(true)).then_some(&self.body)
    }

    /// Whether the answer has begun: from now on others can use what it has left in the provider's prompt cache.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether the model has said that it is finished.
    pub fn done(&self) -> bool {
        self.done
    }

    /// The reply, when no more bytes come. What an error repeats of the request `asked` is left out: a document's own words must not
    /// decide what its failure means.
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
            // As if it had come instead of the reply; but some of it may have been billed.
            let fault = errors::sort(&HttpReply { status: 200, header, body: b"" }, Some(error));
            return Err(fault.billed(self.dialect.usage(&self.whole)));
        }
        let reply = self.dialect.read(&self.whole).map(|reply| Reply { repaired: self.repaired, ..reply });
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
            if data.trim().trim_matches(['"', '[', ']']) == "DONE" {
                self.done = true;
                continue;
            }
            let marked = halves::marked(data);
            self.has_halves |= marked.is_some();
            let data = marked.as_deref().unwrap_or(data);
            match serde_json::from_str(data) {
                Ok(event) => self.event(event, &mut text),
                // Some servers leave out the empty line between two events. What is no JSON is something that we do not know, such
                // as a comment of a gateway.
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

    /// Takes a stream that is there as a list.
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
        // A reply in one piece, sent as an event.
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
                // This count is not final. Without a later one the output is unknown.
                if let Some(usage) = whole["usage"].as_object_mut() {
                    usage.remove("output_tokens");
                }
            }
            // Nothing has begun.
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
        // Moonshot and Groq have the usage elsewhere.
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
            // The last event holds the whole reply; some servers leave out what they have told before.
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

/// Adds a piece of the call of a tool. A piece without a number or with a known one belongs to the call before it.
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

/// An error without what it repeats of the request.
fn leave_out_echo(error: &mut Value, asked: &Body) {
    let text = error.to_string();
    // What is left is JSON.
    if let Ok(left) = serde_json::from_str(&asked.without_echo(text.into())) {
        *error = left;
    }
}

/// Adds text of the answer, which may come as a string or as a list of parts.
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
