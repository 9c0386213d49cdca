//! Reduces a JSON schema to the subset that a provider accepts.
//!
//! Removed constraints are added to descriptions. docmill checks them in the answer.

use serde_json::{Map, Value, json};

/// Reduces a schema to Anthropic's subset.
///
/// The subset has no bounds on numbers or list sizes. A small integer range becomes an enum. Other
/// bounds become text in the description.
pub(super) fn for_anthropic(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    let mut words: Vec<String> = Vec::new();
    for (key, value) in fields {
        match key.as_str() {
            "properties" => {
                let inner = value.as_object().into_iter().flatten().map(|(name, field)| (name.clone(), for_anthropic(field)));
                out.insert(key.clone(), Value::Object(inner.collect()));
            }
            "items" => {
                out.insert(key.clone(), for_anthropic(value));
            }
            "minimum" | "maximum" | "minItems" | "maxItems" => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    match small_range(fields) {
        Some(values) => {
            out.insert("enum".into(), json!(values));
        }
        None => words.extend(between(fields, "minimum", "maximum", "")),
    }
    words.extend(between(fields, "minItems", "maxItems", " items"));
    if !words.is_empty() {
        let own = fields.get("description").and_then(Value::as_str).into_iter().map(ToOwned::to_owned);
        let description: Vec<String> = own.chain(words).collect();
        out.insert("description".into(), json!(description.join(". ")));
    }
    Value::Object(out)
}

fn small_range(fields: &Map<String, Value>) -> Option<Vec<i64>> {
    const LARGEST: i64 = 25;
    let (low, high) = (fields.get("minimum")?.as_i64()?, fields.get("maximum")?.as_i64()?);
    let whole = fields.get("type")? == "integer" && !fields.contains_key("enum");
    (whole && low <= high && high.checked_sub(low)? < LARGEST).then(|| (low..=high).collect())
}

fn between(fields: &Map<String, Value>, low: &str, high: &str, unit: &str) -> Option<String> {
    match (fields.get(low), fields.get(high)) {
        (Some(low), Some(high)) if low == high => Some(format!("Exactly {low}{unit}")),
        (Some(low), Some(high)) => Some(format!("From {low} to {high}{unit}")),
        (Some(low), None) => Some(format!("At least {low}{unit}")),
        (None, Some(high)) => Some(format!("At most {high}{unit}")),
        (None, None) => None,
    }
}
