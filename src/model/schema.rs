//! The JSON schema of an answer.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::ops::Deref;

/// The JSON schema of an answer, with its text.
///
/// Each call needs the text several times: for its key, its maximum cost and its request.
#[derive(Debug, Clone)]
pub struct Schema {
    value: Value,
    json: Box<RawValue>,
}

impl Schema {
    /// The schema as JSON, without white space.
    pub fn json(&self) -> &RawValue {
        &self.json
    }

    /// The schema as text.
    pub fn text(&self) -> &str {
        self.json.get()
    }
}

impl From<Value> for Schema {
    fn from(value: Value) -> Self {
        // Serialising a value cannot fail.
        let json = to_raw_value(&value).unwrap_or_default();
        Self { value, json }
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Deref for Schema {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}
