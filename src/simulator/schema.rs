//! Checks schemas like the providers do.
//!
//! Errors name the keyword and the type, as the real messages do. Answers are not checked here.

use serde_json::Value;

/// Calls `check` for the schema and all nested schemas, until one fails.
fn walk(schema: &Value, check: &impl Fn(&Value) -> Result<(), String>) -> Result<(), String> {
    check(schema)?;
    for keyword in ["properties", "$defs", "definitions"] {
        for nested in schema[keyword].as_object().into_iter().flat_map(|map| map.values()) {
            walk(nested, check)?;
        }
    }
    for keyword in ["anyOf", "allOf", "oneOf", "prefixItems"] {
        for nested in schema[keyword].as_array().into_iter().flatten() {
            walk(nested, check)?;
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], check)?;
    }
    Ok(())
}

/// Whether the schema's `type` equals or contains this type.
fn has_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(own) => own == name,
        Value::Array(types) => types.iter().any(|own| own == name),
        _ => false,
    }
}

fn type_name(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or("any")
}

/// Checks Anthropic's subset: no bounds, and every object closed.
pub(super) fn check_anthropic(schema: &Value) -> Result<(), String> {
    const UNSUPPORTED: [&str; 10] = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "oneOf",
    ];
    walk(schema, &|schema| {
        for keyword in UNSUPPORTED {
            if schema.get(keyword).is_some() {
                let name = type_name(schema);
                return Err(format!("For '{name}' type, property '{keyword}' is not supported"));
            }
        }
        if schema["minItems"].as_u64().is_some_and(|least| least > 1) {
            return Err("For 'array' type, 'minItems' values other than 0 or 1 are not supported".to_owned());
        }
        if has_type(schema, "object") && schema["additionalProperties"] != false {
            return Err("For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned());
        }
        Ok(())
    })
}

/// Checks OpenAI's strict mode: an object at the root, every object closed, every property
/// required.
pub(super) fn check_openai(schema: &Value) -> Result<(), String> {
    if schema["type"] != "object" {
        let name = type_name(schema);
        return Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{name}\"'."));
    }
    walk(schema, &|schema| {
        for keyword in ["allOf", "oneOf", "not", "if", "dependentRequired", "dependentSchemas"] {
            if schema.get(keyword).is_some() {
                return Err(format!("'{keyword}' is not permitted."));
            }
        }
        if !has_type(schema, "object") {
            return Ok(());
        }
        if schema["additionalProperties"] != false {
            return Err("'additionalProperties' is required to be supplied and to be false.".to_owned());
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for name in schema["properties"].as_object().into_iter().flat_map(|map| map.keys()) {
            if !required.iter().any(|own| own == name.as_str()) {
                return Err(format!(
                    "'required' is required to be supplied and to be an array including every key in \
                     properties. Missing '{name}'."
                ));
            }
        }
        Ok(())
    })
}
