//! Converts answer fields of a job file to a schema and columns.
//!
//! Answers are checked against the full schema made here. A wire format later drops the keywords
//! that its provider does not support.

use super::fault::Fault;
use super::field_file::{EXCLUSIVE, FieldFile, FieldType, KEYS_OF_TYPES};
use super::file::to_json;
use super::lists::Lists;
use super::{iso, pattern, schema};
use crate::model::{Column, ColumnType, Schema, plain_words, unknown_name};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use toml::Table;

/// Schema of an object with these fields and no others.
pub(super) fn object_schema(fields: &Table, lists: &Lists) -> Result<Value, Fault> {
    if fields.is_empty() {
        return Err("an answer needs at least one field".into());
    }
    let field =
        |(name, spec): (&String, _)| field_schema(spec, lists).map_err(|fault: Fault| fault.of(&format!("field `{name}`")).at(&**name));
    // Many databases ignore the case of names.
    let mut seen = HashMap::new();
    for name in fields.keys() {
        if name.trim().is_empty() {
            return Err(Fault::from("a field needs a name").at(&**name));
        }
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            return Err(Fault::from(format!("the fields `{other}` and `{name}` differ only by case. Rename one")).at(&**name));
        }
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, (schema, is_required)) in fields.keys().zip(Fault::gather(fields.iter().map(field))?) {
        properties.insert(name.clone(), schema);
        if is_required {
            required.push(name);
        }
    }
    Ok(json!({"type": "object", "properties": &properties, "required": required, "additionalProperties": false}))
}

/// Columns of an answer. Types come from `schema`, and units and descriptions from the job file.
pub(super) fn columns(fields: &Table, schema: &Value) -> Vec<Column> {
    let column = |(name, spec): (&String, &toml::Value)| {
        let text = |key: &str| spec.get(key).and_then(toml::Value::as_str).map(ToOwned::to_owned);
        Column {
            unit: text("unit"),
            description: text("description").or_else(|| text("title")),
            ..Column::new(name, column_type(spec, &schema["properties"][name]))
        }
    };
    fields.iter().map(column).collect()
}

/// Type of a field, from its `schema`.
fn column_type(spec: &toml::Value, schema: &Value) -> ColumnType {
    let object =
        |schema: &Value| spec.get("fields").and_then(toml::Value::as_table).map(|fields| ColumnType::Object(columns(fields, schema)));
    match (Schema::type_of(schema), schema["enum"].as_array()) {
        (Some("string"), Some(values)) => ColumnType::Enum(values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()),
        (Some("string"), None) => match schema["format"].as_str().and_then(iso::Format::parse) {
            Some(iso::Format::Date) => ColumnType::Date,
            Some(iso::Format::Time) => ColumnType::Time,
            Some(iso::Format::DateTime) => ColumnType::DateTime,
            None => ColumnType::String,
        },
        (Some("integer"), _) => ColumnType::Integer,
        (Some("number"), _) => ColumnType::Number,
        (Some("boolean"), _) => ColumnType::Boolean,
        (Some("array"), _) => {
            let items = &schema["items"];
            let of_items = || column_type(spec.get("items").unwrap_or(spec), items);
            ColumnType::List(Box::new(object(items).unwrap_or_else(of_items)))
        }
        (Some("object"), _) => object(schema).unwrap_or(ColumnType::Json),
        _ => ColumnType::Json,
    }
}

/// Reads a field. The short form of a field is its type alone, or the name of a list that holds its
/// values.
fn read(spec: &toml::Value, lists: &Lists) -> Result<FieldFile, Fault> {
    let text = |key: &str, value: &str| (key.to_owned(), toml::Value::String(value.to_owned()));
    let spec = match spec {
        toml::Value::String(name) if FieldType::parse(name).is_some() => toml::Value::Table(Table::from_iter([text("type", name)])),
        toml::Value::String(name) => {
            let mut known: Vec<&str> = FieldType::ALL.into_iter().map(FieldType::as_str).collect();
            known.extend(lists.names());
            let unknown = || Fault::from(unknown_name("unknown type or list", name, &known));
            let values = if lists.names().any(|list| list == name) { lists.values(name)? } else { return Err(unknown()) };
            let of_values = if values.iter().all(Value::is_i64) { FieldType::Integer } else { FieldType::String };
            toml::Value::Table(Table::from_iter([text("type", of_values.as_str()), text("enum", name)]))
        }
        other => other.clone(),
    };
    if let Some(name) = spec.get("type").and_then(toml::Value::as_str).filter(|name| FieldType::parse(name).is_none()) {
        let known: Vec<&str> = FieldType::ALL.into_iter().map(FieldType::as_str).collect();
        return Err(Fault::from(unknown_name("unknown type", name, &known)).at("type"));
    }
    spec.try_into().map_err(|e: toml::de::Error| {
        let words = plain_words(e.message(), &[]);
        // The second line of the error names the key of a wrong value.
        let shown = e.to_string();
        let key = shown.lines().nth(1).and_then(|line| line.strip_prefix("in `")).map(|key| key.trim_end_matches('`'));
        match (key, e.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())) {
            (_, Some(unknown)) => Fault::from(words).at(unknown),
            (Some(key), None) => Fault::from(words).of(key).at(key),
            (None, None) => words.into(),
        }
    })
}

