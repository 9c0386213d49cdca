//! Made-up answers, used before the real ones exist.

use crate::model::Schema;
use serde_json::{Map, Value, json};

/// A value that follows `schema`, about `bytes` long. Prompts made from it have about their real
/// length.
pub fn stand_in(schema: &Value, bytes: usize) -> Value {
    if let Some(choice) = schema["enum"].as_array().and_then(|choices| choices.first()) {
        return choice.clone();
    }
    match Schema::type_of(schema) {
        Some("object") => {
            let fields = schema["properties"].as_object();
            let each = bytes / fields.map_or(1, Map::len).max(1);
            let field = |(name, schema): (&String, &Value)| (name.clone(), stand_in(schema, each.saturating_sub(name.len() + 4)));
            Value::Object(fields.into_iter().flatten().map(field).collect())
        }
        Some("array") => {
            let items = schema["minItems"].as_u64().and_then(|least| usize::try_from(least).ok()).unwrap_or(1).max(1);
            vec![stand_in(&schema["items"], bytes / items); items].into()
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(true),
        _ => json!(schema["format"].as_str().map_or_else(|| "x".repeat(bytes), ToOwned::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_follows_the_schema_and_has_about_the_length() {
        let schema = json!({"type": "object", "properties": {
            "mood": {"type": "string", "enum": ["good", "bad"]}, "stars": {"type": "integer", "minimum": 1},
            "words": {"type": "array", "minItems": 3, "items": {"type": "string"}}, "text": {"type": "string"}}});
        let answer = stand_in(&schema, 400);
        assert_eq!((&answer["mood"], &answer["stars"], answer["words"].as_array().map(Vec::len)), (&json!("good"), &json!(1), Some(3)));
        assert!((200..450).contains(&answer.to_string().len()), "{answer}");
    }
}
