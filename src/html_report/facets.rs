//! Counts the values of answer fields for charts, and finds the bars of each row.
//!
//! A field's chart follows from its values: counts for few texts, months for dates, shares for true
//! and false, a histogram for numbers, the most frequent items for lists. Free text has no chart.

use super::bars::Bars;
use super::fields::{CODE, STATUS, by_field};
use super::tally::Tally;
use crate::model::{ColumnType, JobColumns, Row};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of charts.
const MAX_FACETS: usize = 24;
/// Note of a field whose answers are all null.
const NOTHING: &str = "No document has a value.";
/// Maximum number of fields that are counted. Nested answers may have any number.
const MAX_FIELDS: usize = 400;

/// The chart of a field. Its bars are also filters.
#[derive(Debug, Serialize)]
pub struct Facet {
    /// The field, as in `results.csv`; `a.b` for a field inside an object.
    pub field: String,
    /// Description from the job file.
    pub about: Option<String>,
    /// Number of documents with a value.
    pub documents: u64,
    /// The bars.
    #[serde(flatten)]
    pub bars: Bars,
}

/// Counts the fields of rows.
#[derive(Debug)]
pub struct FieldCounts<'j> {
    jobs: &'j [JobColumns],
    fields: Vec<(String, Tally)>,
    places: BTreeMap<String, usize>,
    /// Columns that the settings pass on. Their charts come after the answers.
    kept: BTreeSet<String>,
}

impl<'j> FieldCounts<'j> {
    /// Starts with the columns that the jobs declare, so that charts have their order.
    pub fn new(jobs: &'j [JobColumns]) -> Self {
        Self { jobs, fields: Vec::new(), places: BTreeMap::new(), kept: BTreeSet::new() }
    }

    /// Counts a row.
    pub fn add(&mut self, row: &Row) {
        for name in row.columns.keys().filter(|name| !self.kept.contains(*name)).take(MAX_FIELDS).cloned().collect::<Vec<_>>() {
            self.kept.insert(name);
        }
        for (field, values) in by_field(row, |_| true) {
            let known = self.places.get(&field).copied();
            let place = match known {
                Some(place) => place,
                None if self.fields.len() == MAX_FIELDS => continue,
                None => {
                    self.fields.push((field.clone(), Tally::new(self.declared(&field))));
                    *self.places.entry(field).or_insert(self.fields.len() - 1)
                }
            };
            self.fields[place].1.add(&values);
        }
    }

    /// The values that a field can have, if they are known.
    fn declared(&self, field: &str) -> Option<Vec<String>> {
        if field == CODE {
            return Some(Vec::new());
        }
        let kind = match &self.column(field)?.kind {
            ColumnType::List(items) => items,
            kind => kind,
        };
        if let ColumnType::Enum(values) = kind { Some(values.clone()) } else { None }
    }

    fn column(&self, field: &str) -> Option<&'j crate::model::Column> {
        self.jobs.iter().flat_map(|job| &job.columns).find(|column| column.name == field)
    }

    /// Makes the charts. `hidden` are fields that the page shows in another way.
    pub fn finish(mut self, hidden: impl Fn(&str) -> bool) -> Vec<Facet> {
        let order: BTreeMap<&str, usize> =
            self.jobs.iter().flat_map(|job| &job.columns).enumerate().map(|(n, column)| (column.name.as_str(), n)).collect();
        let rank = |field: &str| match field {
            STATUS => usize::MAX - 1,
            CODE => usize::MAX,
            field if self.kept.contains(field) => usize::MAX - 2,
            field => order.get(field.split('.').next().unwrap_or(field)).copied().unwrap_or(usize::MAX - 3),
        };
        let mut fields = std::mem::take(&mut self.fields);
        fields.sort_by_key(|(field, _)| rank(field));
        let facets = fields.into_iter().filter(|(field, _)| !hidden(field)).filter_map(|(field, tally)| {
            let documents = tally.documents();
            let is_empty = documents == 0 && self.column(&field).is_some();
            let nothing = || is_empty.then(|| Bars { note: NOTHING.to_owned(), ..Bars::default() });
            let bars = tally.bars().filter(|bars| field != STATUS || bars.list.len() > 1).or_else(nothing)?;
            Some(Facet { about: self.column(&field).and_then(|column| column.description.clone()), field, documents, bars })
        });
        facets.take(MAX_FACETS).collect()
    }
}