/// Schema of a field, and whether every answer has the field.
fn field_schema(spec: &toml::Value, lists: &Lists) -> Result<(Value, bool), Fault> {
    let field = read(spec, lists)?;
    field.check_keys()?;
    let null = field.nullable || (field.optional && field.default.is_none());
    let (json_type, format) = field.r#type.in_json();
    let mut schema = Map::new();
    schema.insert("type".into(), if null { json!([json_type, "null"]) } else { json!(json_type) });
    if let Some(title) = &field.title {
        schema.insert("title".into(), json!(title));
    }
    let choices = field.r#enum.as_ref().map(|values| field.choices(values, lists)).transpose()?;
    let description = field.wording(null, format);
    if !description.is_empty() {
        schema.insert("description".into(), json!(description));
    }
    for (key, name, bound) in [("minimum", "min", &field.min), ("maximum", "max", &field.max)] {
        if let Some(bound) = bound {
            let bound = to_json(bound);
            if !bound.is_number() {
                return Err(Fault::from(format!("{name} must be a number")).at(name));
            }
            if field.r#type == FieldType::Integer && bound.as_f64().is_some_and(|number| number.fract() != 0.0) {
                return Err(Fault::from(format!("{name} = {bound} is no whole number, but the type is integer")).at(name));
            }
            schema.insert(key.into(), bound);
        }
    }
    if let Some(choices) = choices {
        let all: Vec<Value> = choices.into_iter().chain(null.then_some(Value::Null)).collect();
        schema.insert("enum".into(), all.into());
    }
    if let Some(unknown) = &field.unknown {
        schema.insert(Schema::UNKNOWN.into(), to_json(unknown));
    }
    if let Some(source) = &field.pattern {
        schema.insert("pattern".into(), json!(pattern::whole(source).map_err(|why| Fault::from(why).at("pattern"))?));
    }
    if let Some(format) = format {
        schema.insert("format".into(), json!(format.as_str()));
    }
    match (field.r#type, &field.fields) {
        (FieldType::Array, fields) => {
            let items = match (fields, &field.items) {
                (Some(fields), _) => object_schema(fields, lists).map_err(|fault| fault.at("fields"))?,
                (None, items) => {
                    let items = items.clone().unwrap_or_else(|| toml::Value::String("string".into()));
                    if items.as_table().is_some_and(|items| !items.contains_key("type")) {
                        let why =
                            "items takes a type, or a field with a type. For a list of objects, write fields = { ... } instead of items";
                        return Err(Fault::from(why).at("items"));
                    }
                    if ["optional", "default"].iter().any(|key| items.get(key).is_some()) {
                        return Err(Fault::from("items cannot be optional. Use nullable, or min_items = 0").at("items"));
                    }
                    field_schema(&items, lists).map_err(|fault| fault.of("items").at("items"))?.0
                }
            };
            schema.insert("items".into(), items);
            schema.extend(field.min_items.map(|n| ("minItems".to_owned(), json!(n))));
            schema.extend(field.max_items.map(|n| ("maxItems".to_owned(), json!(n))));
        }
        (FieldType::Object, fields) => {
            let fields = fields.as_ref().ok_or("type object needs `fields`")?;
            if let Value::Object(inner) = object_schema(fields, lists).map_err(|fault| fault.at("fields"))? {
                // The order of keywords is part of call keys.
                schema.extend(inner.into_iter().filter(|(key, _)| key != "type"));
            }
        }
        _ => {}
    }
    if let Some(default) = &field.default {
        let default = to_json(default);
        let wrong = schema::errors(&default, &Value::Object(schema.clone()));
        if let Some(wrong) = wrong.first() {
            return Err(Fault::from(format!("default: {wrong}")).at("default"));
        }
        schema.insert("default".into(), default);
    }
    Ok((Value::Object(schema), !null && field.default.is_none()))
}

