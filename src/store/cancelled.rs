//! Documents that somebody has given up: no run asks about them.
//!
//! A name is kept from the moment when it is cancelled, so that no kill loses it, until the document has a row that says so.

use super::{Store, StoreError};
use rusqlite::{Connection, Result, Transaction};

impl Store {
    /// What runs before have left.
    pub fn cancelled(&self) -> std::result::Result<Vec<String>, StoreError> {
        let read = || self.writer.prepare("SELECT name FROM cancelled")?.query_map((), |row| row.get(0))?.collect::<Result<_>>();
        read().map_err(|e| self.error("cancelled documents cannot be read", e))
    }

    /// A run that got to its end has had all documents there are.
    pub fn forget_cancelled(&self) -> std::result::Result<(), StoreError> {
        self.writer.execute("DELETE FROM cancelled", ()).map(drop).map_err(|e| self.error("cancelled documents cannot be forgotten", e))
    }
}

pub(super) fn cancel(transaction: &Transaction<'_>, name: &str) -> Result<()> {
    transaction.execute("INSERT OR IGNORE INTO cancelled VALUES (?1)", [name]).map(|_| ())
}

/// It has a row that says so, or somebody wants it to be asked about again.
pub(super) fn forget(connection: &Connection, name: &str) -> Result<()> {
    connection.execute("DELETE FROM cancelled WHERE name = ?1", [name]).map(|_| ())
}
