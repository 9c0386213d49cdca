//! The outbox: new rows that are still to be delivered.
//!
//! Its table exists only in stores of runs that deliver rows. The temporary table `announced` of the
//! writing connection has the current document of each name, so that a version is delivered each
//! time it becomes the current one of its name, and only then.

use super::StoreError;
use super::schema::open_to_read;
use crate::model::DocumentId;
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
        "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT,
             document INTEGER NOT NULL REFERENCES documents (id), name TEXT)",
    )?;
    // Earlier versions took the name from the document.
    let has_name = writer.prepare("SELECT 1 FROM pragma_table_info('outbox') WHERE name = 'name'")?.exists(())?;
    if has_name { Ok(()) } else { writer.execute_batch("ALTER TABLE outbox ADD COLUMN name TEXT") }
}

/// Notes that the listed documents of a run are current. They are not delivered again.
pub(super) fn begin(t: &Transaction<'_>, run: i64) -> Result<()> {
    t.execute_batch(
        "DROP TABLE IF EXISTS temp.announced;
         CREATE TEMP TABLE announced (document INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    )?;
    let listed = "INSERT OR REPLACE INTO temp.announced
        SELECT d.id, d.name FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = ?1";
    t.execute(listed, [run]).map(|_| ())
}

impl Outbox {
    pub(super) fn open(path: &Path, recipe: i64) -> std::result::Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)?, recipe })
    }

    /// The next entries after entry `id`.
    pub fn after(&self, id: i64) -> std::result::Result<Vec<OutboxEntry>, StoreError> {
        let read = || {
            let sql = "SELECT o.id, ifnull(o.name, d.name), r.job, r.result FROM outbox o JOIN documents d ON d.id = o.document
                LEFT JOIN rows r ON r.id = (SELECT max(n.id) FROM rows n WHERE n.recipe = ?1 AND n.document = o.document)
                WHERE o.id > ?2 ORDER BY o.id LIMIT ?3";
            let entry = |row: &rusqlite::Row<'_>| {
                let (job, text): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
                Ok(OutboxEntry { id: row.get(0)?, document: row.get(1)?, row: job.zip(text) })
            };
            self.connection.prepare_cached(sql)?.query_map((self.recipe, id, MOST), entry)?.collect::<Result<Vec<_>>>()
        };
        read().map_err(|e| self.error(e))
    }

    /// Number of entries.
    pub fn waiting(&self) -> std::result::Result<u64, StoreError> {
        self.connection.query_row("SELECT count(*) FROM outbox", (), |row| row.get(0)).map_err(|e| self.error(e))
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        StoreError::new(&self.path, "cannot read the outbox", error)
    }
}

/// Adds the row of a document, unless the document is the current one of its name already and its row
/// `is_known`.
pub(super) fn add(t: &Transaction<'_>, document: DocumentId, is_known: bool) -> Result<()> {
    let current = "SELECT 1 FROM temp.announced a JOIN documents d ON d.id = a.document AND d.name = a.name WHERE d.id = ?1";
    if is_known && t.prepare_cached(current)?.exists([document.0])? {
        return Ok(());
    }
    t.prepare_cached("INSERT OR REPLACE INTO temp.announced SELECT id, name FROM documents WHERE id = ?1")?.execute([document.0])?;
    t.prepare_cached("INSERT INTO outbox (document, name) SELECT id, name FROM documents WHERE id = ?1")?.execute([document.0]).map(|_| ())
}

/// A document has left the results. If it comes back, it is delivered again.
pub(super) fn gone(t: &Transaction<'_>, document: DocumentId) -> Result<()> {
    t.prepare_cached("DELETE FROM temp.announced WHERE document = ?1")?.execute([document.0]).map(|_| ())
}

/// Removes an entry that was delivered or given up.
pub(super) fn remove(t: &Transaction<'_>, id: i64) -> Result<()> {
    t.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id]).map(|_| ())
}
