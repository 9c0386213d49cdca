//! Checks arguments of clients against the schema of their tool.

use serde_json::Value;

/// What the schema of an argument expects instead of `value`; `None` if it fits.
pub(super) fn misfit(schema: &Value, value: &Value) -> Option<String> {
    // An argument without a default may also be null.
    if value.is_null() && schema.get("default").is_none() {
        return None;
    }
    if let Some(known) = schema["enum"].as_array().filter(|known| !known.contains(value)) {
        let names: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
        return Some(names.join(" or "));
    }
    let (low, high) = (schema["minimum"].as_u64(), schema["maximum"].as_u64());
    let is_within = |n: u64| low.is_none_or(|low| n >= low) && high.is_none_or(|high| n <= high);
    let (fits, expected) = match schema["type"].as_str()? {
        "string" => (value.is_string(), "a text".to_owned()),
        "boolean" => (value.is_boolean(), "true or false".to_owned()),
        "number" => (value.is_number(), "a number".to_owned()),
        "object" => (value.is_object(), "an object".to_owned()),
        "array" => (value.as_array().is_some_and(|items| items.iter().all(Value::is_string)), "a list of texts".to_owned()),
        "integer" => {
            let range = match (low, high) {
                (low, Some(high)) => format!("a whole number from {} to {high}", low.unwrap_or(0)),
                (low, None) => format!("a whole number of at least {}", low.unwrap_or(0)),
            };
            (value.as_u64().is_some_and(is_within), range)
        }
        _ => return None,
    };
    (!fits).then_some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrong_argument_is_met_with_what_is_expected() {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000});
        let texts = json!({"type": "array", "items": {"type": "string"}, "default": []});
        let existing = json!({"type": "string", "enum": ["add", "replace", null]});
        for (schema, value, expected) in [
            (&limit, json!(20), None),
            (&limit, json!(null), None),
            (&limit, json!("20"), Some("a whole number from 1 to 1000")),
            (&limit, json!(0), Some("a whole number from 1 to 1000")),
            (&limit, json!(1.5), Some("a whole number from 1 to 1000")),
            (&json!({"type": "integer", "minimum": 0}), json!(-1), Some("a whole number of at least 0")),
            (&texts, json!(["a"]), None),
            (&texts, json!("a"), Some("a list of texts")),
            (&texts, json!([1]), Some("a list of texts")),
            (&texts, json!(null), Some("a list of texts")),
            (&existing, json!("add"), None),
            (&existing, json!("keep"), Some("add or replace")),
            (&json!({"type": "number", "exclusiveMinimum": 0}), json!("1"), Some("a number")),
            (&json!({"type": "boolean", "default": false}), json!("yes"), Some("true or false")),
            (&json!({"type": "object", "default": {}}), json!([]), Some("an object")),
        ] {
            assert_eq!(misfit(schema, &value).as_deref(), expected, "{value} for {schema}");
        }
    }
}
