//! A streamed reply that is assembled from its events.

use super::content;
use serde_json::{Value, json};

/// The parts of a streamed reply received so far.
#[derive(Debug)]
pub struct Assembly {
    /// The equivalent complete reply.
    pub whole: Value,
    /// Items that Responses sends before its last event.
    pub items: Vec<Value>,
    /// An error event in the stream.
    pub error: Option<Value>,
    /// Whether the model has reported that it finished.
    pub done: bool,
}

impl Default for Assembly {
    fn default() -> Self {
        Self { whole: json!({}), items: Vec::new(), error: None, done: false }
    }
}

/// Appends text of the answer. `more` is a string or a list of parts.
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
