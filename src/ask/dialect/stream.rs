//! Reads streamed replies.
//!
//! The reader assembles the events into the equivalent complete reply and reads that. If a stream
//! ends before the model has finished, the reply is lost. The content decides whether a body is a
//! stream, because some servers answer in one piece.

use super::assembly::Assembly;
use super::body::Body;
use super::format::Dialect;
use super::http::HttpReply;
use super::sse::Events;
use super::{decode, errors, halves};
use crate::ask::fault::{Class, Fault};
use crate::ask::reply_size::{SMALL, fits, taken};
use crate::model::{FailureCode, Repair, Reply};
use serde_json::Value;
use std::collections::BTreeSet;

/// Assembles one streamed reply.
#[derive(Debug)]
pub struct StreamReader {
    dialect: Dialect,
    /// Start of the body until it proves to be events.
    ///
    /// For other replies, this is the whole body.
    body: Vec<u8>,
    is_events: Option<bool>,
    events: Events,
    reply: Assembly,
    repaired: BTreeSet<Repair>,
    started: bool,
    /// Whether one event contained the whole reply.
    in_one_piece: bool,
    /// Whether an event contained half of a surrogate pair.
    has_halves: bool,
    /// Size of the reply when it was last measured, in bytes.
    measured: usize,
    /// Bytes that have arrived since then.
    since_measured: usize,
}

impl StreamReader {
    /// Creates a reader for one reply.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            body: Vec::new(),
            is_events: None,
            events: Events::default(),
            reply: Assembly::default(),
            repaired: BTreeSet::new(),
            started: false,
            in_one_piece: false,
            has_halves: false,
            measured: 0,
            since_measured: 0,
        }
    }

    /// Takes more bytes. Returns the new text of the answer.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.since_measured += bytes.len();
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

    /// Bytes that the reply takes so far, about.
    pub fn held(&mut self) -> usize {
        if self.since_measured > SMALL {
            self.measured = taken(&self.reply.whole) + self.reply.items.iter().map(taken).sum::<usize>();
            self.since_measured = 0;
        }
        self.body.len() + self.events.held() + self.measured
    }

    /// Whether the answer has begun. After that, other calls can use the cached prompt.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether the model has reported that it finished.
    pub fn done(&self) -> bool {
        self.reply.done
    }

    /// Ends the stream and returns the reply.
    ///
    /// Removes error text that repeats the request `asked`. The words of a document must not decide
    /// how its failure is classified.
    pub fn finish(mut self, header: &dyn Fn(&str) -> Option<String>, asked: Option<&Body>) -> Result<Reply, Fault> {
        let mut events = Vec::new();
        self.events.finish(|data| events.push(data.to_owned()));
        self.take(&events);
        if self.has_halves && halves::join_all(&mut self.reply.whole) {
            self.repaired.insert(Repair::LoneSurrogate);
        }
        if let Some(asked) = asked {
            let in_choice = self.reply.whole.pointer_mut("/choices/0/error");
            self.reply.error.iter_mut().chain(in_choice).for_each(|error| leave_out_echo(error, asked));
        }
        if let Some(error) = &self.reply.error {
            // The error is read like an error response, but part of the reply may be billed.
            let fault = errors::classify(&HttpReply { status: 200, header, body: b"" }, Some(error));
            return Err(fault.billed(self.dialect.usage(&self.reply.whole)));
        }
        let reply = (self.dialect.read)(&self.reply.whole).map(|reply| Reply { repaired: self.repaired, ..reply });
        if self.reply.done {
            return reply;
        }
        let usage = reply.map_or_else(|fault| fault.usage, |reply| reply.usage);
        let message = "the response broke off before the model finished";
        Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::LostReply, message) })
    }

    fn take(&mut self, events: &[String]) -> String {
        let mut text = String::new();
        for data in events {
            if data.trim().trim_matches(['"', '[', ']']) == "DONE" {
                self.reply.done = true;
                continue;
            }
            let marked = halves::marked(data);
            self.has_halves |= marked.is_some();
            let data = marked.as_deref().unwrap_or(data);
            if !fits(data.as_bytes()) {
                continue;
            }
            match serde_json::from_str(data) {
                Ok(event) => self.event(event, &mut text),
                // Some servers omit the empty line between two events. Other text, such as a
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

    /// Takes a stream that arrived as a list of values.
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
            self.reply.error = Some(event);
            return;
        }
        // Some servers send the whole reply as one event.
        let is_whole = (self.dialect.is_whole)(&event);
        if is_whole || self.in_one_piece {
            if is_whole {
                self.reply.whole = event;
            }
            (self.in_one_piece, self.reply.done) = (true, true);
            return;
        }
        (self.dialect.event)(&mut self.reply, &event, text);
    }
}

/// Removes request text that an error repeats.
fn leave_out_echo(error: &mut Value, asked: &Body) {
    let text = error.to_string();
    // `without_echo` returns valid JSON for valid JSON.
    if let Ok(left) = serde_json::from_str(&asked.without_echo(text.into())) {
        *error = left;
    }
}
