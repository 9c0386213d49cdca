//! Checks a value against the schema of an answer.
//!
//! This module knows only the keywords that [`super::field`] writes:
//!
//! - `type` (with null or without), `enum`, `minimum` and `maximum`
//! - `pattern` and `format`
//! - `items`, `minItems` and `maxItems`
//! - `properties`, `required` and `additionalProperties: false`
//!
//! The tests compare it with a general validator, which takes long to build.

use super::{iso, pattern};
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Characters of a value that an error shows.
const SHOWN: usize = 80;

/// A place in a value that violates the schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SchemaError {
    /// JSON pointer to the value; empty for the whole answer.
    pub path: String,
    pub message: String,
}

impl std::fmt::Display for SchemaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All errors of `value`, in the order of the schema.
pub(super) fn errors(value: &Value, schema: &Value) -> Vec<SchemaError> {
    let mut errors = Vec::new();
    check(value, schema, "", &mut errors);
    errors
}

fn check(value: &Value, schema: &Value, path: &str, errors: &mut Vec<SchemaError>) {
    let mut wrong = |message: String| errors.push(SchemaError { path: path.to_owned(), message });
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    if !types.is_empty() && !types.iter().any(|name| has_type(value, name)) {
        wrong(format!("{} is not of type \"{}\"", shown(value), types.join("\" or \"")));
    }
    if types.contains(&"integer") && is_rounded(value) {
        wrong(format!("{value} is beyond the 64 bits of an integer. In the job, use type = \"string\" for such numbers"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.iter().any(|choice| choice == value || order(choice, value) == Some(Ordering::Equal))
    {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        wrong(format!("{} is not one of {}", shown(value), choices.join(", ")));
    }
    for (keyword, bad, words) in
        [("minimum", Ordering::Less, "less than the minimum"), ("maximum", Ordering::Greater, "greater than the maximum")]
    {
        let bound = &schema[keyword];
        if order(value, bound) == Some(bad) {
            wrong(format!("{value} is {words} of {bound}"));
        }
    }
    match value {
        Value::String(text) => {
            if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !pattern::matches(pattern, text)) {
                wrong(format!("{} does not match the pattern {pattern}", shown(value)));
            }
            if let Some(format) = schema["format"].as_str().and_then(iso::Format::parse).filter(|format| !format.holds(text)) {
                wrong(format!("{} is not an {}", shown(value), format.wording()));
            }
        }
        Value::Array(items) => {
            let count = |keyword: &str| schema[keyword].as_u64().and_then(|count| usize::try_from(count).ok());
            if let Some(least) = count("minItems").filter(|least| items.len() < *least) {
                wrong(format!("{} items are fewer than the minimum of {least}", items.len()));
            }
            if let Some(most) = count("maxItems").filter(|most| items.len() > *most) {
                wrong(format!("{} items are more than the maximum of {most}", items.len()));
            }
            for (index, item) in items.iter().enumerate() {
                check(item, &schema["items"], &format!("{path}/{index}"), errors);
            }
        }
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    wrong(format!("\"{name}\" is a required property"));
                }
            }
            let known = |name: &str| schema["properties"].get(name);
            let unknown: Vec<String> = fields.keys().filter(|name| known(name).is_none()).map(|name| format!("\"{name}\"")).collect();
            if schema["additionalProperties"] == false && !unknown.is_empty() {
                wrong(format!("additional properties are not allowed: {}", unknown.join(", ")));
            }
            for (name, field) in fields {
                if let Some(schema) = known(name) {
                    check(field, schema, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), errors);
                }
            }
        }
        _ => {}
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match (name, value) {
        ("null", Value::Null)
        | ("string", Value::String(_))
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => number.as_i128().is_some() || number.as_f64().is_some_and(|float| float.fract() == 0.0),
        _ => false,
    }
}

/// Whether a whole number is beyond 64 bits. The parser has then rounded it to a double.
fn is_rounded(value: &Value) -> bool {
    const END: f64 = 18_446_744_073_709_551_616.0;
    const BEFORE: f64 = -9_223_372_036_854_775_808.0;
    let float = value.as_number().filter(|number| number.is_f64()).and_then(Number::as_f64);
    float.is_some_and(|float| float.fract() == 0.0 && (float <= BEFORE || float >= END))
}

/// Compares two numbers; `None` unless both values are numbers.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let (Value::Number(one), Value::Number(other)) = (one, other) else { return None };
    let whole = [one, other].map(Number::as_i128);
    match whole {
        [Some(one), Some(other)] => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// The beginning of a value as JSON. It is short, because an error may go into the next request.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
