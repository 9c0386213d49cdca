//! Cancelled documents, which no run sends.
//!
//! A name is stored at the moment of cancellation, so that no kill loses it. It stays until the
//! document has a row that records the cancellation.

use super::{Store, StoreError};
use rusqlite::{Connection, Result, Transaction};

impl Store {
    /// Names that earlier runs left.
    pub fn cancelled(&self) -> std::result::Result<Vec<String>, StoreError> {
        let read = || self.writer.prepare("SELECT name FROM cancelled")?.query_map((), |row| row.get(0))?.collect::<Result<_>>();
        read().map_err(|e| self.error("cannot read cancelled documents", e))
    }

    /// Forgets all names, because a complete run has processed every document.
    pub fn forget_cancelled(&self) -> std::result::Result<(), StoreError> {
        self.writer.execute("DELETE FROM cancelled", ()).map(drop).map_err(|e| self.error("cannot forget cancelled documents", e))
    }
}

pub(super) fn cancel(transaction: &Transaction<'_>, name: &str) -> Result<()> {
    transaction.execute("INSERT OR IGNORE INTO cancelled VALUES (?1)", [name]).map(|_| ())
}

/// Forgets a name: its row records the cancellation, or a user requeued the document.
pub(super) fn forget(connection: &Connection, name: &str) -> Result<()> {
    connection.execute("DELETE FROM cancelled WHERE name = ?1", [name]).map(|_| ())
}
