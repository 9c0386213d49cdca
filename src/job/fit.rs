//! Converts a value to a schema without changing the answer's meaning.

use super::{pattern, schema};
use crate::model::{Repair, Schema};
use serde_json::{Map, Number, Value};
use std::collections::BTreeSet;

/// Names under which models wrap an answer.
const WRAPPERS: [&str; 24] = [
    "answer",
    "answers",
    "finalanswer",
    "result",
    "results",
    "finalresult",
    "response",
    "finalresponse",
    "output",
    "outputs",
    "structuredoutput",
    "data",
    "json",
    "object",
    "value",
    "content",
    "properties",
    "parameters",
    "arguments",
    "args",
    "payload",
    "body",
    "return",
    "root",
];

/// A name without case, blanks, `_` and `-`, for comparison.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
}

/// Values under wrapper names in `fields`. Empty if `fields` also has fields of the answer.
pub(super) fn wrapped<'v>(fields: &'v Map<String, Value>, schema: &Value) -> Vec<&'v Value> {
    if fields.keys().any(|key| is_field(key, schema)) {
        return Vec::new();
    }
    fields.iter().filter(|(key, _)| WRAPPERS.contains(&folded(key).as_str())).map(|(_, value)| value).collect()
}

fn is_field(key: &str, schema: &Value) -> bool {
    let fields = schema["properties"].as_object();
    fields.is_some_and(|fields| fields.contains_key(key) || fields.keys().any(|field| folded(field) == folded(key)))
}

/// Whether an object has all fields of the answer, in any spelling.
pub(super) fn has_all_fields(fields: &Map<String, Value>, schema: &Value) -> bool {
    let names: BTreeSet<String> = fields.keys().map(|key| folded(key)).collect();
    let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).peekable();
    required.peek().is_some() && required.all(|name| names.contains(&folded(name)))
}

/// Whether a value repeats the schema instead of following it.
pub(super) fn is_schema(value: &Value, schema: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    let ours = |key: &str| schema["properties"].get(key).is_some();
    let declares = |value: &Value| value["type"].is_string() || value["enum"].is_array() || value["$ref"].is_string();
    let properties = |value: &Value| value["properties"].as_object().is_some_and(|fields| fields.values().any(declares));
    let echoes = |(key, field): (&String, &Value)| {
        let form = &schema["properties"][key];
        field.is_object() && (field == form || (form["properties"].get("properties").is_none() && declares(field) && properties(field)))
    };
    value == schema
        || ["$schema", "$defs", "$ref"].iter().any(|key| fields.contains_key(*key) && !ours(key))
        || (!ours("properties") && properties(value))
        || fields.iter().any(echoes)
}

/// Converts `value` to the form of `schema` if the conversion is unambiguous.
pub(super) fn conform(value: Value, schema: &Value, repaired: &mut BTreeSet<Repair>) -> Value {
    let value = typed(value, schema, repaired);
    let value = if says_null(&value, schema) {
        repaired.insert(Repair::Type);
        Value::Null
    } else {
        value
    };
    match &schema[Schema::UNKNOWN] {
        Value::Null => value,
        _ if value.is_array() || value.is_object() || schema::errors(&value, schema).is_empty() => value,
        unknown => {
            repaired.insert(Repair::UnknownValue);
            unknown.clone()
        }
    }
}

/// Whether a text stands for null. A free text may be empty or say "null", so it stands for itself.
/// A text that its pattern or enum allows stands for itself, too.
fn says_null(value: &Value, schema: &Value) -> bool {
    let Some(text) = value.as_str().map(str::trim) else { return false };
    let is_bound = ["enum", "format", "pattern"].iter().any(|keyword| !schema[keyword].is_null());
    let is_free = Schema::type_of(schema) == Some("string") && !is_bound;
    let is_value = schema["enum"].as_array().is_some_and(|choices| choices.iter().any(|choice| choice == text))
        || schema["pattern"].as_str().is_some_and(|pattern| pattern::matches(pattern, value.as_str().unwrap_or_default()));
    Schema::takes_null(schema) && !is_free && !is_value && (text.is_empty() || text.eq_ignore_ascii_case("null"))
}

