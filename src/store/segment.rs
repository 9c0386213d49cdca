//! Segments: small stores with the answers that a run has committed since the segment before.
//!
//! A run on a machine that may disappear saves segments elsewhere. [`super::absorb`] reads them.

use super::schema::{self, attach};
use super::streaming::identity_of;
use super::{FILE_NAME, StoreError};
use crate::model::Money;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Makes segments of a store, one after the other.
#[derive(Debug)]
pub struct Segments {
    store: PathBuf,
    reader: Connection,
    identity: String,
    /// The last attempt before the run.
    first: i64,
    /// The last attempt of the segments so far.
    last: i64,
    /// Attempts up to `last` that were in flight then.
    in_flight: BTreeSet<i64>,
}

/// A new segment.
struct Filled {
    /// Number of its attempts.
    made: u64,
    last: i64,
    in_flight: BTreeSet<i64>,
}

/// How far the run of a store has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunProgress {
    /// Documents with a row.
    pub rows: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Attempts in flight.
    pub in_flight: u64,
    /// Attempts since the newest segment.
    pub news: u64,
    /// Cost of all attempts; `None` if a price is unknown.
    pub cost: Option<Money>,
}

impl Segments {
    /// Segments of the store in `directory`. The first one begins after the attempts that the store has
    /// now.
    pub fn after(directory: &Path) -> Result<Self, StoreError> {
        let store = directory.join(FILE_NAME);
        let reader = schema::open_to_read(&store)?;
        let read = || Ok((last(&reader)?, identity_of(&reader)?));
        let (first, identity) = read().map_err(|e: rusqlite::Error| StoreError::new(&store, "cannot read the ledger", e))?;
        Ok(Self { store, reader, identity, first, last: first, in_flight: BTreeSet::new() })
    }

    /// How far the run has come.
    pub fn progress(&self) -> Result<RunProgress, StoreError> {
        let read = || {
            let rows = "SELECT count(*), count(failure_code) FROM rows";
            let (rows, failed) = self.reader.query_row(rows, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let attempts = "SELECT ifnull(sum(id > ?1 AND outcome IS NULL), 0), ifnull(sum(id > ?2), 0),
                CASE WHEN sum(pico_usd IS NULL AND outcome IS NOT NULL) THEN NULL ELSE ifnull(sum(pico_usd), 0) END FROM attempts";
            self.reader.query_row(attempts, (self.first, self.last), |row| {
                let cost = row.get::<_, Option<u64>>(2)?.map(Money::from_pico);
                Ok(RunProgress { rows, failed, in_flight: row.get(0)?, news: row.get(1)?, cost })
            })
        };
        read().map_err(|e| StoreError::new(&self.store, "cannot read its progress", e))
    }

    /// Writes the next segment to `path`, which must not exist. Returns the number of attempts in it.
    pub fn next(&mut self, path: &Path) -> Result<u64, StoreError> {
        let segment = schema::open(path)?;
        let fill = || {
            let filled = self.fill(&segment)?;
            // One file without a log, which can be sent.
            segment.pragma_update(None, "journal_mode", "DELETE")?;
            Ok(filled)
        };
        let filled = fill().map_err(|e: rusqlite::Error| StoreError::new(path, "cannot write a segment", e))?;
        (self.last, self.in_flight) = (filled.last, filled.in_flight);
        Ok(filled.made)
    }

    fn fill(&self, segment: &Connection) -> rusqlite::Result<Filled> {
        attach(segment, &self.store)?;
        let t = segment.unchecked_transaction()?;
        let before: Vec<i64> = self.in_flight.iter().copied().collect();
        let before = serde_json::to_string(&before).unwrap_or_default();
        t.execute_batch(
            "CREATE TABLE origin (store TEXT NOT NULL); CREATE TEMP TABLE news (id INTEGER PRIMARY KEY, ended INTEGER NOT NULL)",
        )?;
        t.execute("INSERT INTO origin VALUES (?1)", [&self.identity])?;
        t.execute(
            "INSERT INTO temp.news SELECT id, outcome IS NOT NULL FROM other.attempts
                WHERE id > ?1 OR id IN (SELECT value FROM json_each(?2))",
            (self.last, before),
        )?;
        let last = t.query_row("SELECT max(ifnull(max(id), 0), ?1) FROM temp.news", [self.last], |row| row.get(0))?;
        let in_flight =
            t.prepare("SELECT id FROM temp.news WHERE NOT ended")?.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
        let made = t.execute("INSERT INTO attempts SELECT * FROM other.attempts WHERE id IN (SELECT id FROM temp.news WHERE ended)", ())?;
        t.execute_batch(
            "INSERT INTO runs SELECT * FROM other.runs WHERE id IN (SELECT run FROM attempts);
             INSERT INTO documents SELECT * FROM other.documents WHERE id IN (SELECT document FROM attempts);
             INSERT OR IGNORE INTO answers SELECT o.* FROM other.answers o JOIN attempts a ON a.document = o.document AND a.call_key = o.call_key;
             INSERT OR IGNORE INTO failures SELECT o.* FROM other.failures o JOIN attempts a ON a.document = o.document AND a.call_key = o.call_key;
             INSERT OR IGNORE INTO vectors SELECT o.* FROM other.vectors o JOIN attempts a ON a.call_key = o.call_key;
             INSERT OR IGNORE INTO passages SELECT o.* FROM other.passages o JOIN vectors v ON v.id = o.vector;
             DROP TABLE temp.news;",
        )?;
        t.commit()?;
        segment.execute_batch("DETACH other")?;
        Ok(Filled { made: made as u64, last, in_flight })
    }
}

/// The newest attempt of a store; 0 without any.
fn last(store: &Connection) -> rusqlite::Result<i64> {
    store.query_row("SELECT ifnull(max(id), 0) FROM attempts", (), |row| row.get(0))
}
