//! Reading connections.

use super::schema::connect;
use super::{Store, StoreError};
use crate::model::CallKey;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::{Path, PathBuf};

/// Looks up committed answers.
#[derive(Debug)]
pub struct AnswerReader {
    path: PathBuf,
    connection: Connection,
}

impl AnswerReader {
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let connection = connect(path)?;
        let any = connection.query_row("SELECT 1 FROM answers LIMIT 1", (), |_| Ok(())).optional();
        let any = any.map_err(|e| StoreError::new(path, "answers cannot be read", e))?;
        Ok(any.map(|()| Self { path: path.to_owned(), connection }))
    }

    /// The record of an answered call on a document, as JSON.
    pub fn get(&self, key: CallKey, document: &str) -> Result<Option<String>, StoreError> {
        let get = || {
            let mut statement = self.connection.prepare_cached("SELECT call FROM answers WHERE call_key = ?1 AND document = ?2")?;
            statement.query_row((&key.0[..], document), |row| row.get(0)).optional()
        };
        get().map_err(|e| StoreError::new(&self.path, "answers cannot be read", e))
    }
}

/// Reads the rows of a run in input order, as far as they are committed.
#[derive(Debug)]
pub struct RowReader {
    path: PathBuf,
    connection: Connection,
    run: i64,
}

impl RowReader {
    pub(super) fn open(path: &Path, run: i64) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: connect(path)?, run })
    }

    /// Gives `each` the rows from `position` on, until one is missing or, if `gaps` are allowed, to the end. Returns
    /// the position after the last one. Only one row is in memory at a time.
    pub fn read_from<E: From<StoreError>>(
        &self,
        position: u64,
        gaps: bool,
        mut each: impl FnMut(&str, &str) -> Result<(), E>,
    ) -> Result<u64, E> {
        let error = |e| StoreError::new(&self.path, "rows cannot be read", e);
        let mut next = position;
        let mut statement = self
            .connection
            .prepare_cached("SELECT position, job, result FROM rows WHERE run = ?1 AND position >= ?2 ORDER BY position")
            .map_err(error)?;
        let mut rows = statement.query((self.run, position)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let at: u64 = row.get(0).map_err(error)?;
            if at != next && !gaps {
                break;
            }
            let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
            each(text(1).map_err(error)?, text(2).map_err(error)?)?;
            next = at + 1;
        }
        Ok(next)
    }
}

impl Store {
    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
