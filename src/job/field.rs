//! Converts answer fields of a job file to a schema and columns.
//!
//! Answers are checked against the full schema made here. A wire format later drops the keywords
//! that its provider does not support.

use crate::model::{Column, ColumnType};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Table;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    r#type: FieldType,
    title: Option<String>,
    description: Option<String>,
    unit: Option<String>,
    min: Option<toml::Value>,
    max: Option<toml::Value>,
    r#enum: Option<toml::Value>,
    items: Option<toml::Value>,
    min_items: Option<u32>,
    max_items: Option<u32>,
    fields: Option<Table>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum FieldType {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

impl FieldType {
    fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// Schema of an object that requires these fields and allows no others.
pub(super) fn object_schema(fields: &Table, params: &Table) -> Result<Value, String> {
    if fields.is_empty() {
        return Err("an answer needs at least one field".into());
    }
    let mut properties = Map::new();
    for (name, spec) in fields {
        let schema = field_schema(spec, params).map_err(|e| format!("field `{name}`: {e}"))?;
        properties.insert(name.clone(), schema);
    }
    let required: Vec<&String> = properties.keys().collect();
    Ok(json!({"type": "object", "properties": &properties, "required": required, "additionalProperties": false}))
}

/// Columns of an answer. Types come from `schema`, and units and descriptions from the job file.
pub(super) fn columns(fields: &Table, schema: &Value) -> Vec<Column> {
    let column = |(name, spec): (&String, &toml::Value)| {
        let text = |key: &str| spec.get(key).and_then(toml::Value::as_str).map(ToOwned::to_owned);
        Column {
            unit: text("unit"),
            description: text("description").or_else(|| text("title")),
            ..Column::new(name, column_type(&schema["properties"][name]))
        }
    };
    fields.iter().map(column).collect()
}

fn column_type(schema: &Value) -> ColumnType {
    match (schema["type"].as_str(), schema["enum"].as_array()) {
        (Some("string"), Some(values)) => ColumnType::Enum(values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()),
        (Some("string"), None) => ColumnType::String,
        (Some("integer"), _) => ColumnType::Integer,
        (Some("number"), _) => ColumnType::Number,
        (Some("boolean"), _) => ColumnType::Boolean,
        (Some("array"), _) => ColumnType::List(Box::new(column_type(&schema["items"]))),
        _ => ColumnType::Json,
    }
}

fn field_schema(spec: &toml::Value, params: &Table) -> Result<Value, String> {
    let field: FieldFile = match spec {
        // The short form: a type alone.
        toml::Value::String(name) => toml::Value::Table(Table::from_iter([("type".to_owned(), toml::Value::String(name.clone()))])),
        other => other.clone(),
    }
    .try_into()
    .map_err(|e: toml::de::Error| e.message().to_owned())?;

    let mut schema = Map::new();
    schema.insert("type".into(), json!(field.r#type.as_str()));
    if let Some(title) = &field.title {
        schema.insert("title".into(), json!(title));
    }
    let unit = field.unit.as_ref().map(|unit| format!("Unit: {unit}."));
    let description: Vec<String> = field.description.iter().cloned().chain(unit).collect();
    if !description.is_empty() {
        schema.insert("description".into(), json!(description.join(" ")));
    }
    let only_for = |given: bool, key: &str, types: &[FieldType]| {
        if given && !types.contains(&field.r#type) {
            return Err(format!("`{key}` is not allowed for type {}", field.r#type.as_str()));
        }
        Ok(())
    };
    let (numbers, lists) = ([FieldType::Integer, FieldType::Number], [FieldType::Array]);
    only_for(field.min.is_some() || field.max.is_some(), "min/max", &numbers)?;
    only_for(field.items.is_some() || field.min_items.is_some() || field.max_items.is_some(), "items", &lists)?;
    only_for(field.r#enum.is_some(), "enum", &[FieldType::String, FieldType::Integer])?;
    only_for(field.fields.is_some(), "fields", &[FieldType::Object])?;

    let bound = |value: &Option<toml::Value>| value.as_ref().and_then(|v| v.as_float().or_else(|| v.as_integer().map(|n| n as f64)));
    if bound(&field.min).zip(bound(&field.max)).is_some_and(|(min, max)| min > max) {
        return Err("min is greater than max, so no answer can fit".into());
    }
    if field.min_items.zip(field.max_items).is_some_and(|(min, max)| min > max) {
        return Err("min_items is greater than max_items, so no answer can fit".into());
    }
    for (key, bound) in [("minimum", &field.min), ("maximum", &field.max)] {
        if let Some(bound) = bound {
            let bound = to_json(bound);
            if !bound.is_number() {
                return Err(format!("{key} must be a number"));
            }
            schema.insert(key.into(), bound);
        }
    }
    if let Some(values) = &field.r#enum {
        schema.insert("enum".into(), enum_values(values, field.r#type, params)?);
    }
    match field.r#type {
        FieldType::Array => {
            let items = field.items.unwrap_or_else(|| toml::Value::String("string".into()));
            schema.insert("items".into(), field_schema(&items, params).map_err(|e| format!("items: {e}"))?);
            if let Some(n) = field.min_items {
                schema.insert("minItems".into(), json!(n));
            }
            if let Some(n) = field.max_items {
                schema.insert("maxItems".into(), json!(n));
            }
        }
        FieldType::Object => {
            let fields = field.fields.ok_or("type object needs `fields`")?;
            if let Value::Object(inner) = object_schema(&fields, params)? {
                schema.extend(inner);
            }
        }
        _ => {}
    }
    Ok(Value::Object(schema))
}

/// The values of an enum. `values` is a list, or the name of a parameter that holds one.
fn enum_values(values: &toml::Value, of: FieldType, params: &Table) -> Result<Value, String> {
    let list = match values {
        toml::Value::String(param) => {
            params.get(param).ok_or_else(|| format!("enum names the parameter `{param}`, but [params] has no such parameter"))?
        }
        list => list,
    };
    let Value::Array(items) = to_json(list) else { return Err("enum takes a list of values".into()) };
    let fits = |item: &Value| if of == FieldType::String { item.is_string() } else { item.is_i64() };
    match items.iter().enumerate().find(|(at, item)| !fits(item) || items[..*at].contains(item)) {
        _ if items.is_empty() => Err("enum takes at least one value".into()),
        Some((_, item)) if !fits(item) => Err(format!("enum has {item}, which is not of type {}", of.as_str())),
        Some((_, item)) => Err(format!("enum has {item} twice")),
        None => Ok(Value::Array(items)),
    }
}

pub(super) fn to_json(value: &toml::Value) -> Value {
    // Only dates have no JSON form; a date becomes its text.
    serde_json::to_value(value).unwrap_or_else(|_| Value::String(value.to_string()))
}
