//! JSON data in a request, such as earlier answers that are to be combined.

use serde_json::{Map, Value};

/// Mark of simulated texts. It is not repeated in what quotes them.
const MARK: &str = "[simulated]";
/// Places at which data is looked for.
const TRIES: usize = 64;

/// Objects found in a request.
#[derive(Debug, Default)]
pub struct Records(Vec<Map<String, Value>>);

impl Records {
    /// The objects of a text that is JSON as a whole.
    pub fn whole(text: &str) -> Self {
        let mut found = Vec::new();
        if text.starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str(text)
        {
            collect(value, &mut found);
        }
        Self(found)
    }

    /// The objects that begin at the start of a line, or after its number.
    pub fn within(text: &str) -> Self {
        let mut found = Vec::new();
        let mut end = 0;
        let mut tries = 0;
        for line in text.split('\n') {
            let body = line.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' '));
            let start = body.as_ptr() as usize - text.as_ptr() as usize;
            if start < end || !body.starts_with(['{', '[']) || tries == TRIES {
                continue;
            }
            tries += 1;
            let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
            if let Some(Ok(value)) = values.next() {
                end = start + values.byte_offset();
                collect(value, &mut found);
            }
        }
        Self(found)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All values of a field, in order.
    pub fn field<'r>(&'r self, name: &str) -> impl Iterator<Item = &'r Value> {
        self.0
            .iter()
            .flat_map(|record| leaves(record))
            .filter(move |(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null())
            .map(|(_, value)| value)
    }

    /// How well the records that name each candidate rate it: the mean of their numbers, and a
    /// little for a yes. `None` unless at least two candidates are rated.
    pub fn ratings(&self, candidates: &[&str]) -> Option<Vec<f64>> {
        let rating = |candidate: &&str| {
            let names = |record: &&Map<String, Value>| {
                leaves(record).iter().any(|(_, value)| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(candidate)))
            };
            let own: Vec<f64> = self.0.iter().filter(names).filter_map(rated).collect();
            (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
        };
        let ratings: Vec<Option<f64>> = candidates.iter().map(rating).collect();
        let rated = ratings.iter().flatten().count();
        (rated > 1).then(|| ratings.into_iter().map(|rating| rating.unwrap_or(f64::MIN)).collect())
    }

    /// The first text of the record that names a candidate.
    pub fn first_text(&self, candidate: &str) -> Option<&str> {
        let own = self.0.iter().map(leaves).find(|leaves| leaves.iter().any(|(_, value)| value.as_str() == Some(candidate)))?;
        own.into_iter()
            .filter_map(|(_, value)| value.as_str())
            .find(|text| text.starts_with(MARK))
            .map(|text| unmarked(text).trim_end_matches('.'))
    }

    /// All texts, one a line, without the mark.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (_, value) in self.0.iter().flat_map(leaves) {
            if let Some(part) = value.as_str() {
                text.push_str(unmarked(part));
                text.push('\n');
            }
        }
        text
    }
}

/// A text without the mark and the name of its document.
pub fn unmarked(text: &str) -> &str {
    let Some(rest) = text.strip_prefix(MARK) else { return text };
    let rest = rest.trim_start();
    if rest.starts_with("docid:") { rest.split_once(' ').map_or("", |(_, rest)| rest) } else { rest }
}

/// Objects of the outermost lists, or else the object itself.
fn collect(value: Value, found: &mut Vec<Map<String, Value>>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            let lists = fields.values().filter(|value| value.as_array().is_some_and(|items| items.iter().any(Value::is_object)));
            let nested: Vec<Value> = lists.cloned().collect();
            found.push(fields);
            for list in nested {
                collect(list, found);
            }
        }
        _ => {}
    }
}

/// The values of an object and of the objects and lists in it.
fn leaves(record: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    for (key, value) in record {
        match value {
            Value::Object(fields) => found.extend(leaves(fields)),
            Value::Array(items) => {
                found.extend(items.iter().filter(|item| !item.is_object() && !item.is_array()).map(|item| (key.as_str(), item)));
            }
            _ => found.push((key.as_str(), value)),
        }
    }
    found
}

fn rated(record: &Map<String, Value>) -> Option<f64> {
    let leaves = leaves(record);
    let numbers: Vec<f64> = leaves.iter().filter_map(|(_, value)| value.as_f64()).collect();
    let yes = leaves.iter().any(|(_, value)| **value == true);
    let is_rated = !numbers.is_empty() || leaves.iter().any(|(_, value)| value.is_boolean());
    is_rated.then(|| numbers.iter().sum::<f64>() / numbers.len().max(1) as f64 + f64::from(u8::from(yes)) * 0.01)
}
