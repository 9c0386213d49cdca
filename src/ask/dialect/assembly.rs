//! A streamed reply while its events are put together.

use super::content;
use serde_json::{Value, json};

/// The parts of a streamed reply that have come so far.
#[derive(Debug)]
pub struct Assembly {
    /// The equivalent complete reply.
    pub whole: Value,
    /// Items that Responses has sent before its last event.
    pub items: Vec<Value>,
    /// An error event in the stream.
    pub error: Option<Value>,
    /// Whether the model has reported its end.
    pub done: bool,
}

impl Default for Assembly {
    fn default() -> Self {
        Self { whole: json!({}), items: Vec::new(), error: None, done: false }
    }
}

/// Adds text of the answer: a string, or a list of parts.
pub(super) fn append(to: &mut Value, more: &Value, text: &mut String) {
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
