//! Rows in the order of their commits, and the state of databases that get them.

use super::history::publish;
use super::schema::open_to_read;
use super::{Archive, Store, StoreError};
use crate::model::{Digest, ResultFile};
use rusqlite::{Connection, OptionalExtension as _};
use std::path::{Path, PathBuf};

/// Stands for the database among result files. No file has this path.
const DATABASE: &str = ":postgres";

/// A new row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedRow {
    /// Its number. Later rows have larger ones. The newest row may be replaced by one with its number.
    pub id: i64,
    /// Index in input order, so far.
    pub position: u64,
    /// The document's name.
    pub document: String,
    /// The row as JSON, without index and document.
    pub text: String,
}

/// Reads the rows of a run as they are committed.
#[derive(Debug)]
pub struct CommittedRows {
    path: PathBuf,
    connection: Connection,
    run: i64,
    recipe: i64,
}

impl CommittedRows {
    fn open(path: &Path, run: i64, recipe: i64) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)?, run, recipe })
    }

    /// The next rows of listed documents from row `id` on, about `most` bytes of them.
    pub fn from(&self, id: i64, most: usize) -> Result<Vec<CommittedRow>, StoreError> {
        let read = || -> rusqlite::Result<_> {
            let sql = "SELECT r.id, l.position, d.name, r.result FROM rows r CROSS JOIN documents d CROSS JOIN listing l
                WHERE r.id >= ?1 AND r.recipe = ?2 AND d.id = r.document AND l.document = r.document AND l.run = ?3 ORDER BY r.id";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut found = statement.query((id, self.recipe, self.run))?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while bytes < most
                && let Some(row) = found.next()?
            {
                let row = CommittedRow { id: row.get(0)?, position: row.get(1)?, document: row.get(2)?, text: row.get(3)? };
                bytes += row.text.len() + row.document.len();
                rows.push(row);
            }
            Ok(rows)
        };
        read().map_err(|e| StoreError::new(&self.path, "cannot read rows", e))
    }

    /// The largest number of a row; 0 without rows.
    pub fn last(&self) -> Result<i64, StoreError> {
        let last = self.connection.query_row("SELECT ifnull(max(id), 0) FROM rows", (), |row| row.get(0));
        last.map_err(|e| StoreError::new(&self.path, "cannot read rows", e))
    }
}

impl Store {
    /// A name that no other store has.
    pub fn identity(&self) -> Result<String, StoreError> {
        identity_of(&self.writer).map_err(|e| self.error("cannot read its secret", e))
    }

    /// A reader of this run's rows in the order of commits. `None` if rows must not become visible
    /// before the end, because complete results of another job, model or settings exist.
    pub fn committed_rows(&self) -> Result<Option<CommittedRows>, StoreError> {
        let sql = "SELECT recipe FROM runs WHERE outcome = 'complete' ORDER BY id DESC LIMIT 1";
        let complete: Option<i64> =
            self.writer.query_row(sql, (), |row| row.get(0)).optional().map_err(|e| self.error("cannot read runs", e))?;
        let may_show = self.run.follows || complete.is_none_or(|recipe| recipe == self.run.recipe);
        may_show.then(|| CommittedRows::open(&self.path, self.run.id, self.run.recipe)).transpose()
    }

    /// The listing of the newest results of `job`, if this run has made them.
    pub fn newest_results(&self, job: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id, ifnull(listing, id) FROM runs
            WHERE EXISTS (SELECT 1 FROM json_each(jobs) j WHERE json_extract(j.value, '$.name') = ?1)
            ORDER BY outcome IS 'complete' DESC, id DESC LIMIT 1";
        let newest = self.writer.query_row(sql, [job], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional();
        let newest = newest.map_err(|e| self.error("cannot read runs", e))?;
        Ok(newest.filter(|(run, _)| *run == self.run.id).map(|(_, listing)| listing))
    }

    /// The run after which `database` had all results, if these are the results of `listing`.
    pub fn settled(&self, database: Digest, listing: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT f.run FROM files f JOIN runs r ON r.id = f.run
            WHERE f.path = ?1 AND f.digest = ?2 AND r.outcome = 'complete' AND r.recipe = ?3 AND r.listing = ?4";
        let run = self.writer.query_row(sql, (DATABASE, &database.0[..], self.run.recipe, listing), |row| row.get(0)).optional();
        run.map_err(|e| self.error("cannot look up the database", e))
    }

    /// Records that `database` has all results of this run.
    pub fn settle(&self, database: Digest) -> Result<(), StoreError> {
        let file = ResultFile { path: DATABASE.to_owned(), size: 0, digest: database };
        publish(&self.writer, self.run.id, &[file]).map_err(|e| self.error("cannot record the database", e))
    }
}

impl Archive {
    /// A name that no other store has.
    pub fn identity(&self) -> Result<String, StoreError> {
        self.read("its secret", || identity_of(self.connection()))
    }
}

/// The name is made from the secret, but does not tell it.
pub(super) fn identity_of(connection: &Connection) -> rusqlite::Result<String> {
    let secret: Vec<u8> = connection.query_row("SELECT fence FROM secret", (), |row| row.get(0))?;
    Ok(blake3::Hash::from(blake3::derive_key("docmill name of a run store", &secret)).to_hex()[..32].to_owned())
}
