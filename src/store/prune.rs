//! Finds and removes obsolete data in the store.

use super::error::StoreError;
use super::history::{Archive, newest_complete};
use super::schema::open;
use crate::model::{Bill, Money};
use rusqlite::Connection;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Data that no result uses any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Excess {
    /// Documents that were edited, renamed or deleted. Runs over the same inputs no longer find
    /// them.
    pub obsolete: Group,
    /// Documents that only the inputs of the last run exclude from the results.
    pub elsewhere: Group,
    /// Rows of dropped documents, and rows of old recipes.
    pub rows: u64,
}

/// Documents with their answers and cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// Number of documents.
    pub documents: u64,
    /// Number of their answers.
    pub answers: u64,
    /// Cost of these answers.
    pub paid: Bill,
}

impl Archive {
    /// Data that pruning would drop. `all` includes documents of other inputs.
    pub fn excess(&self, all: bool) -> Result<Excess, StoreError> {
        self.read("the store", || {
            let criteria = Criteria::of(self.connection())?;
            let rows = format!("SELECT count(*) FROM rows WHERE {}", criteria.rows(all));
            Ok(Excess {
                obsolete: group(self.connection(), &criteria.obsolete)?,
                elsewhere: group(self.connection(), &criteria.elsewhere)?,
                rows: self.connection().query_row(&rows, (), |row| row.get(0))?,
            })
        })
    }

    /// Drops the data that [`Archive::excess`] reports. The ledger stays complete. The caller holds
    /// the lock.
    pub fn prune(self, all: bool) -> Result<(), StoreError> {
        let path = self.path().to_owned();
        drop(self);
        let connection = open(&path)?;
        let prune = || {
            let criteria = Criteria::of(&connection)?;
            let (documents, rows) = (criteria.documents(all), criteria.rows(all));
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TEMP TABLE dropped AS SELECT id FROM documents WHERE {documents};
                 UPDATE attempts SET outcome = 'lost' WHERE outcome IS NULL
                    AND run NOT IN (SELECT id FROM runs WHERE recipe IN (SELECT recipe FROM runs ORDER BY id DESC LIMIT 1));
                 DELETE FROM rows WHERE {rows};
                 DELETE FROM answers WHERE document IN (SELECT id FROM dropped);
                 DELETE FROM failures WHERE document IN (SELECT id FROM dropped);
                 DELETE FROM listing WHERE document IN (SELECT id FROM dropped);
                 DELETE FROM documents WHERE id IN (SELECT id FROM dropped);
                 {}
                 COMMIT;
                 VACUUM;",
                super::vectors::PRUNE
            ))
        };
        prune().map_err(|e| StoreError::new(&path, "cannot prune it", e))
    }
}

/// Counts the documents that meet a condition, with their cost.
fn group(connection: &Connection, condition: &str) -> rusqlite::Result<Group> {
    let documents = connection.query_row(&format!("SELECT count(*) FROM documents WHERE {condition}"), (), |row| row.get(0))?;
    let answers = format!(
        "SELECT count(*), ifnull(sum(json_extract(call, '$.cost_usd')), 0.0), count(*) - count(json_extract(call, '$.cost_usd'))
         FROM answers WHERE document IN (SELECT id FROM documents WHERE {condition})"
    );
    connection.query_row(&answers, (), |row| {
        let paid = Bill { usd: Money::from_usd(row.get(1)?), unpriced_calls: row.get(2)? };
        Ok(Group { documents, answers: row.get(0)?, paid })
    })
}

/// SQL conditions for obsolete data.
struct Criteria {
    obsolete: String,
    elsewhere: String,
    /// Recipes in use.
    recipes: String,
}