fn typed(value: Value, schema: &Value, repaired: &mut BTreeSet<Repair>) -> Value {
    match (Schema::type_of(schema).unwrap_or_default(), value) {
        ("object", Value::Object(fields)) => object(fields, schema, repaired),
        ("array", Value::Array(items)) => Value::Array(items.into_iter().map(|item| conform(item, &schema["items"], repaired)).collect()),
        (kind @ ("object" | "array"), Value::String(text)) => match serde_json::from_str(&text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) if value.is_object() == (kind == "object") => {
                repaired.insert(Repair::DoubleEncoded);
                conform(value, schema, repaired)
            }
            _ => Value::String(text),
        },
        (kind @ ("integer" | "number"), Value::String(text)) => match serde_json::from_str::<Number>(text.trim()) {
            Ok(number) => {
                repaired.insert(Repair::Type);
                numeric(number, kind)
            }
            Err(_) => Value::String(text),
        },
        (kind @ ("integer" | "number"), Value::Number(number)) => numeric(number, kind),
        ("boolean", Value::String(text)) => {
            let truth = [("true", true), ("false", false)].into_iter().find(|(word, _)| text.trim().eq_ignore_ascii_case(word));
            truth.map_or(Value::String(text), |(_, truth)| {
                repaired.insert(Repair::Type);
                Value::Bool(truth)
            })
        }
        // Integers have one text form; the text form of a fraction is lost.
        ("string", Value::Number(number)) if !number.is_f64() => {
            repaired.insert(Repair::Type);
            conform(Value::String(number.to_string()), schema, repaired)
        }
        ("string", Value::String(text)) => match choice(&text, schema) {
            Some(choice) => {
                repaired.insert(Repair::EnumSpelling);
                Value::String(choice.to_owned())
            }
            None => Value::String(text),
        },
        (_, value) => value,
    }
}

fn object(fields: Map<String, Value>, schema: &Value, repaired: &mut BTreeSet<Repair>) -> Value {
    let Some(properties) = schema["properties"].as_object() else { return Value::Object(fields) };
    // An object about something else is not an answer that lacks all optional fields.
    let needs_none = schema["required"].as_array().is_some_and(Vec::is_empty);
    if needs_none && !fields.is_empty() && !fields.keys().any(|key| is_field(key, schema)) {
        return Value::Object(fields);
    }
    let known = |key: &str| properties.contains_key(key);
    // Other spellings of missing fields, if each matches exactly one field.
    let renamed: Vec<(String, String)> = properties
        .keys()
        .filter(|name| !fields.contains_key(*name))
        .filter_map(|name| {
            let mut spelt = fields.keys().filter(|key| !known(key) && folded(key) == folded(name));
            let only = spelt.next().filter(|_| spelt.next().is_none())?;
            let other = properties.keys().any(|other| other != name && folded(other) == folded(name));
            (!other).then(|| (only.clone(), name.clone()))
        })
        .collect();
    let mut out = Map::new();
    for (key, value) in fields {
        let name = renamed.iter().find(|(spelt, _)| *spelt == key).map(|(_, name)| name);
        if name.is_some() {
            repaired.insert(Repair::KeyName);
        } else if !known(&key) && schema["additionalProperties"] == false {
            repaired.insert(Repair::ExtraKey);
            continue;
        }
        let name = name.cloned().unwrap_or(key);
        let value = conform(value, &schema["properties"][&name], repaired);
        out.insert(name, value);
    }
    complete(&mut out, schema, properties, repaired);
    Value::Object(out)
}

/// Gives absent optional fields their value: the default, or null.
fn complete(fields: &mut Map<String, Value>, schema: &Value, properties: &Map<String, Value>, repaired: &mut BTreeSet<Repair>) {
    let is_required = |name: &str| schema["required"].as_array().is_none_or(|required| required.iter().any(|own| own == name));
    for (name, field) in properties.iter().filter(|(name, _)| !is_required(name)) {
        let is_absent = fields.get(name).is_none_or(|value| value.is_null() && !Schema::takes_null(field));
        if let Some(default) = field.get("default").filter(|_| is_absent) {
            repaired.insert(Repair::Default);
            fields.insert(name.clone(), default.clone());
        } else if is_absent {
            fields.insert(name.clone(), Value::Null);
        }
    }
}

/// Treats 8.0 as 8 for integers, as JSON does; `serde_json` keeps them apart.
fn numeric(number: Number, kind: &str) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range by the guard")]
    match number.as_f64() {
        Some(float) if kind == "integer" && number.is_f64() && float.fract() == 0.0 && float.abs() < 9_223_372_036_854_775_808.0 => {
            Value::from(float as i64)
        }
        _ => Value::Number(number),
    }
}

/// The enum value that `text` means. Outer blanks and letter case may differ. A capital inside a
/// word is significant (`mW` is not `MW`). Returns `None` if `text` is an enum value already.
fn choice<'s>(text: &str, schema: &'s Value) -> Option<&'s str> {
    let choices = || schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if choices().any(|choice| choice == text) {
        return None;
    }
    let text = text.trim();
    let exact = choices().find(|choice| *choice == text);
    let inner_capital = |text: &str| text.chars().zip(text.chars().skip(1)).any(|(one, next)| one.is_lowercase() && next.is_uppercase());
    exact.or_else(|| {
        let mut alike = choices().filter(|choice| choice.to_lowercase() == text.to_lowercase());
        let only = alike.next().filter(|_| alike.next().is_none())?;
        (!inner_capital(text) && !inner_capital(only)).then_some(only)
    })
}
