//! Writes a JSON schema in the form that a provider accepts.
//!
//! Every form names all fields as required, so that a provider keeps their order. A field that may be
//! absent may be null instead. Removed constraints are added to descriptions. docmill checks them in
//! the answer.

use serde_json::{Map, Value, json};

/// The part of JSON schema that a provider accepts.
///
/// All accept types, fields, items, enums, titles, descriptions and `anyOf`.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Subset {
    /// Whether numbers and lists may have bounds. Otherwise a small range of integers is an enum.
    pub bounds: bool,
    /// Regular expressions for `pattern`.
    pub patterns: Patterns,
    /// Whether `type` may be a list with null. Otherwise null takes `anyOf`.
    pub type_lists: bool,
    /// Whether objects name the order of their fields.
    pub orders_fields: bool,
    /// Maximum number of values that may be null. Items of lists come first, because they cannot be
    /// absent. Further fields may be absent instead.
    pub nullable: usize,
}

/// Regular expressions that a provider accepts.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Patterns {
    /// None.
    None,
    /// Literals, classes, groups and counts.
    Simple,
    /// All that docmill accepts.
    All,
}

impl Subset {
    /// Anthropic's structured outputs.
    pub const ANTHROPIC: Self = Self { bounds: false, patterns: Patterns::Simple, type_lists: false, orders_fields: false, nullable: 16 };
    /// OpenAI's strict mode.
    pub const OPENAI: Self = Self { bounds: true, patterns: Patterns::All, type_lists: true, orders_fields: false, nullable: usize::MAX };
    /// Servers like OpenAI's. Their grammars know fewer regular expressions.
    pub const COMPATIBLE: Self = Self { patterns: Patterns::Simple, ..Self::OPENAI };
    /// Gemini's `responseJsonSchema`.
    pub const GEMINI: Self = Self { bounds: true, patterns: Patterns::None, type_lists: true, orders_fields: true, nullable: usize::MAX };

    /// Writes a schema in this form.
    pub fn write(&self, schema: &Value) -> Value {
        let items = items_with_null(schema).min(self.nullable);
        Writer { subset: self, fields: self.nullable - items, items }.value(schema, false).0
    }

    fn takes(&self, pattern: &str) -> bool {
        match self.patterns {
            Patterns::None => false,
            Patterns::Simple => is_simple(pattern),
            Patterns::All => true,
        }
    }
}

/// A clock time. JSON schema has a format for it, but that demands an offset, which a model would
/// have to invent.
const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)([.][0-9]+)?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?";
const DATE: &str = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";

struct Writer<'s> {
    subset: &'s Subset,
    /// How many more fields may be null.
    fields: usize,
    /// How many more items of lists may be null.
    items: usize,
}

