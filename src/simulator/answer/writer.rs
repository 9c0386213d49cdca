//! Walks a schema and answers from what the request holds.

use super::evidence::{Parts, Reading};
use super::field::{Field, Intent, words};
use super::{choices, numbers, strings};
use crate::simulator::looks::Looks;
use serde_json::{Map, Value};
use std::cell::{Cell, OnceCell};

/// The start of every simulated text.
pub const MARK: &str = "[simulated]";
const MAX_DEPTH: u32 = 24;
/// A document with fewer bytes beside a picture is no text to read.
const TEXT: usize = 24;

/// Writes one answer.
#[derive(Debug)]
pub struct Writer<'w, 't> {
    pub parts: &'w Parts<'w>,
    pub reading: &'w Reading<'t>,
    pub root: &'w Value,
    pub docid: Option<&'w str>,
    /// Whether it answers about one line of a document.
    pub line: bool,
    /// Maximum number of words of a text.
    pub room: usize,
    /// Number of words of every text, if a scenario spreads them.
    pub lengths: Option<&'w dyn Lengths>,
    pub seed: u64,
    pub prompt: OnceCell<Vec<String>>,
    pub turn: Cell<u64>,
}

/// Draws the number of words of a text.
pub trait Lengths: std::fmt::Debug {
    fn draw(&self) -> usize;
}

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

    /// A marked text.
    pub fn say(&self, text: &str) -> String {
        let mut said = MARK.to_owned();
        if let Some(docid) = self.docid {
            said.push(' ');
            said.push_str(docid);
        }
        let mut add = |word: &str| {
            said.push(' ');
            said.push_str(word);
        };
        match self.lengths {
            None => text.split_whitespace().filter(|word| Some(*word) != self.docid).take(self.room).for_each(&mut add),
            // Texts of a given length repeat the document.
            Some(lengths) => {
                let source = if self.reading.text.words.is_empty() { "nothing" } else { self.reading.text.source };
                source.split_whitespace().cycle().take(lengths.draw().min(self.room)).for_each(&mut add);
            }
        }
        said
    }

    /// An arbitrary choice among `count`, where nothing speaks for any. The same for the same call.
    pub fn any(&self, count: usize) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        fastrand::Rng::with_seed(self.seed ^ turn).usize(..count.max(1))
    }

    /// The picture, if it is what the request is about.
    pub fn picture(&self) -> Option<Looks> {
        self.parts.looks.filter(|_| self.parts.document.len() < TEXT)
    }

    /// Words of the instructions in lower case.
    pub fn prompt(&self) -> &[String] {
        self.prompt.get_or_init(|| words(&self.parts.prompt))
    }

    /// What the instructions ask for, if the schema has one field only.
    pub fn intent(&self) -> Option<Intent> {
        let alone = self.root["properties"].as_object().is_none_or(|fields| fields.len() == 1);
        alone.then(|| strings::asked(self.prompt())).flatten()
    }

    pub fn prompt_asks(&self, asked: Intent) -> bool {
        self.prompt().iter().any(|word| super::field::intent(std::slice::from_ref(word)) == Some(asked))
    }
}

/// The type of a schema, and whether null is allowed.
pub enum Types<'s> {
    One(&'s str),
    OrNull(&'s str),
}

/// The type that a schema states or implies.
pub fn type_of(schema: &Value) -> Types<'_> {
    match &schema["type"] {
        Value::String(own) => Types::One(own),
        Value::Array(types) if !types.is_empty() => {
            let real = types.iter().filter_map(Value::as_str).find(|own| *own != "null").unwrap_or("null");
            if types.iter().any(|own| own == "null") { Types::OrNull(real) } else { Types::One(real) }
        }
        _ if schema["properties"].is_object() => Types::One("object"),
        _ if schema["items"].is_object() => Types::One("array"),
        _ => Types::One("string"),
    }
}
