//! Turns the text of a reply into a validated answer.

use super::extract::{self, Item};
use super::fault::Fault;
use super::lists::Lists;
use super::{field, fit, schema};
use crate::model::{Checked, Column, Repair, Schema, Unfit};
use crate::repair::{self, Distinct};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::Table;

/// The required form of an answer.
#[derive(Debug)]
pub(super) struct Shape {
    pub schema: Arc<Schema>,
    /// Its fields, in the job file's order.
    pub columns: Vec<Column>,
}

/// Maximum number of schema errors in a message.
const MAX_ERRORS: usize = 5;
/// Maximum nesting of wrappers (list, object, string) around an answer.
const DEPTH: usize = 4;

impl Shape {
    /// The form of an answer with these fields.
    pub fn new(fields: &Table, lists: &Lists) -> Result<Self, Fault> {
        let schema = field::object_schema(fields, lists)?;
        Ok(Self { columns: field::columns(fields, &schema), schema: Arc::new(schema.into()) })
    }

    /// Type of a field: `string`, `integer`, ...
    pub fn field_type(&self, field: &str) -> Option<&str> {
        Schema::type_of(&self.schema["properties"][field])
    }

    /// Returns the answer in `text`, or the reason for its absence.
    ///
    /// The parser drops everything around an answer, such as thoughts, fences and prose. It repairs
    /// only unambiguous damage (see [`Repair`]), and then the schema decides.
    ///
    /// If the text has several objects, the last one counts. An object that has all fields but
    /// violates the schema is a wrong answer. No earlier object replaces it.
    pub fn read(&self, text: &str) -> Result<Checked, Unfit> {
        self.read_inside(text, DEPTH)
    }