/// The bars of a row: for each chart nothing, a number, or a list of numbers.
pub fn bars_of(facets: &[Facet], row: &Row) -> Value {
    let root = |facet: &Facet, name: &str| facet.field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let values = by_field(row, |name| facets.iter().any(|facet| root(facet, name)));
    let numbers = facets.iter().map(|facet| {
        let mut at: Vec<usize> =
            values.get(&facet.field).into_iter().flat_map(|values| &values.values).filter_map(|v| facet.bars.find(v)).collect();
        at.sort_unstable();
        at.dedup();
        match at[..] {
            [] => Value::Null,
            [one] => json!(one),
            _ => json!(at),
        }
    });
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answers: &Value) -> Row {
        let row = json!({"status": "ok", "job": "j", "provider": "p", "model": "m", "answers": answers, "calls": []});
        Row::read(0, "d", &row.to_string()).expect("a row")
    }

    fn facets(answers: &[Value]) -> Vec<Facet> {
        let mut counts = FieldCounts::new(&[]);
        for answers in answers {
            counts.add(&row(answers));
        }
        counts.finish(|field| field == "hidden")
    }

    #[test]
    fn a_field_without_values_says_so() {
        let jobs =
            [JobColumns { name: "j".to_owned(), digest: None, columns: vec![crate::model::Column::new("year", ColumnType::Integer)] }];
        let mut counts = FieldCounts::new(&jobs);
        counts.add(&row(&json!({"year": null, "unknown": null})));
        let facets = counts.finish(|_| false);
        assert_eq!((facets.len(), facets[0].field.as_str(), facets[0].bars.note.as_str()), (1, "year", NOTHING));
        assert_eq!(bars_of(&facets, &row(&json!({"year": null}))), json!([null]));
    }

    #[test]
    fn the_chart_of_a_field_follows_from_its_values() {
        let answers = |n: u32| {
            let kind = if n.is_multiple_of(2) { "a" } else { "b" };
            json!({
                "kind": kind, "sure": n.is_multiple_of(3), "when": format!("2026-0{}-11", 1 + n % 2), "hidden": "x",
                "note": format!("free text {n}"), "tags": ["Gear", format!("rare {n}")], "maker": {"country": null, "size": n},
                "parts": [{"name": "bolt"}, {"name": "bolt"}]
            })
        };
        let rows: Vec<Value> = (0..40).map(answers).collect();
        let facets = facets(&rows);
        let shown: Vec<(&str, usize)> = facets.iter().map(|facet| (facet.field.as_str(), facet.bars.list.len())).collect();
        let expected = ["kind", "maker.size", "parts.name", "sure", "tags", "when"];
        assert_eq!(shown.iter().map(|(field, _)| *field).collect::<Vec<_>>(), expected, "{shown:?}");
        let parts = &facets[2].bars.list;
        assert_eq!((parts[0].label.as_str(), parts[0].documents), ("bolt", 40), "a document counts once");
        assert_eq!(bars_of(&facets, &row(&rows[0])).as_array().map(Vec::len), Some(expected.len()));
        for facet in &facets {
            let one = rows.iter().filter(|answers| {
                let bars = bars_of(std::slice::from_ref(facet), &row(answers));
                bars[0] == json!(0) || bars[0].as_array().is_some_and(|all| all.contains(&json!(0)))
            });
            assert_eq!(one.count() as u64, facet.bars.list[0].documents, "{}: rows and bars agree", facet.field);
        }
    }
}
