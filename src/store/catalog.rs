//! Documents of earlier runs, for comparison with the walk.

use super::StoreError;
use super::reader::REQUEUED;
use super::schema::open_to_read;
use crate::model::{Digest, DocumentId, FailureCode, RowStatus, Stamp};
use rusqlite::Connection;
use std::cell::Cell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A document as an earlier run stored it.
#[derive(Debug, Clone)]
pub struct Version {
    /// Number of the document.
    pub id: DocumentId,
    /// Digest of its content, if the content was readable.
    pub digest: Option<Digest>,
    /// Stamp of its file at the time of reading.
    pub stamp: Option<Stamp>,
    /// Its row under the requested recipe, if any.
    pub row: Option<RowState>,
}

/// State of a row, which decides whether its document is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    /// The run that made it.
    pub run: i64,
    /// Name of the job.
    pub job: String,
    /// Status of the row.
    pub status: String,
    /// All failure codes of its calls, separated by commas.
    pub codes: Option<String>,
}

impl RowState {
    /// Status of the row; `None` if a newer version of docmill has written it.
    pub fn status(&self) -> Option<RowStatus> {
        RowStatus::ALL.into_iter().find(|status| status.as_str() == self.status)
    }
}

impl RowState {
    /// Whether a user has requeued the document.
    fn is_requeued(&self) -> bool {
        self.codes.as_deref().is_some_and(|codes| codes.split(',').any(|code| code == REQUEUED))
    }
}

/// Selects the failures of earlier runs that are retried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Retry {
    /// Transient failures.
    #[default]
    Transient,
    /// Transient failures, and failures with this code.
    Also(FailureCode),
    /// All failures.
    All,
}

impl Retry {
    /// Whether a failure with this code is retried.
    pub fn takes(&self, code: &str) -> bool {
        // An unknown code comes from a newer version, so a retry is safe.
        let Some(code) = FailureCode::parse(code) else { return true };
        // A document that the job does not accept is not a failure.
        let skipped = code == FailureCode::UnsupportedKind;
        !skipped && (code.is_transient() || *self == Self::All || *self == Self::Also(code))
    }

    /// Whether run `run` retries the failures of a row. A run never retries its own rows, unless a user
    /// requeues them.
    pub fn takes_row(&self, row: &RowState, run: i64) -> bool {
        self.takes_any(row.codes.as_deref()) && (row.run != run || row.is_requeued())
    }

    /// Whether any of these codes (separated by commas) is retried.
    pub fn takes_any(&self, codes: Option<&str>) -> bool {
        codes.is_some_and(|codes| codes.split(',').any(|code| self.takes(code)))
    }
}

/// Reads documents by name, optimised for queries in input order.
#[derive(Debug)]
pub struct Catalog {
    path: PathBuf,
    connection: Connection,
    /// Recipe of the rows; `None` if rows do not matter.
    recipe: Option<i64>,
    ahead: VecDeque<(String, Version)>,
    /// Size of the next read-ahead. It is small after a jump, and grows with each sequential query.
    chunk: u32,
    /// The last name and digest read ahead, and whether more follow.
    read_to: (String, Vec<u8>),
    more: bool,
    last_asked: String,
    listing: Listing,
    /// Whether the temporary table of [`Catalog::lists`] exists.
    copied: Cell<bool>,
}

/// Positions of an earlier run, read ahead.
#[derive(Debug, Default)]
struct Listing {
    run: i64,
    ahead: VecDeque<(u64, DocumentId)>,
    next: u64,
}

/// Maximum number of entries per read-ahead.
const CHUNK: u32 = 1024;
/// Entries per read-ahead after a jump. Rows of a table come in any order, so each query may be a
/// jump.
const FEW: u32 = 4;

