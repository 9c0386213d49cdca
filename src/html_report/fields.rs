//! The values of a row by field.

use crate::model::Row;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Field of a row's status.
pub const STATUS: &str = "status";
/// Field of the failure codes of a row and its calls.
pub const CODE: &str = "failure_code";
/// Maximum nesting of objects and lists inside an answer.
const DEPTH: u32 = 4;
/// Maximum number of values of a field that count in one document.
const MAX_ITEMS: usize = 100;

/// The values of a field in one row.
#[derive(Debug, Default)]
pub struct FieldValues<'r> {
    /// The values; null for an empty list.
    pub values: Vec<Cow<'r, Value>>,
    /// Whether they are items of a list.
    pub listed: bool,
}

impl<'r> FieldValues<'r> {
    fn add(&mut self, listed: bool, value: Cow<'r, Value>) {
        self.listed |= listed;
        // A document counts once for each value.
        if self.values.len() < MAX_ITEMS && !self.values.contains(&value) {
            self.values.push(value);
        }
    }
}

/// The values of a row by field. Fields of objects have a path as their name. Skips answers that
/// are not `wanted`.
pub fn by_field(row: &Row, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, FieldValues<'_>> {
    let mut all = BTreeMap::new();
    for (field, value) in row.answers.iter().chain(&row.columns).filter(|(field, _)| wanted(field)) {
        flatten(field, value, (0, false), &mut all);
    }
    let mut own = |field: &str, value: &str| all.entry(field.to_owned()).or_default().add(false, Cow::Owned(value.into()));
    own(STATUS, row.status.as_str());
    row.codes().iter().flat_map(|codes| codes.split(',')).for_each(|code| own(CODE, code));
    all
}

fn flatten<'r>(field: &str, value: &'r Value, (depth, listed): (u32, bool), all: &mut BTreeMap<String, FieldValues<'r>>) {
    match value {
        Value::Object(_) | Value::Array(_) if depth == DEPTH => {}
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&format!("{field}.{key}"), value, (depth + 1, listed), all)),
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|item| flatten(field, item, (depth + 1, true), all)),
        Value::Array(_) => all.entry(field.to_owned()).or_default().add(true, Cow::Owned(Value::Null)),
        value => all.entry(field.to_owned()).or_default().add(listed, Cow::Borrowed(value)),
    }
}