    fn read_inside(&self, text: &str, depth: usize) -> Result<Checked, Unfit> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let whole = |text: &str| serde_json::from_str(text).map(|Distinct(value)| value);
        // Most answers return here.
        match whole(text).or_else(|error| extract::unfenced(text).and_then(|inner| whole(inner).ok()).ok_or(error)) {
            Ok(Value::String(inner)) if depth > 0 => {
                self.read_inside(&inner, depth - 1).map(|checked| noted(checked, Repair::DoubleEncoded))
            }
            Ok(value) => self.fit(value, depth).map_err(Unfit::Invalid),
            Err(_) if text.starts_with("{\\\"") && depth > 0 => {
                let error = Unfit::Invalid("the answer is not JSON: its quotation marks are escaped".into());
                let string = repair::parse(&format!("\"{text}\"")).map_err(|_| error.clone())?.value;
                let inner = string.as_str().ok_or(error)?;
                self.read_inside(inner, depth - 1).map(|checked| noted(checked, Repair::DoubleEncoded))
            }
            Err(error) => self.find(extract::without_channels(text), depth, &error),
        }
    }

    /// Searches a text for the answer.
    fn find(&self, text: &str, depth: usize, error: &serde_json::Error) -> Result<Checked, Unfit> {
        let scan = extract::scan(text);
        if scan.open || (scan.from > 0 && text[scan.from..].trim().is_empty()) {
            return Err(Unfit::OnlyThoughts);
        }
        let mut unfit = None;
        for item in scan.items.into_iter().rev() {
            let (start, parsed) = match item {
                Item::Value { start, parsed } => (start, parsed),
                Item::Broken { cut: true } => return Err(Unfit::Cut(error.to_string())),
                Item::Broken { cut: false } => break,
            };
            let end = start + parsed.end;
            let claims = self.claims(&parsed.value, depth);
            match self.fit(parsed.value, depth) {
                Ok(mut checked) => {
                    checked.repaired.extend(parsed.repaired);
                    let is_alone = !extract::is_prose(&text[scan.from..start]) && !extract::is_prose(&text[end..]);
                    return Ok(if is_alone { checked } else { noted(checked, Repair::SurroundingText) });
                }
                Err(why) if claims => return Err(Unfit::Invalid(why)),
                Err(why) => unfit = unfit.or(Some(why)),
            }
        }
        Err(Unfit::Invalid(unfit.unwrap_or_else(|| format!("the answer is not JSON: {error}"))))
    }

    /// Whether a value has the form of an answer, valid or not.
    fn claims(&self, value: &Value, depth: usize) -> bool {
        let inside = |value: &Value| depth > 0 && self.claims(value, depth - 1);
        match value {
            value if fit::is_schema(value, &self.schema) => false,
            Value::Object(fields) => {
                fit::has_all_fields(fields, &self.schema) || fit::wrapped(fields, &self.schema).into_iter().any(inside)
            }
            Value::Array(items) => items.iter().any(inside),
            Value::String(text) => repair::parse(text).is_ok_and(|parsed| inside(&parsed.value)),
            _ => false,
        }
    }

    /// Returns the answer in a value, or the errors of the value.
    fn fit(&self, value: Value, depth: usize) -> Result<Checked, String> {
        if fit::is_schema(&value, &self.schema) {
            return Err("this repeats the schema; it wants an object that follows it".into());
        }
        let inner = match &value {
            _ if depth == 0 => None,
            Value::Array(items) => items
                .split_first()
                .filter(|(first, others)| others.iter().all(|other| other == *first))
                .map(|(first, _)| self.fit(first.clone(), depth - 1).map(|checked| noted(checked, Repair::ListOfOne))),
            Value::Object(fields) => self.unwrapped(fields, depth),
            Value::String(text) => Some(match self.read_inside(text, depth - 1) {
                Ok(checked) => Ok(noted(checked, Repair::DoubleEncoded)),
                Err(Unfit::OnlyThoughts) => Err("there is no answer behind the thoughts".into()),
                Err(Unfit::Cut(why) | Unfit::Invalid(why)) => Err(why),
            }),
            _ => None,
        };
        if let Some(inner) = inner {
            return inner;
        }
        let mut repaired = BTreeSet::new();
        let unknown = |key: &str| self.schema["properties"].get(key).is_none();
        let beside = value.as_object().into_iter().flatten().filter(|(key, value)| value.is_object() && unknown(key));
        let beside: Vec<Value> = beside.map(|(_, value)| value.clone()).collect();
        let value = fit::conform(value, &self.schema, &mut repaired);
        self.validate(&value)?;
        // A dropped object that fits the schema may be the answer, and the outer object a draft.
        if beside.iter().any(|extra| *extra != value && schema::errors(extra, &self.schema).is_empty()) {
            return Err("the response contains two answers, one inside the other".into());
        }
        Ok(Checked { value, repaired })
    }

    /// The answer under a wrapper name such as `result`. Returns `None` if no wrapper name holds a
    /// value that looks like an answer.
    fn unwrapped(&self, fields: &Map<String, Value>, depth: usize) -> Option<Result<Checked, String>> {
        let mut inner = fit::wrapped(fields, &self.schema).into_iter().map(|value| self.fit(value.clone(), depth - 1)).collect::<Vec<_>>();
        let fitting: Vec<&Checked> = inner.iter().flatten().collect();
        if fitting.windows(2).any(|two| two[0].value != two[1].value) {
            return Some(Err("the response contains two answers under different wrapper keys".into()));
        }
        let at = inner.iter().position(Result::is_ok).or_else(|| inner.len().checked_sub(1))?;
        let extra = fields.len() > inner.len();
        Some(inner.swap_remove(at).map(|checked| {
            let checked = noted(checked, Repair::Wrapped);
            if extra { noted(checked, Repair::ExtraKey) } else { checked }
        }))
    }

    fn validate(&self, value: &Value) -> Result<(), String> {
        let errors = schema::errors(value, &self.schema);
        let errors: Vec<String> = errors.iter().take(MAX_ERRORS).map(ToString::to_string).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

fn noted(mut checked: Checked, repair: Repair) -> Checked {
    checked.repaired.insert(repair);
    checked
}

#[cfg(test)]
mod tests;