impl Catalog {
    pub(super) fn open(path: &Path, recipe: Option<i64>) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            connection: open_to_read(path)?,
            recipe,
            ahead: VecDeque::new(),
            chunk: FEW,
            read_to: Default::default(),
            more: true,
            last_asked: String::new(),
            listing: Listing::default(),
            copied: Cell::new(false),
        })
    }

    /// Number of entries read ahead at the moment.
    #[cfg(test)]
    pub(super) fn ahead(&self) -> usize {
        self.ahead.len()
    }

    /// Opens a second catalog on the same store.
    pub fn another(&self) -> Result<Self, StoreError> {
        Self::open(&self.path, self.recipe)
    }

    /// All versions of a name: one for each content.
    pub fn versions(&mut self, name: &str) -> Result<Vec<Version>, StoreError> {
        let behind = name <= self.last_asked.as_str();
        let beyond = self.ahead.back().map_or(self.more && self.read_to.0.as_str() < name, |(last, _)| last.as_str() < name);
        if behind || beyond {
            // After a jump, read from the new name on, without the entries in between.
            self.ahead.clear();
            self.read_to = (name.to_owned(), Vec::new());
            (self.more, self.chunk) = (true, FEW);
            self.read_ahead(true)?;
        }
        name.clone_into(&mut self.last_asked);
        let mut versions = Vec::new();
        loop {
            if self.ahead.is_empty() && self.more {
                self.read_ahead(false)?;
            }
            match self.ahead.front() {
                Some((front, _)) if front.as_str() < name => drop(self.ahead.pop_front()),
                Some((front, _)) if front == name => versions.extend(self.ahead.pop_front().map(|(_, version)| version)),
                _ => return Ok(versions),
            }
        }
    }

    /// All versions of a name at this moment. [`Catalog::versions`] reads ahead, and may miss new commits.
    pub fn versions_now(&mut self, name: &str) -> Result<Vec<Version>, StoreError> {
        // The same name again counts as a jump, which reads anew.
        name.clone_into(&mut self.last_asked);
        self.versions(name)
    }

    fn read_ahead(&mut self, inclusive: bool) -> Result<(), StoreError> {
        let compare = if inclusive { ">=" } else { ">" };
        let sql = format!(
            "SELECT d.name, d.digest, d.id, d.stamp, r.run, r.job, r.status, r.codes FROM documents d
             LEFT JOIN rows r ON r.recipe = ?1 AND r.document = d.id
             WHERE (d.name, d.digest) {compare} (?2, ?3) ORDER BY d.name, d.digest LIMIT ?4"
        );
        let (name, digest) = &self.read_to;
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            statement.query_map((self.recipe, name, digest, self.chunk), version)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let chunk = read().map_err(|e| StoreError::new(&self.path, "cannot read documents", e))?;
        self.more = chunk.len() == self.chunk as usize;
        self.chunk = (self.chunk * 4).min(CHUNK);
        if let Some((name, last)) = chunk.last() {
            self.read_to = (name.clone(), last.digest.map_or_else(Vec::new, |digest| digest.0.to_vec()));
        }
        self.ahead.extend(chunk);
        Ok(())
    }

    /// Documents with this content under any name: number, name and stamp.
    pub fn with_content(&self, digest: Digest) -> Result<Vec<(DocumentId, String, Option<Stamp>)>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached("SELECT id, name, stamp FROM documents WHERE digest = ?1 ORDER BY id")?;
            let rows = statement
                .query_map([&digest.0[..]], |row| Ok((DocumentId(row.get(0)?), row.get(1)?, stamp(row.get_ref(2)?.as_blob()?))))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|e| StoreError::new(&self.path, "cannot read documents", e))
    }

    /// The row state of one document.
    pub fn row(&self, id: DocumentId) -> Result<Option<RowState>, StoreError> {
        let read = || {
            let mut statement =
                self.connection.prepare_cached("SELECT run, job, status, codes FROM rows WHERE recipe = ?1 AND document = ?2")?;
            let mut rows = statement.query((self.recipe, id.0))?;
            rows.next()?.map(|row| row_state(row, 0)).transpose().map(Option::flatten)
        };
        read().map_err(|e| StoreError::new(&self.path, "cannot read rows", e))
    }

    /// Whether the listing of run `run` has the document. Expects the same run in every query.
    pub fn lists(&self, run: i64, id: DocumentId) -> Result<bool, StoreError> {
        let read = || {
            // Listings have no index by document.
            if !self.copied.replace(true) {
                self.connection.execute_batch("CREATE TEMP TABLE listed (document INTEGER PRIMARY KEY)")?;
                self.connection.execute("INSERT OR IGNORE INTO temp.listed SELECT document FROM listing WHERE run = ?1", [run])?;
            }
            self.connection.prepare_cached("SELECT 1 FROM temp.listed WHERE document = ?1")?.exists([id.0])
        };
        read().map_err(|e| StoreError::new(&self.path, "cannot read listings", e))
    }

    /// Adds a document to those of [`Catalog::lists`].
    pub fn note_listed(&self, id: DocumentId) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO temp.listed VALUES (?1)";
        let note = || self.connection.prepare_cached(sql)?.execute([id.0]).map(drop);
        if self.copied.get() { note().map_err(|e| StoreError::new(&self.path, "cannot note listings", e)) } else { Ok(()) }
    }

    /// The document at a position of run `run`'s listing. Expects ascending positions.
    pub fn listed(&mut self, run: i64, position: u64) -> Result<Option<DocumentId>, StoreError> {
        let listing = &mut self.listing;
        if listing.run != run {
            *listing = Listing { run, ahead: VecDeque::new(), next: position };
        }
        if listing.ahead.is_empty() && listing.next == position {
            let read = || {
                let sql = "SELECT position, document FROM listing WHERE run = ?1 AND position >= ?2 ORDER BY position LIMIT ?3";
                let mut statement = self.connection.prepare_cached(sql)?;
                let rows = statement.query_map((run, position, CHUNK), |row| Ok((row.get(0)?, DocumentId(row.get(1)?))))?;
                rows.collect::<rusqlite::Result<VecDeque<_>>>()
            };
            listing.ahead = read().map_err(|e| StoreError::new(&self.path, "cannot read listings", e))?;
            listing.next = listing.ahead.back().map_or(position, |(last, _)| last + 1);
        }
        Ok(listing.ahead.pop_front().filter(|(at, _)| *at == position).map(|(_, id)| id))
    }
}

fn version(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, Version)> {
    let digest = row.get_ref(1)?.as_blob()?.try_into().ok().map(Digest);
    let version = Version { id: DocumentId(row.get(2)?), digest, stamp: stamp(row.get_ref(3)?.as_blob()?), row: row_state(row, 4)? };
    Ok((row.get(0)?, version))
}

pub(super) fn row_state(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<RowState>> {
    let Some(run) = row.get(at)? else { return Ok(None) };
    Ok(Some(RowState { run, job: row.get(at + 1)?, status: row.get(at + 2)?, codes: row.get(at + 3)? }))
}

/// Decodes a stamp from the store.
pub(super) fn stamp(bytes: &[u8]) -> Option<Stamp> {
    let bytes: [u8; 24] = bytes.try_into().ok()?;
    let part = |at: usize| <[u8; 8]>::try_from(&bytes[at..at + 8]).ok();
    Some(Stamp { size: u64::from_be_bytes(part(0)?), modified_ns: i64::from_be_bytes(part(8)?), changed_ns: i64::from_be_bytes(part(16)?) })
}
