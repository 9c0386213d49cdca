//! Cancelled documents, which no run sends.
//!
//! The name is committed at the moment of cancellation, so that a crash does not lose it. The name
//! stays until the document's row records the cancellation.

use rusqlite::{Connection, Result, Transaction};

/// Marks a document as cancelled.
pub(super) fn cancel(transaction: &Transaction<'_>, name: &str) -> Result<()> {
    transaction.execute("INSERT OR IGNORE INTO cancelled VALUES (?1)", [name]).map(|_| ())
}

/// Removes the mark. By then a row records the cancellation, or a user requeued the document.
pub(super) fn forget(connection: &Connection, name: &str) -> Result<()> {
    connection.execute("DELETE FROM cancelled WHERE name = ?1", [name]).map(|_| ())
}
