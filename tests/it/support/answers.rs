//! Answers that satisfy a schema and name their document.

use super::Ask;
use serde_json::{Map, Value, json};

/// The default answer, with all fields of the schema. Every text names the document.
pub fn filled(ask: &Ask) -> Value {
    let whose = ask.docid.as_ref().map_or_else(|| "no document".to_owned(), |id| format!("docid:{id}"));
    value(&ask.schema, "answer", &whose)
}

fn value(schema: &Value, name: &str, whose: &str) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|choices| choices.first()) {
        return first.clone();
    }
    match schema["type"].as_str().unwrap_or("string") {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            Value::Object(fields.map(|(field, schema)| (field.clone(), value(schema, field, whose))).collect::<Map<_, _>>())
        }
        "array" => (1..=items(schema)).map(|n| value(&schema["items"], &format!("{name} {n}"), whose)).collect(),
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(1)),
        "number" => json!(schema["minimum"].as_f64().unwrap_or(0.25)),
        "boolean" => json!(true),
        _ => json!(format!("{name} of {whose}")),
    }
}

/// Number of items that a list needs. Anthropic's schemas state it in the description, because they
/// have no `minItems`.
fn items(schema: &Value) -> u64 {
    let described = || {
        let mut words = schema["description"].as_str()?.split_whitespace();
        words.find_map(|word| word.parse().ok())
    };
    schema["minItems"].as_u64().or_else(described).unwrap_or(1)
}