impl Writer<'_> {
    /// Writes the schema of a field or of an item. Also returns whether every answer has its field.
    fn value(&mut self, schema: &Value, is_item: bool) -> (Value, bool) {
        let Some(keywords) = schema.as_object() else { return (schema.clone(), true) };
        let takes_null = may_be_null(schema);
        let left = if is_item { &mut self.items } else { &mut self.fields };
        let writes_null = takes_null && *left > 0;
        *left -= usize::from(writes_null);
        let mut out = Map::new();
        let mut words: Vec<String> = Vec::new();
        for (key, value) in keywords {
            let written = match key.as_str() {
                "type" => value.as_array().and_then(|types| types.first()).unwrap_or(value).clone(),
                "enum" => value.as_array().into_iter().flatten().filter(|value| !value.is_null()).cloned().collect(),
                "items" => self.value(value, true).0,
                "properties" => {
                    self.properties(value, &mut out);
                    continue;
                }
                "format" if value == "time" || value == "date-time" => {
                    let pattern = if value == "time" { format!("^{TIME}$") } else { format!("^{DATE}T{TIME}$") };
                    out.extend(self.subset.takes(&pattern).then(|| ("pattern".to_owned(), pattern.into())));
                    continue;
                }
                "pattern" if !self.subset.takes(value.as_str().unwrap_or_default()) => {
                    words.push(format!("Pattern: {}", value.as_str().unwrap_or_default()));
                    continue;
                }
                "minimum" | "maximum" | "minItems" | "maxItems" if !self.subset.bounds => continue,
                "title"
                | "description"
                | "additionalProperties"
                | "format"
                | "pattern"
                | "minimum"
                | "maximum"
                | "minItems"
                | "maxItems" => value.clone(),
                // Defaults are in descriptions, and `required` comes with the fields.
                _ => continue,
            };
            out.insert(key.clone(), written);
        }
        if !self.subset.bounds {
            match small_range(keywords) {
                Some(values) => {
                    out.insert("enum".into(), json!(values));
                }
                None => words.extend(between(keywords, "minimum", "maximum", "")),
            }
            words.extend(between(keywords, "minItems", "maxItems", " items"));
        }
        if !words.is_empty() {
            let own = keywords.get("description").and_then(Value::as_str).into_iter().map(ToOwned::to_owned);
            let description: Vec<String> = own.chain(words).collect();
            out.insert("description".into(), json!(description.join(". ")));
        }
        (if writes_null { or_null(out, self.subset.type_lists) } else { Value::Object(out) }, writes_null || !takes_null)
    }

    /// Writes the fields of an object.
    fn properties(&mut self, fields: &Value, out: &mut Map<String, Value>) {
        let (mut written, mut required) = (Map::new(), Vec::new());
        for (name, field) in fields.as_object().into_iter().flatten() {
            let (field, is_required) = self.value(field, false);
            written.insert(name.clone(), field);
            if is_required {
                required.push(name.clone());
            }
        }
        let names: Vec<&String> = fields.as_object().into_iter().flat_map(Map::keys).collect();
        out.insert("properties".into(), written.into());
        out.insert("required".into(), json!(required));
        if self.subset.orders_fields && names.len() > 1 {
            out.insert("propertyOrdering".into(), json!(names));
        }
    }
}

fn may_be_null(schema: &Value) -> bool {
    schema["type"].is_array()
}

/// Counts the lists inside a schema whose items may be null.
fn items_with_null(schema: &Value) -> usize {
    let fields = schema["properties"].as_object().into_iter().flat_map(Map::values);
    let items = schema.get("items");
    items.map_or(0, |items| usize::from(may_be_null(items))) + fields.chain(items).map(items_with_null).sum::<usize>()
}

/// Whether a pattern has only anchors at its ends, literals, classes, groups and counts.
fn is_simple(pattern: &str) -> bool {
    let Some(inside) = pattern.strip_prefix('^').and_then(|pattern| pattern.strip_suffix('$')) else { return false };
    let (mut in_class, mut before) = (false, ' ');
    let mut rest = inside.chars().peekable();
    while let Some(c) = rest.next() {
        let fits = match c {
            // Escaped letters are classes and boundaries.
            '\\' => rest.next().is_some_and(|escaped| escaped.is_ascii_punctuation()),
            '[' if in_class => false,
            // Operators between classes.
            '&' | '~' | '-' if in_class => rest.peek() != Some(&c),
            '^' => in_class && before == '[',
            '$' => in_class,
            // Groups with options, and counts that are not greedy.
            '(' | '*' | '+' | '?' | '}' if !in_class => !matches!(rest.peek(), Some('?' | '+')),
            _ => true,
        };
        if !fits {
            return false;
        }
        in_class = c == '[' || (in_class && c != ']');
        before = c;
    }
    !in_class
}

/// The same schema with null among its values.
fn or_null(mut schema: Map<String, Value>, type_lists: bool) -> Value {
    if type_lists && !["enum", "properties", "items"].iter().any(|key| schema.contains_key(*key)) {
        let plain = schema.get("type").cloned().unwrap_or_default();
        schema.insert("type".into(), json!([plain, "null"]));
        return schema.into();
    }
    let mut out = Map::new();
    for key in ["title", "description"] {
        out.extend(schema.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    out.insert("anyOf".into(), json!([schema, {"type": "null"}]));
    out.into()
}

fn small_range(fields: &Map<String, Value>) -> Option<Vec<i64>> {
    const LARGEST: i64 = 25;
    let (low, high) = (fields.get("minimum")?.as_i64()?, fields.get("maximum")?.as_i64()?);
    let whole =
        fields.get("type")?.as_array().and_then(|types| types.first()).or(fields.get("type"))? == "integer" && !fields.contains_key("enum");
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
