//! JSON Schema of a settings file.
//!
//! The embedded default has the keys, types, defaults and descriptions, and the rules have the rest.

use super::layer::{COMMANDS, RENAMED, SERVERS};
use super::{Config, DEFAULT, LISTS_OF_TABLES, Problems, Rule, key};
use crate::model::DRAFT;
use serde_json::{Map, Value as Json, json};
use toml_edit::{DocumentMut, Item, Table, Value};

/// The schema of `pipeline.toml`. `items` are schemas of the values of tables with open keys, and of
/// the items of lists of tables.
pub fn schema(rules: &[(&str, Rule)], items: &[(&str, Json)]) -> Result<Json, Problems> {
    let default: DocumentMut = DEFAULT.parse().map_err(|error| Problems::one("pipeline.toml", error))?;
    let head = json!({"$schema": DRAFT, "title": "Settings of docmill (pipeline.toml)"});
    let mut schema = of_table("", default.as_table(), &Sources { rules, items });
    for (earlier, present) in RENAMED {
        let names: Vec<&str> = earlier.split('.').collect();
        let pointer = format!("/properties/{}/properties", names[..names.len() - 1].join("/properties/"));
        let name = present.rsplit('.').next().unwrap_or_default();
        if let (Some(Json::Object(keys)), Some(earlier)) = (schema.pointer_mut(&pointer), names.last()) {
            let mut same = keys.get(name).cloned().unwrap_or_default();
            same["deprecated"] = json!(true);
            same["description"] = json!(format!("Earlier name of {name}."));
            keys.insert((*earlier).to_owned(), same);
        }
    }
    Ok(merge(head, schema))
}

/// What a schema takes from the program beside the default.
struct Sources<'s> {
    rules: &'s [(&'s str, Rule)],
    items: &'s [(&'s str, Json)],
}

impl Sources<'_> {
    fn items(&self, path: &str) -> Json {
        self.items.iter().find(|(at, _)| *at == path).map_or(json!(true), |(_, schema)| schema.clone())
    }
}

/// The schema of a table at `path`.
fn of_table(path: &str, table: &Table, sources: &Sources<'_>) -> Json {
    if Config::is_open(&format!("{path}.x")) {
        return json!({"type": "object", "additionalProperties": sources.items(path)});
    }
    let (mut properties, mut last) = (Map::new(), String::new());
    for (name, item) in table {
        let path = key::below(path, name);
        let (own, inner) = match item {
            Item::Table(inner) => (inner.decor().prefix(), of_table(&path, inner, sources)),
            Item::Value(value) => {
                let decor = table.key(name).and_then(|key| key.leaf_decor().prefix());
                (decor, of_value(&path, value, sources))
            }
            _ => continue,
        };
        let own = paragraph(own.and_then(toml_edit::RawString::as_str).unwrap_or_default());
        // A comment stands above the first of the keys that it describes.
        if !own.is_empty() {
            last = own;
        } else if item.is_table() {
            last.clear();
        }
        let text = if last.is_empty() { json!({}) } else { json!({"description": last}) };
        properties.insert(name.to_owned(), merge(text, inner));
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// The schema of a value whose default is `default`.
fn of_value(path: &str, default: &Value, sources: &Sources<'_>) -> Json {
    let rules = sources.rules.iter().filter(|(key, _)| *key == path).map(|(_, rule)| rule.keywords());
    if LISTS_OF_TABLES.contains(&path) {
        return json!({"type": "array", "items": sources.items(path)});
    }
    if path == SERVERS {
        let number = |key: &str, least: u64, most: u64| json!({"type": "number", key: least, "maximum": most});
        let keys = json!({
            "url": {"type": "string"},
            "weight": number("exclusiveMinimum", 0, 1000),
            "concurrency": merge(number("minimum", 0, 100_000), json!({"type": "integer"})),
        });
        let server = json!({"type": "object", "properties": keys, "required": ["url"], "additionalProperties": false});
        let servers = json!({"type": ["string", "array"], "items": {"anyOf": [{"type": "string"}, server]}, "default": ""});
        return rules.fold(servers, merge);
    }
    let (kind, value) = match default {
        Value::String(text) => (json!({"type": "string"}), json!(text.value())),
        Value::Integer(n) => (merge(json!({"type": "integer"}), Rule::Whole(0, i64::MAX).keywords()), json!(n.value())),
        Value::Float(n) => (json!({"type": "number"}), json!(n.value())),
        Value::Boolean(yes) => (json!({"type": "boolean"}), json!(yes.value())),
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            let types = if COMMANDS.contains(&path) { json!(["array", "string"]) } else { json!("array") };
            (json!({"type": types, "items": {"type": "string"}}), json!(texts))
        }
        Value::Datetime(_) | Value::InlineTable(_) => return json!(true),
    };
    rules.fold(merge(kind, json!({"default": value})), merge)
}

/// The last paragraph of the comments in `prefix`.
fn paragraph(prefix: &str) -> String {
    let lines: Vec<&str> = prefix.trim_end().lines().map(str::trim).collect();
    let from = lines.iter().rposition(|line| line.is_empty()).map_or(0, |blank| blank + 1);
    let text = lines.get(from..).unwrap_or_default().iter().filter_map(|line| line.strip_prefix('#'));
    text.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Adds the members of an object to those of another.
fn merge(mut one: Json, other: Json) -> Json {
    if let (Json::Object(members), Json::Object(more)) = (&mut one, other) {
        members.extend(more);
    }
    one
}
