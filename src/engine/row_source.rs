//! Rows in input order, for a database that needs some of them.

use super::RunError;
use crate::model::Row;
use crate::store::{StoreError, StoredRow, ViewReader};
use crate::write::{PostgresSession, RowKey, SentRow};
use std::collections::BTreeSet;

/// Number of keys that are compared at a time.
const KEYS: usize = 5000;
/// Size of a group of rows in bytes, about.
pub(super) const GROUP: usize = 1 << 20;

/// Rows that can be read from any place on.
pub trait RowSource {
    /// Calls `each` with the rows from `position` on, in order. Its first error ends the reading.
    fn read_from<E: From<StoreError> + From<RunError>>(
        &self,
        position: u64,
        each: impl FnMut(StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E>;
}

impl RowSource for ViewReader {
    fn read_from<E: From<StoreError> + From<RunError>>(
        &self,
        position: u64,
        each: impl FnMut(StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        Self::read_from(self, position, true, each).map(drop)
    }
}

/// A reading that ends when enough rows are there.
enum Enough {
    Rows,
    Failed(RunError),
}

impl From<StoreError> for Enough {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RunError> for Enough {
    fn from(error: RunError) -> Self {
        Self::Failed(error)
    }
}

/// Keys of the rows of `job` from `position` on, and the position after them.
pub(super) fn keys(source: &impl RowSource, job: &str, position: u64, session: &PostgresSession) -> Result<(u64, Vec<RowKey>), RunError> {
    let (mut keys, mut next) = (Vec::new(), position);
    let read = source.read_from(position, |StoredRow { position, document, job: of, text }| {
        if keys.len() >= KEYS {
            return Err(Enough::Rows);
        }
        next = position + 1;
        if of == job {
            // Without a connection, the next step fails.
            let digest = session.digest(job, text).unwrap_or_default();
            keys.push(RowKey { document: document.to_owned(), index: position, digest });
        }
        Ok(())
    });
    match read {
        Err(Enough::Failed(error)) => Err(error),
        Ok(()) | Err(Enough::Rows) => Ok((next, keys)),
    }
}

/// The first rows of `job` at these places, about [`GROUP`] bytes of them. Removes their places.
pub(super) fn rows_at(source: &impl RowSource, job: &str, places: &mut BTreeSet<u64>) -> Result<Vec<SentRow>, RunError> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else { return Ok(rows) };
    let read = source.read_from(first, |StoredRow { position, document, job: of, text }| {
        if position > last || bytes >= GROUP {
            return Err(Enough::Rows);
        }
        if of == job && places.remove(&position) {
            let parsed = Row::read(position, document, text);
            let row = parsed.map_err(|e| Enough::Failed(RunError::Internal(format!("cannot read the row of {document} back: {e}"))))?;
            bytes += text.len();
            rows.push(SentRow { row, text: text.to_owned() });
        }
        Ok(())
    });
    match read {
        Err(Enough::Failed(error)) => Err(error),
        Err(Enough::Rows) if bytes >= GROUP => Ok(rows),
        // Rows that are gone since need not be found.
        Ok(()) | Err(Enough::Rows) => {
            places.clear();
            Ok(rows)
        }
    }
}
