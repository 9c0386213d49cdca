//! The tables, their version, and how a store is opened.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
#[error("run store {}: {what}: {source}", path.display())]
pub struct StoreError {
    path: PathBuf,
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    pub(super) fn new(path: &Path, what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { path: path.to_owned(), what: what.into(), source: source.into() }
    }
}

/// Marks the file as ours ("docm" in ASCII), so that `file` and SQLite tools can tell.
const APPLICATION_ID: i32 = 0x646f_636d;
/// The index begins with the document and not with the key: documents come in order, so a commit touches a few pages at
/// the end of the index and not one page anywhere for each answer.
///
/// One step for each version: entry N takes a store from version N to N + 1. Steps are never changed, only added.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        started TEXT NOT NULL,
        ended TEXT,
        docmill_version TEXT NOT NULL,
        settings TEXT NOT NULL,
        summary TEXT
    );
    CREATE TABLE answers (
        id INTEGER PRIMARY KEY,
        call_key BLOB NOT NULL,
        document TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        call TEXT NOT NULL
    );
    CREATE UNIQUE INDEX answers_by_document ON answers (document, call_key);
    CREATE TABLE rows (
        run INTEGER NOT NULL REFERENCES runs (id),
        position INTEGER NOT NULL,
        job TEXT NOT NULL,
        document TEXT NOT NULL,
        status TEXT NOT NULL,
        failure_code TEXT,
        result TEXT NOT NULL,
        PRIMARY KEY (run, position)
    ) WITHOUT ROWID;
"];

/// Opens the writing connection, bringing the tables to this version.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let error = |what: &str, source: rusqlite::Error| StoreError::new(path, what, source);
    let connection = connect(path)?;
    let version: usize =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|e| error("it cannot be read", e))?;
    if version > MIGRATIONS.len() {
        let why = format!("it has version {version}, this docmill knows versions up to {}", MIGRATIONS.len());
        return Err(StoreError::new(path, "it was written by a newer docmill; use that one, or another output directory", why));
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|e| error("it cannot be written", e))?;
    // FULL: a commit is on the disk before anyone hears of it, also when the power fails.
    connection.pragma_update(None, "synchronous", "FULL").map_err(|e| error("it cannot be written", e))?;
    for (step, statements) in MIGRATIONS.iter().enumerate().skip(version) {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};", step + 1);
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {statements} {marks} COMMIT;"))
            .map_err(|e| error("its tables cannot be made", e))?;
    }
    Ok(connection)
}

/// A connection that waits for others rather than failing at once.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(|e| StoreError::new(path, "it cannot be opened", e))?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(|e| StoreError::new(path, "it cannot be opened", e))?;
    Ok(connection)
}
