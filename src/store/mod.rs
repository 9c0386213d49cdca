//! The run store: one SQLite file in the output directory that remembers answers, rows and runs.
//!
//! One thread writes, in groups: it takes what has piled up, commits it in one durable transaction, and only then
//! tells those who wait. Readers have connections of their own. Result files are a view of this store.
//!
//! Tables, named for people who query them: `runs`, `answers` (call key and document -> answer), `rows`.

mod lock;
mod reader;
mod schema;
mod settings;
mod writer;

pub use lock::{LockError, RunLock};
pub use reader::{AnswerReader, RowReader};
pub use schema::StoreError;
pub use settings::StoreSettings;
pub use writer::{NewAnswer, NewRow, OnCommit, StoreHandle, StoreWriter, WriterGone};

use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Name of the store in the output directory.
pub const FILE_NAME: &str = "docmill.db";

/// An opened store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    writer: Connection,
    run: i64,
}

impl Store {
    /// Opens the store in `directory`, which must exist, creating or migrating it, and begins a run.
    /// `settings` is kept with the run for its history.
    pub fn begin_run(directory: &Path, started: &str, settings: &str) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let writer = schema::open(&path)?;
        let run = writer
            .query_row(
                "INSERT INTO runs (started, docmill_version, settings) VALUES (?1, ?2, ?3) RETURNING id",
                (started, env!("CARGO_PKG_VERSION"), settings),
                |row| row.get(0),
            )
            .map_err(|e| StoreError::new(&path, "a run cannot be recorded", e))?;
        Ok(Self { path, writer, run })
    }

    /// The number of this run.
    pub fn run(&self) -> i64 {
        self.run
    }

    /// A reader of committed answers; `None` if there are none, which saves a look-up for each document.
    pub fn answers(&self) -> Result<Option<AnswerReader>, StoreError> {
        AnswerReader::open(&self.path)
    }

    /// A reader of this run's rows.
    pub fn rows(&self) -> Result<RowReader, StoreError> {
        RowReader::open(&self.path, self.run)
    }
}

#[cfg(test)]
mod tests;
