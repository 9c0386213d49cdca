//! The listing of a run whose documents arrive: one place for each document.
//!
//! The temporary table `places` of the writing connection finds the position of a document.

use super::outbox;
use super::records::Run;
use crate::model::DocumentId;
use rusqlite::{Result, Transaction};

/// Notes the position of a listed document, and drops its earlier one.
pub(super) fn placed(t: &Transaction<'_>, run: Run, position: u64, document: DocumentId) -> Result<()> {
    let before = "DELETE FROM listing WHERE run = ?1 AND position <> ?3
        AND position = (SELECT position FROM temp.places WHERE document = ?2)";
    t.prepare_cached(before)?.execute((run.id, document.0, position))?;
    t.prepare_cached("INSERT OR REPLACE INTO temp.places VALUES (?1, ?2)")?.execute((document.0, position))?;
    let has_row = "SELECT 1 FROM rows WHERE recipe = ?1 AND document = ?2";
    let has_row = t.prepare_cached(has_row)?.exists((run.recipe, document.0))?;
    if has_row { replace_older(t, run, document, true) } else { Ok(()) }
}

/// Makes a document with a row the current one of its name: drops others from the listing, and
/// delivers its row. `is_known` tells whether the row may have been delivered.
pub(super) fn replace_older(t: &Transaction<'_>, run: Run, document: DocumentId, is_known: bool) -> Result<()> {
    const OLDER: &str = "SELECT o.id FROM documents d JOIN documents o ON o.name = d.name AND o.id <> d.id WHERE d.id = ?1";
    let older = t.prepare_cached(OLDER)?.query_map([document.0], |row| row.get(0).map(DocumentId))?.collect::<Result<Vec<_>>>()?;
    older.into_iter().try_for_each(|older| unlist(t, run, older))?;
    if run.delivers { outbox::add(t, document, is_known) } else { Ok(()) }
}

/// Drops a document from the listing whose file `name` has vanished. A renamed one stays.
pub(super) fn vanished(t: &Transaction<'_>, run: Run, document: DocumentId, name: &str) -> Result<()> {
    let has_name = t.prepare_cached("SELECT 1 FROM documents WHERE id = ?1 AND name = ?2")?.exists((document.0, name))?;
    if has_name { unlist(t, run, document) } else { Ok(()) }
}

/// Drops a document from the listing.
fn unlist(t: &Transaction<'_>, run: Run, document: DocumentId) -> Result<()> {
    let sql = "DELETE FROM listing WHERE run = ?1 AND position = (SELECT position FROM temp.places WHERE document = ?2)";
    t.prepare_cached(sql)?.execute((run.id, document.0))?;
    t.prepare_cached("DELETE FROM temp.places WHERE document = ?1")?.execute([document.0])?;
    if run.delivers { outbox::gone(t, document) } else { Ok(()) }
}
