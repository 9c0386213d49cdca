//! Takes answers over from another store.
//!
//! Answers, failures and vectors come with their documents and with the attempts that made them, so
//! that the bill stays whole. Rows do not come: the next run makes them, and sends nothing for calls
//! that are answered. Taking the same store over again adds what it has got since.

use super::lock::RunLock;
use super::schema::{self, attach};
use super::streaming::identity_of;
use super::{FILE_NAME, StoreError};
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;

/// Why a run of another store seems to have stopped here.
const TAKEN_OVER: &str = "taken over from another store";

/// Takes the answers of the store at `from` over into the store in `directory`. The caller holds the
/// lock of `directory`, which `_lock` proves. Returns the number of answers that were not here.
pub fn absorb(directory: &Path, from: &Path, _lock: &RunLock) -> Result<u64, StoreError> {
    // Checks that docmill made the other store, and that it has this version.
    let origin = {
        let other = schema::open_to_read(from)?;
        origin(&other).map_err(|e| StoreError::new(from, "cannot read its origin", e))?
    };
    let path = directory.join(FILE_NAME);
    let here = schema::open(&path)?;
    copy(&here, from, &origin).map_err(|e| StoreError::unwritten(&path, "cannot take answers over", e))
}

/// Creates an empty store in `directory`, or migrates the one there. The caller holds its lock.
pub fn create(directory: &Path, _lock: &RunLock) -> Result<(), StoreError> {
    schema::open(&directory.join(FILE_NAME)).map(drop)
}

/// The store whose attempts are in this one: a segment names another.
fn origin(store: &Connection) -> rusqlite::Result<String> {
    let is_segment = store.query_row("SELECT 1 FROM sqlite_schema WHERE name = 'origin'", (), |_| Ok(())).optional()?.is_some();
    if is_segment { store.query_row("SELECT store FROM origin", (), |row| row.get(0)) } else { identity_of(store) }
}

fn copy(here: &Connection, from: &Path, origin: &str) -> rusqlite::Result<u64> {
    attach(here, from)?;
    let t = here.unchecked_transaction()?;
    let next = |table: &str| t.query_row(&format!("SELECT ifnull(max(id), 0) FROM main.{table}"), (), |row| row.get::<_, i64>(0));
    let (runs, attempts) = (next("runs")?, next("attempts")?);
    t.execute_batch(
        "CREATE TEMP TABLE place (other INTEGER PRIMARY KEY, id INTEGER NOT NULL);
         INSERT INTO documents (name, digest, stamp) SELECT name, digest, stamp FROM other.documents o
            WHERE NOT EXISTS (SELECT 1 FROM main.documents d WHERE d.name = o.name AND d.digest = o.digest);
         INSERT INTO temp.place SELECT o.id, d.id FROM other.documents o JOIN main.documents d ON d.name = o.name AND d.digest = o.digest;",
    )?;
    // The other store may have taken attempts over itself, also from here.
    t.execute(
        "CREATE TEMP TABLE fresh AS SELECT o.id, ifnull(a.store, ?1) AS store, ifnull(a.attempt, o.id) AS attempt
            FROM other.attempts o LEFT JOIN other.absorbed a ON a.id = o.id WHERE o.outcome IS NOT NULL",
        [origin],
    )?;
    t.execute(
        "DELETE FROM temp.fresh WHERE store = ?1
            OR EXISTS (SELECT 1 FROM main.absorbed a WHERE a.store = fresh.store AND a.attempt = fresh.attempt)",
        [identity_of(&t)?],
    )?;
    t.execute("INSERT INTO main.absorbed SELECT store, attempt, id + ?1 FROM temp.fresh", [attempts])?;
    t.execute(
        "INSERT INTO main.runs (id, started, ended, docmill_version, settings, command, recipe, jobs, outcome, stopped)
            SELECT id + ?1, started, ifnull(ended, started), docmill_version, settings, command, recipe, jobs, 'stopped', ?2
            FROM other.runs",
        (runs, TAKEN_OVER),
    )?;
    t.execute(
        "INSERT INTO main.attempts (id, request, run, document, call_key, call, attempt, sent_ms, at_most_pico_usd, ended_ms, outcome,
                uncached_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, pico_usd, queued_ms, first_byte_ms)
            SELECT o.id + ?1, o.request + ?1, o.run + ?2, p.id, call_key, call, attempt, sent_ms, at_most_pico_usd, ended_ms, outcome,
                uncached_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, pico_usd, queued_ms, first_byte_ms
            FROM other.attempts o JOIN temp.place p ON p.other = o.document WHERE o.id IN (SELECT id FROM temp.fresh)",
        (attempts, runs),
    )?;
    let answers = t.execute(
        "INSERT OR IGNORE INTO main.answers SELECT p.id, o.call_key, o.run + ?1, o.call
            FROM other.answers o JOIN temp.place p ON p.other = o.document ORDER BY 1, 2",
        [runs],
    )?;
    t.execute(
        "INSERT OR IGNORE INTO main.failures SELECT p.id, o.call_key, o.run + ?1, o.code, o.call
            FROM other.failures o JOIN temp.place p ON p.other = o.document
            WHERE NOT EXISTS (SELECT 1 FROM main.answers a WHERE a.document = p.id AND a.call_key = o.call_key)",
        [runs],
    )?;
    t.execute_batch(
        "DELETE FROM main.failures WHERE EXISTS
            (SELECT 1 FROM main.answers a WHERE a.document = failures.document AND a.call_key = failures.call_key);
         INSERT OR IGNORE INTO main.vectors (call_key, document, model, vector)
            SELECT o.call_key, p.id, o.model, o.vector FROM other.vectors o JOIN temp.place p ON p.other = o.document;
         INSERT OR IGNORE INTO main.passages SELECT v.id, s.text FROM other.passages s JOIN other.vectors o ON o.id = s.vector
            JOIN main.vectors v ON v.call_key = o.call_key;",
    )?;
    t.execute(
        "DELETE FROM main.runs WHERE stopped = ?1 AND id NOT IN (SELECT run FROM main.attempts)
            AND id NOT IN (SELECT run FROM main.answers) AND id NOT IN (SELECT run FROM main.failures)",
        [TAKEN_OVER],
    )?;
    t.execute_batch("DROP TABLE temp.place; DROP TABLE temp.fresh;")?;
    t.commit()?;
    here.execute_batch("DETACH other")?;
    Ok(answers as u64)
}
