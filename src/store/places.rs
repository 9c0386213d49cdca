//! The listing of a run whose documents arrive: one place for each document.
//!
//! The temporary table `places` of the writing connection finds the position of a document.

use crate::model::DocumentId;
use rusqlite::{Result, Transaction};

/// Notes the position of a listed document, and drops its earlier one.
pub(super) fn placed(t: &Transaction<'_>, (run, recipe): (i64, i64), position: u64, document: DocumentId) -> Result<()> {
    let before = "DELETE FROM listing WHERE run = ?1 AND position <> ?3
        AND position = (SELECT position FROM temp.places WHERE document = ?2)";
    t.prepare_cached(before)?.execute((run, document.0, position))?;
    t.prepare_cached("INSERT OR REPLACE INTO temp.places VALUES (?1, ?2)")?.execute((document.0, position))?;
    let has_row = "SELECT 1 FROM rows WHERE recipe = ?1 AND document = ?2";
    if t.prepare_cached(has_row)?.exists((recipe, document.0))? { replace_older(t, run, document) } else { Ok(()) }
}

/// Drops other documents of the same name from the listing. The document has a row.
pub(super) fn replace_older(t: &Transaction<'_>, run: i64, document: DocumentId) -> Result<()> {
    const OLDER: &str = "SELECT o.id FROM documents d JOIN documents o ON o.name = d.name AND o.id <> d.id WHERE d.id = ?1";
    let older = t.prepare_cached(OLDER)?.query_map([document.0], |row| row.get(0).map(DocumentId))?.collect::<Result<Vec<_>>>()?;
    older.into_iter().try_for_each(|older| unlist(t, run, older))
}

/// Drops a document from the listing.
pub(super) fn unlist(t: &Transaction<'_>, run: i64, document: DocumentId) -> Result<()> {
    let sql = "DELETE FROM listing WHERE run = ?1 AND position = (SELECT position FROM temp.places WHERE document = ?2)";
    t.prepare_cached(sql)?.execute((run, document.0))?;
    t.prepare_cached("DELETE FROM temp.places WHERE document = ?1")?.execute([document.0]).map(|_| ())
}
