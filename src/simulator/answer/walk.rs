//! Walks a schema and answers from what the request holds.

use super::field::{Field, Types, type_of};
use super::writer::Writer;
use super::{choices, numbers, strings};
use serde_json::{Map, Value};

const MAX_DEPTH: u32 = 24;

impl<'w> Writer<'w, '_> {
    /// A value that satisfies the schema, and whether anything in the request speaks for it.
    pub fn value(&self, schema: &'w Value, field: &Field<'_>, depth: u32) -> (Value, bool) {
        if depth > MAX_DEPTH {
            return (Value::Null, false); // only a recursive schema gets here
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            return self.value(self.root.pointer(target).unwrap_or(&Value::Null), field, depth + 1);
        }
        if let Some(value) = schema.get("const") {
            return (value.clone(), true);
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return self.choice(values, field);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(options) = schema[keyword].as_array().filter(|options| !options.is_empty()) {
                return self.one_of(options, field, depth);
            }
        }
        match type_of(schema) {
            Types::One(name) => self.typed(name, schema, field, depth),
            Types::OrNull(name) => {
                let (value, found) = self.typed(name, schema, field, depth);
                if found { (value, true) } else { (Value::Null, false) }
            }
        }
    }

    fn typed(&self, name: &str, schema: &'w Value, field: &Field<'_>, depth: u32) -> (Value, bool) {
        match name {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, field, depth),
            "integer" => numbers::number(self, schema, field, true),
            "number" => numbers::number(self, schema, field, false),
            "boolean" => {
                let (value, found) = choices::yes_or_no(self, field);
                (Value::Bool(value), found)
            }
            "null" => (Value::Null, false),
            _ => {
                let (text, found) = strings::string(self, schema, field);
                (Value::String(text), found)
            }
        }
    }

    /// A choice; null, if it is one, when nothing speaks for another.
    fn choice(&self, values: &[Value], field: &Field<'_>) -> (Value, bool) {
        let real: Vec<Value> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        if real.is_empty() {
            return (Value::Null, true);
        }
        let numeric = real.iter().all(Value::is_number);
        let (place, found) = if numeric { numbers::nearest(self, &real, field) } else { choices::choice(self, &real, field) };
        let nullable = real.len() < values.len();
        (if nullable && !found { Value::Null } else { real[place.min(real.len() - 1)].clone() }, found)
    }

    /// The first option that something speaks for; else null, if it is one, else the first.
    fn one_of(&self, options: &'w [Value], field: &Field<'_>, depth: u32) -> (Value, bool) {
        let is_null = |option: &&Value| option["type"] == "null" || option.get("const").is_some_and(Value::is_null);
        let mut first = None;
        for option in options.iter().filter(|option| !is_null(option)) {
            let own = Field {
                more: if option["description"].is_string() { Field::new(field.name, option).more } else { field.more.clone() },
                ..field.clone()
            };
            let (value, found) = self.value(option, &own, depth + 1);
            if found {
                return (value, true);
            }
            first.get_or_insert(value);
        }
        let null = options.iter().any(|option| is_null(&option)).then_some(Value::Null);
        (null.or(first).unwrap_or(Value::Null), false)
    }

    pub fn object(&self, schema: &'w Value, depth: u32) -> (Value, bool) {
        let (mut fields, mut any) = (Map::new(), false);
        for (name, nested) in schema["properties"].as_object().into_iter().flatten() {
            let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|own| own == name));
            // Leaving out optional fields ends the recursion of a recursive schema.
            if depth > 4 && !required {
                continue;
            }
            let (value, found) = self.value(nested, &Field::new(name, nested), depth + 1);
            any |= found;
            if required || found {
                fields.insert(name.clone(), value);
            }
        }
        (Value::Object(fields), any)
    }
}
