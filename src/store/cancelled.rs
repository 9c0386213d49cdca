//! Documents that somebody has given up and that had not come when their run stopped: the next run does not ask about them.
//!
//! The table is made when there is something to be kept in it, which is rare.

use super::{Store, StoreError};
use rusqlite::{Connection, Result};

impl Store {
    /// What runs before have left.
    pub fn cancelled(&self) -> Result<Vec<String>, StoreError> {
        let read = || {
            if !is_there(&self.writer)? {
                return Ok(Vec::new());
            }
            self.writer.prepare("SELECT name FROM cancelled")?.query_map((), |row| row.get(0))?.collect()
        };
        read().map_err(|e| self.error("cancelled documents cannot be read", e))
    }

    /// Leaves these to the next run, and no others.
    pub fn keep_cancelled(&self, names: &[String]) -> Result<(), StoreError> {
        let keep = || {
            if names.is_empty() && !is_there(&self.writer)? {
                return Ok(());
            }
            let transaction = self.writer.unchecked_transaction()?;
            transaction
                .execute_batch("CREATE TABLE IF NOT EXISTS cancelled (name TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM cancelled;")?;
            for name in names {
                transaction.execute("INSERT INTO cancelled VALUES (?1)", [name])?;
            }
            transaction.commit()
        };
        keep().map_err(|e| self.error("cancelled documents cannot be kept", e))
    }
}

/// Whoever wants a document to be asked about again does not want it to be given up.
pub(super) fn forget(connection: &Connection, name: &str) -> Result<()> {
    if is_there(connection)? { connection.execute("DELETE FROM cancelled WHERE name = ?1", [name]).map(|_| ()) } else { Ok(()) }
}

fn is_there(connection: &Connection) -> Result<bool> {
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'cancelled'")?.exists(())
}
