//! Cancelled documents, which no run sends.
//!
//! A name is stored at the moment of cancellation, so that no kill loses it. It stays until the
//! document has a row that records the cancellation.

use rusqlite::{Connection, Result, Transaction};

/// Keeps a name.
pub(super) fn cancel(transaction: &Transaction<'_>, name: &str) -> Result<()> {
    transaction.execute("INSERT OR IGNORE INTO cancelled VALUES (?1)", [name]).map(|_| ())
}

/// Forgets a name: its row records the cancellation, or a user requeued the document.
pub(super) fn forget(connection: &Connection, name: &str) -> Result<()> {
    connection.execute("DELETE FROM cancelled WHERE name = ?1", [name]).map(|_| ())
}