impl Criteria {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let complete = newest_complete(connection)?;
        let mut listings: BTreeSet<i64> = complete.values().filter_map(|(_, listing)| *listing).collect();
        // The newest run's listing counts even if the run is incomplete.
        let newest = "SELECT ifnull(listing, id) FROM runs ORDER BY id DESC LIMIT 1";
        listings.extend(connection.prepare(newest)?.query_map((), |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?);
        let complete: BTreeSet<i64> = complete.values().map(|(run, _)| *run).collect();
        let same_inputs = same_inputs(connection, &complete)?;
        let current = format!("SELECT document FROM listing WHERE run IN ({})", list(&listings));
        // A call in doubt keeps its document, so that reports can name it.
        let unused = format!("id NOT IN ({current}) AND id NOT IN (SELECT document FROM attempts WHERE outcome IS NULL)");
        let edited =
            format!("EXISTS (SELECT 1 FROM documents n WHERE n.name = documents.name AND n.id <> documents.id AND n.id IN ({current}))");
        // Answers of an incomplete run wait for the next run.
        let unlisted = "id NOT IN (SELECT document FROM listing)";
        let asked_by = |table: &str| format!("ifnull((SELECT max(run) FROM {table} t WHERE t.document = documents.id), 0)");
        let gone = format!("max({}, {}) IN ({})", asked_by("answers"), asked_by("failures"), list(&same_inputs));
        let recipes = format!(
            "SELECT recipe FROM runs WHERE id IN ({}) OR id IN
                (SELECT max(r.id) FROM runs r, json_each(r.jobs) j GROUP BY json_extract(j.value, '$.name'))",
            list(&complete)
        );
        Ok(Self {
            obsolete: format!("{unused} AND ({edited} OR ({unlisted} AND {gone}))"),
            elsewhere: format!("{unused} AND NOT {edited} AND {unlisted} AND NOT {gone}"),
            recipes,
        })
    }

    fn documents(&self, all: bool) -> String {
        if all { format!("({}) OR ({})", self.obsolete, self.elsewhere) } else { self.obsolete.clone() }
    }

    fn rows(&self, all: bool) -> String {
        format!("recipe NOT IN ({}) OR document IN (SELECT id FROM documents WHERE {})", self.recipes, self.documents(all))
    }
}

/// Runs with the same inputs as a run of `complete`. The complete run would have found their
/// documents again if these still existed. Includes 0, for documents without any call.
fn same_inputs(connection: &Connection, complete: &BTreeSet<i64>) -> rusqlite::Result<BTreeSet<i64>> {
    let runs = connection
        .prepare("SELECT id, settings FROM runs")?
        .query_map((), |row| Ok((row.get(0)?, inputs(row.get_ref(1)?.as_str()?))))?
        .collect::<rusqlite::Result<Vec<(i64, Map<String, Value>)>>>()?;
    let theirs: Vec<&Map<String, Value>> = runs.iter().filter(|(run, _)| complete.contains(run)).map(|(_, inputs)| inputs).collect();
    Ok(runs.iter().filter(|(_, inputs)| theirs.contains(&inputs)).map(|(run, _)| *run).chain([0]).collect())
}

/// The settings that decide which documents exist. Inputs are equal regardless of their names and
/// of the working directory. A table stays the same table after an edit.
fn inputs(settings: &str) -> Map<String, Value> {
    const OTHERS: [&str; 4] = ["input.keep_columns", "input.text_column", "input.used_columns", "input.added_to"];
    const CALLED: [&str; 3] = ["input.paths", "input.rows", "input.files_from"];
    const ROOTS: &str = "input.roots";
    let settings: Map<String, Value> = serde_json::from_str(settings).unwrap_or_default();
    let mut inputs: Map<String, Value> =
        settings.into_iter().filter(|(key, _)| key.starts_with("input.") && !OTHERS.contains(&key.as_str())).collect();
    if let Some(Value::Array(roots)) = inputs.get_mut(ROOTS) {
        for root in &mut *roots {
            *root = ["kind", "path", "rules"].map(|key| root[key].clone()).into_iter().collect();
        }
        roots.sort_by_key(Value::to_string);
        inputs.retain(|key, _| !CALLED.contains(&key.as_str()));
    }
    inputs
}

fn list(numbers: &BTreeSet<i64>) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}
