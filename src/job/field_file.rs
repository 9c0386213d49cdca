//! The TOML of an answer field.

use super::iso;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Table;

/// A field of an answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "field", extend("allOf" = rules_of_keys()))]
pub(super) struct FieldFile {
    /// The type of the value.
    #[schemars(schema_with = "type_schema")]
    pub r#type: FieldType,
    /// Name of the field for people.
    pub title: Option<String>,
    /// What the field holds, for the model.
    pub description: Option<String>,
    /// Unit of the value.
    pub unit: Option<String>,
    /// Whether an answer may lack the field. It is then null.
    #[serde(default)]
    pub optional: bool,
    /// Whether the field may be null. Without `default`, this is the same as `optional`.
    #[serde(default)]
    pub nullable: bool,
    /// The answer if the field is absent.
    #[schemars(with = "Option<Value>")]
    pub default: Option<toml::Value>,
    /// Minimum of a number.
    #[schemars(with = "Option<f64>")]
    pub min: Option<toml::Value>,
    /// Maximum of a number.
    #[schemars(with = "Option<f64>")]
    pub max: Option<toml::Value>,
    /// The allowed values: a list, or the name of a list in `[params]` or of an axis.
    #[serde(default)]
    #[schemars(schema_with = "enum_schema")]
    pub r#enum: Option<toml::Value>,
    /// The value of an enum that replaces all answers outside it.
    #[schemars(with = "Option<Value>")]
    pub unknown: Option<toml::Value>,
    /// Regular expression for the whole text.
    #[schemars(extend("format" = "regex"))]
    pub pattern: Option<String>,
    /// The items of a list: a type, the name of a list, or a field.
    #[serde(default)]
    #[schemars(schema_with = "field_form")]
    pub items: Option<toml::Value>,
    /// Minimum number of items.
    pub min_items: Option<u32>,
    /// Maximum number of items.
    pub max_items: Option<u32>,
    /// The fields of an object, or of each object of a list.
    #[serde(default)]
    #[schemars(schema_with = "fields_form")]
    pub fields: Option<Table>,
}

/// Keys that only some types take, with their name in messages.
pub(super) const KEYS_OF_TYPES: [(&str, &[&str], &[FieldType]); 5] = [
    ("min/max", &["min", "max"], &[FieldType::Integer, FieldType::Number]),
    ("items", &["items", "min_items", "max_items"], &[FieldType::Array]),
    ("enum", &["enum"], &[FieldType::String, FieldType::Integer]),
    ("pattern", &["pattern"], &[FieldType::String]),
    ("fields", &["fields"], &[FieldType::Object, FieldType::Array]),
];

/// Keys that exclude each other.
pub(super) const EXCLUSIVE: [[&str; 2]; 2] = [["items", "fields"], ["pattern", "enum"]];

/// The rules of `FieldFile::check_keys` as JSON Schema.
fn rules_of_keys() -> Value {
    let needs = |(_, keys, types): (&str, &[&str], &[FieldType])| {
        let some: Vec<Value> = keys.iter().map(|key| json!({"required": [key]})).collect();
        let types: Vec<&str> = types.iter().map(|own| own.as_str()).collect();
        json!({"if": {"anyOf": some}, "then": {"properties": {"type": {"enum": types}}}})
    };
    let object = json!({"if": {"properties": {"type": {"const": FieldType::Object.as_str()}}}, "then": {"required": ["fields"]}});
    let unknown = json!({"if": {"required": ["unknown"]}, "then": {"required": ["enum"]}});
    let exclusive = EXCLUSIVE.into_iter().map(|keys| json!({"not": {"required": keys}}));
    KEYS_OF_TYPES.into_iter().map(needs).chain([object, unknown]).chain(exclusive).collect()
}

fn type_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = FieldType::ALL.into_iter().map(FieldType::as_str).chain(FieldType::DATE_TIMES).collect();
    json_schema!({"type": "string", "enum": names})
}

fn enum_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["array", "string"], "items": {"type": ["string", "integer"]}, "minItems": 1, "uniqueItems": true})
}

/// A field in its short form, the name of a type or of a list, or in its long form.
fn field_form(generator: &mut SchemaGenerator) -> Schema {
    let long = generator.subschema_for::<FieldFile>();
    json_schema!({"if": {"type": "string"}, "else": long})
}

/// The fields of an answer or an object.
pub(super) fn fields_form(generator: &mut SchemaGenerator) -> Schema {
    let field = field_form(generator);
    json_schema!({"type": "object", "additionalProperties": field, "minProperties": 1})
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(super) enum FieldType {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
    Date,
    Time,
    DateTime,
}

impl TryFrom<String> for FieldType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).ok_or_else(|| format!("unknown type \"{name}\""))
    }
}

impl FieldType {
    pub const ALL: [Self; 9] =
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Array, Self::Object, Self::Date, Self::Time, Self::DateTime];

    /// Further names of [`Self::DateTime`].
    const DATE_TIMES: [&str; 2] = ["date_time", "datetime"];

    pub fn parse(name: &str) -> Option<Self> {
        let name = if Self::DATE_TIMES.contains(&name) { Self::DateTime.as_str() } else { name };
        Self::ALL.into_iter().find(|own| own.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "date-time",
        }
    }

    /// Type in JSON, and the ISO 8601 format of its text.
    pub fn in_json(self) -> (&'static str, Option<iso::Format>) {
        match self {
            Self::Date => ("string", Some(iso::Format::Date)),
            Self::Time => ("string", Some(iso::Format::Time)),
            Self::DateTime => ("string", Some(iso::Format::DateTime)),
            plain => (plain.as_str(), None),
        }
    }
}

impl FieldFile {
    /// Whether the file has a key of [`KEYS_OF_TYPES`].
    pub fn has(&self, key: &str) -> bool {
        match key {
            "min" => self.min.is_some(),
            "max" => self.max.is_some(),
            "items" => self.items.is_some(),
            "min_items" => self.min_items.is_some(),
            "max_items" => self.max_items.is_some(),
            "enum" => self.r#enum.is_some(),
            "pattern" => self.pattern.is_some(),
            "fields" => self.fields.is_some(),
            _ => false,
        }
    }
}
