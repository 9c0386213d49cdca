//! Looks up answers and failures of calls.

use super::StoreError;
use super::schema::open_to_read;
use crate::model::{CallKey, DocumentId};
use rusqlite::{Connection, OptionalExtension as _};
use std::path::{Path, PathBuf};

/// The code that marks requeued calls.
pub(super) const REQUEUED: &str = "requeued";

/// The known result of a call. Records are JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The call is answered and must not be sent again.
    Answer(String),
    /// The call failed permanently.
    Failure {
        /// Failure code.
        code: String,
        /// The call record.
        call: String,
    },
}

impl Known {
    /// Whether a user requeued the call.
    pub fn is_requeued(&self) -> bool {
        matches!(self, Self::Failure { code, .. } if code == REQUEUED)
    }
}

/// Looks up committed answers and failures.
#[derive(Debug)]
pub struct AnswerReader {
    path: PathBuf,
    connection: Connection,
}

impl AnswerReader {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)? })
    }

    /// The known result of a call on a document.
    pub fn get(&self, document: DocumentId, key: CallKey) -> Result<Option<Known>, StoreError> {
        let get = || {
            let mut answer = self.connection.prepare_cached("SELECT call FROM answers WHERE document = ?1 AND call_key = ?2")?;
            let answered = answer.query_row((document.0, &key.0[..]), |row| row.get(0)).optional()?;
            let mut failure = self.connection.prepare_cached("SELECT code, call FROM failures WHERE document = ?1 AND call_key = ?2")?;
            let mut failed = || {
                failure.query_row((document.0, &key.0[..]), |row| Ok(Known::Failure { code: row.get(0)?, call: row.get(1)? })).optional()
            };
            match answered {
                // A requeued call takes precedence over its answer.
                Some(answer) => Ok(failed()?.filter(Known::is_requeued).or(Some(Known::Answer(answer)))),
                None => failed(),
            }
        };
        get().map_err(|e| self.error(e))
    }

    /// An answer to this call by any document. Returns the document's name and the record.
    pub fn of_any_document(&self, key: CallKey) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT d.name, a.call FROM answers a JOIN documents d ON d.id = a.document WHERE a.call_key = ?1 ORDER BY a.run, a.document LIMIT 1";
        let get = || self.connection.prepare_cached(sql)?.query_row([&key.0[..]], |row| Ok((row.get(0)?, row.get(1)?))).optional();
        get().map_err(|e| self.error(e))
    }

    /// An answer to this call by any version of a document.
    pub fn of_any_version(&self, name: &str, key: CallKey) -> Result<Option<String>, StoreError> {
        let sql = "SELECT a.call FROM documents d JOIN answers a ON a.document = d.id WHERE d.name = ?1 AND a.call_key = ?2 ORDER BY a.run LIMIT 1";
        let get = || self.connection.prepare_cached(sql)?.query_row((name, &key.0[..]), |row| row.get(0)).optional();
        get().map_err(|e| self.error(e))
    }

    /// An answer to this call by the document `first` or by a repetition of its name: `first~2`.
    /// Returns the document's name and the record.
    pub fn of_any_repetition(&self, first: &str, key: CallKey) -> Result<Option<(String, String)>, StoreError> {
        // The end of the range: `:` follows the digits.
        let sql = "SELECT d.name, a.call FROM documents d JOIN answers a ON a.document = d.id
            WHERE (d.name = ?1 OR d.name BETWEEN ?1 || '~0' AND ?1 || '~:') AND a.call_key = ?2 ORDER BY a.run LIMIT 1";
        let get = || self.connection.prepare_cached(sql)?.query_row((first, &key.0[..]), |row| Ok((row.get(0)?, row.get(1)?))).optional();
        get().map_err(|e| self.error(e))
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::new(&self.path, "cannot read answers", source)
    }
}