impl FieldFile {
    /// Refuses keys that do not go with the type or with each other.
    fn check_keys(&self) -> Result<(), Fault> {
        for (shown, keys, types) in KEYS_OF_TYPES {
            if keys.iter().any(|key| self.has(key)) && !types.contains(&self.r#type) {
                return Err(format!("`{shown}` is not allowed for type {}", self.r#type.as_str()).into());
            }
        }
        for [one, other] in EXCLUSIVE {
            if self.has(one) && self.has(other) {
                return Err(format!("`{one}` and `{other}` exclude each other").into());
            }
        }
        if self.unknown.is_some() && self.r#enum.is_none() {
            return Err(Fault::from("`unknown` needs `enum`").at("unknown"));
        }
        let bound = |value: &Option<toml::Value>| value.as_ref().and_then(|v| v.as_float().or_else(|| v.as_integer().map(|n| n as f64)));
        if bound(&self.min).zip(bound(&self.max)).is_some_and(|(min, max)| min > max) {
            return Err(Fault::from("min is greater than max, so no answer can fit").at("min"));
        }
        if self.min_items.zip(self.max_items).is_some_and(|(min, max)| min > max) {
            return Err(Fault::from("min_items is greater than max_items, so no answer can fit").at("min_items"));
        }
        Ok(())
    }

    /// The values of an enum. `values` is a list, or the name of a parameter or axis.
    fn choices(&self, values: &toml::Value, lists: &Lists) -> Result<Vec<Value>, Fault> {
        let (items, is_named) = match values {
            toml::Value::String(name) => (lists.values(name).map_err(|why| Fault::from(format!("enum: {why}")).at("enum"))?, true),
            list => match to_json(list) {
                Value::Array(items) => (items, false),
                _ => return Err(Fault::from("enum takes a list of values, or the name of a list").at("enum")),
            },
        };
        let fits = |item: &Value| if self.r#type == FieldType::String { item.is_string() } else { item.is_i64() };
        let wrong =
            |message: String, at: usize| if is_named { Fault::from(message).at("enum") } else { Fault::from(message).at(at).at("enum") };
        if items.is_empty() {
            return Err(Fault::from("enum takes at least one value").at("enum"));
        }
        for (at, item) in items.iter().enumerate() {
            if !fits(item) {
                return Err(wrong(format!("enum has {item}, which is not of type {}", self.r#type.as_str()), at));
            }
            if items[..at].contains(item) {
                return Err(wrong(format!("enum has {item} twice"), at));
            }
        }
        let unknown = self.unknown.as_ref().map(to_json);
        if let Some(unknown) = unknown.as_ref().filter(|unknown| !fits(unknown)) {
            return Err(Fault::from(format!("unknown = {unknown} is not of type {}", self.r#type.as_str())).at("unknown"));
        }
        let more = unknown.filter(|unknown| !items.contains(unknown));
        if let Some((typo, meant)) = more.as_ref().and_then(Value::as_str).and_then(|typo| Some((typo, slip(typo, &items)?))) {
            let why = format!("unknown = \"{typo}\" is not in enum, but nearly \"{meant}\" is. Write both alike");
            return Err(Fault::from(why).at("unknown"));
        }
        Ok(items.into_iter().chain(more).collect())
    }

    /// The description for the model.
    fn wording(&self, null: bool, format: Option<iso::Format>) -> String {
        let unit = self.unit.as_ref().map(|unit| format!("Unit: {unit}."));
        let format = format.map(|format| format!("{}.", format.wording()));
        let unknown = self.unknown.as_ref().map(|unknown| format!("{} if no other value fits.", to_json(unknown)));
        let default = self.default.as_ref().map(|default| format!("Default: {}.", to_json(default)));
        let null = (null && default.is_none()).then(|| "null if there is none.".to_owned());
        // A description without a full stop needs one if more follows.
        let more: Vec<String> = [unit, format, unknown, default, null].into_iter().flatten().collect();
        match &self.description {
            None => more.join(" "),
            Some(own) if more.is_empty() || self.is_of_before() => [std::slice::from_ref(own), &more].concat().join(" "),
            Some(own) => format!("{}. {}", own.trim_end_matches(['.', ' ']), more.join(" ")),
        }
    }

    /// Whether the field has only keys of earlier versions. Its wording is part of their call keys.
    fn is_of_before(&self) -> bool {
        !(self.optional || self.nullable || self.default.is_some() || self.unknown.is_some() || self.r#type.in_json().1.is_some())
    }
}

/// The value that `text` differs from by one typing error.
fn slip<'v>(text: &str, values: &'v [Value]) -> Option<&'v str> {
    // Short words differ by one letter without being a mistake.
    const LETTERS: usize = 4;
    let is_slip = |value: &&str| {
        let (one, other) = (value.to_lowercase(), text.to_lowercase());
        one == other || (text.chars().count() >= LETTERS && strsim::osa_distance(&one, &other) == 1)
    };
    values.iter().filter_map(Value::as_str).find(is_slip)
}
