//! The JSON schema of an answer.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
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
    /// Keyword with the enum value that stands for all other answers. It is never sent.
    pub const UNKNOWN: &str = "x-unknown";

    /// Type of the values of a schema, beside null.
    pub fn type_of(schema: &Value) -> Option<&str> {
        match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            name => name.as_str(),
        }
    }

    /// Whether null is among the values of a schema.
    pub fn takes_null(schema: &Value) -> bool {
        schema["type"].as_array().is_some_and(|types| types.iter().any(|name| name == "null"))
    }

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
        let json = to_raw_value(&sent(&value)).unwrap_or_default();
        Self { value, json }
    }
}

/// The schema without docmill's own keyword.
fn sent(schema: &Value) -> Value {
    let Some(keywords) = schema.as_object() else { return schema.clone() };
    let keyword = |(key, value): (&String, &Value)| {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => fields.iter().map(|(name, field)| (name.clone(), sent(field))).collect(),
            ("items", value) => sent(value),
            _ => value.clone(),
        };
        (key.clone(), value)
    };
    Value::Object(keywords.iter().filter(|(key, _)| *key != Schema::UNKNOWN).map(keyword).collect::<Map<_, _>>())
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
