//! Reads rows in input order, as the source of result files.

use super::schema::{connect, open_to_read};
use super::{Retry, StoreError};
use crate::model::JobColumns;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Selects the rows of a run's results.
#[derive(Debug, Clone)]
pub struct View {
    /// Number of the run.
    pub run: i64,
    /// Recipe of the rows.
    pub recipe: i64,
    /// The run that owns the listing.
    pub listing: i64,
    /// Its jobs.
    pub jobs: Vec<JobColumns>,
    /// Whether the run is complete.
    pub complete: bool,
}

/// A stored row. Texts are borrowed from the store, so that memory holds only one row.
#[derive(Debug, Clone, Copy)]
pub struct StoredRow<'s> {
    /// Index in input order.
    pub position: u64,
    /// The document's name.
    pub document: &'s str,
    /// Name of the job.
    pub job: &'s str,
    /// The row as JSON, without index and document.
    pub text: &'s str,
}

/// Reads rows in input order.
#[derive(Debug)]
pub struct ViewReader {
    path: PathBuf,
    connection: Connection,
    listing: i64,
    recipe: i64,
    /// Table that holds the listing.
    listings: &'static str,
    /// An active run's number, and the older rows that it replaces.
    at_work: Option<(i64, Retry)>,
}

impl ViewReader {
    /// A reader of the rows of an active run.
    pub(super) fn follow(path: &Path, run: i64, recipe: i64, retry: Retry) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            connection: connect(path)?,
            listing: run,
            recipe,
            listings: "listing",
            at_work: Some((run, retry)),
        })
    }

    /// A reader of the rows of a listing under a recipe.
    pub(super) fn of(path: &Path, listing: i64, recipe: i64) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)?, listing, recipe, listings: "listing", at_work: None })
    }

    /// The same reader on the temporary listing `united` of this connection.
    pub(super) fn of_united(self, listing: i64) -> Self {
        Self { listing, listings: "temp.united", ..self }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Calls `each` with the rows from `position` on. Stops at the first missing row, unless `gaps`
    /// are allowed. Returns the position after the last row.
    pub fn read_from<E: From<StoreError>>(
        &self,
        position: u64,
        gaps: bool,
        mut each: impl FnMut(StoredRow<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let error = |e| StoreError::new(&self.path, "cannot read rows", e);
        let mut next = position;
        let sql = format!(
            "SELECT l.position, d.name, r.job, r.result, r.run, r.codes
            FROM {} l JOIN documents d ON d.id = l.document
            LEFT JOIN rows r ON r.recipe = ?2 AND r.document = l.document
            WHERE l.run = ?1 AND l.position >= ?3 ORDER BY l.position",
            self.listings
        );
        let mut statement = self.connection.prepare_cached(&sql).map_err(error)?;
        let mut rows = statement.query((self.listing, self.recipe, position)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let at: u64 = row.get(0).map_err(error)?;
            let there = self.is_there(row).map_err(error)?;
            if !gaps && (at != next || !there) {
                break;
            }
            next = at + 1;
            if row.get_ref(4).map_err(error)? == rusqlite::types::ValueRef::Null {
                continue;
            }
            let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(error);
            each(StoredRow { position: at, document: text(1)?, job: text(2)?, text: text(3)? })?;
        }
        Ok(next)
    }

    /// Whether a document has its final row.
    fn is_there(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<bool> {
        let Some(made_by) = row.get::<_, Option<i64>>(4)? else { return Ok(false) };
        let Some((run, retry)) = &self.at_work else { return Ok(true) };
        let codes = row.get_ref(5)?.as_str_or_null()?;
        Ok(made_by == *run || !retry.takes_any(codes))
    }
}
