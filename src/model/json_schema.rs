//! JSON Schema of types that are read from TOML.

use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Value, json};

/// The dialect of JSON Schema.
pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a type, without the dialect.
///
/// TOML has no null, so optional fields do not allow it.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|own| {
        own.inline_subschemas = true;
        own.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(of_toml).transform(&mut schema);
    schema.to_value()
}

/// Removes what TOML does not have, and writes choices as an enum.
fn of_toml(schema: &mut Schema) {
    let Some(own) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = own.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            own.insert("type".to_owned(), only);
        }
    }
    if own.get("default").is_some_and(Value::is_null) {
        own.remove("default");
    }
    if let Some(Value::Array(parts)) = own.get_mut("anyOf") {
        parts.retain(|part| part["type"] != "null");
        if let [Value::Object(only)] = &parts[..] {
            let only = only.clone();
            own.remove("anyOf");
            own.extend(only);
        }
    }
    // Formats of numbers are those of Rust.
    let format = if own.get("format").is_some_and(|format| format == "regex") { None } else { own.remove("format") };
    if format.as_ref().and_then(Value::as_str) == Some("uint32") {
        own.entry("maximum").or_insert(json!(u32::MAX));
    }
    let choices = own.get("oneOf").and_then(Value::as_array);
    let names: Option<Vec<Value>> = choices.and_then(|parts| parts.iter().map(|part| part.get("const").cloned()).collect());
    if let Some(names) = names {
        own.remove("oneOf");
        own.insert("enum".to_owned(), names.into());
    }
}
