//! The outbox: new rows that are still to be delivered.
//!
//! Its table exists only in stores of runs that deliver rows.

use super::StoreError;
use super::schema::open_to_read;
use rusqlite::{Connection, Result, Transaction};
use std::path::{Path, PathBuf};

/// Maximum number of entries read at a time.
const MOST: u32 = 64;

/// An entry of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its number. Numbers grow, and are never used again.
    pub id: i64,
    /// Name of the document.
    pub document: String,
    /// Job and row as JSON; `None` if there is no row any more.
    pub row: Option<(String, String)>,
}

/// Reads the outbox.
#[derive(Debug)]
pub struct Outbox {
    path: PathBuf,
    connection: Connection,
    recipe: i64,
}

/// Creates the outbox, unless it exists.
pub(super) fn create(writer: &Connection) -> Result<()> {
    writer.execute_batch(
        "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents (id))",
    )
}

impl Outbox {
    pub(super) fn open(path: &Path, recipe: i64) -> std::result::Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)?, recipe })
    }

    /// The next entries after entry `id`.
    pub fn after(&self, id: i64) -> std::result::Result<Vec<OutboxEntry>, StoreError> {
        let read = || {
            let sql = "SELECT o.id, d.name, r.job, r.result FROM outbox o JOIN documents d ON d.id = o.document
                LEFT JOIN rows r ON r.id = (SELECT max(n.id) FROM rows n WHERE n.recipe = ?1 AND n.document = o.document)
                WHERE o.id > ?2 ORDER BY o.id LIMIT ?3";
            let entry = |row: &rusqlite::Row<'_>| {
                let (job, text): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
                Ok(OutboxEntry { id: row.get(0)?, document: row.get(1)?, row: job.zip(text) })
            };
            self.connection.prepare_cached(sql)?.query_map((self.recipe, id, MOST), entry)?.collect::<Result<Vec<_>>>()
        };
        read().map_err(|e| StoreError::new(&self.path, "cannot read the outbox", e))
    }
}

/// Adds the row of a document.
pub(super) fn add(t: &Transaction<'_>, document: i64) -> Result<()> {
    t.prepare_cached("INSERT INTO outbox (document) VALUES (?1)")?.execute([document]).map(|_| ())
}

/// Removes an entry that was delivered or given up.
pub(super) fn remove(t: &Transaction<'_>, id: i64) -> Result<()> {
    t.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id]).map(|_| ())
}
