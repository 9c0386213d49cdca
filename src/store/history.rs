//! Queries the store: runs, counts, calls in doubt. Read-only, also during a run.

use super::catalog::Catalog;
use super::reader::AnswerReader;
use super::schema::{connect, open_if_created};
use super::view::{View, ViewReader};
use super::{FILE_NAME, StoreError};
use crate::model::{Digest, JobColumns, Money, ResultFile};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// A store opened for reading.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    connection: Connection,
}

/// A run in the store.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Number of the run.
    pub id: i64,
    /// When it began, in UTC.
    pub started: String,
    /// When it ended; `None` if it crashed or is active.
    pub ended: Option<String>,
    /// Version of docmill.
    pub version: String,
    /// The settings in force, as JSON.
    pub settings: String,
    /// The command line.
    pub command: String,
    /// Digest of its recipe.
    pub recipe: i64,
    /// Its jobs.
    pub jobs: Vec<JobColumns>,
    /// The run that owns its listing, if the walk was complete.
    pub listing: Option<i64>,
    /// Number of documents, if the walk was complete.
    pub documents: Option<u64>,
    /// `complete`, `stopped`, or `sample` for a partial run on request; `None` if it crashed or is
    /// active.
    pub outcome: Option<String>,
    /// Why it stopped.
    pub stopped: Option<String>,
    /// Its summaries as JSON.
    pub summary: Option<String>,
    /// Its figures as JSON.
    pub figures: Option<String>,
}

/// A request in doubt: sent, with an unknown outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The run that sent it.
    pub run: i64,
    /// Name of the document.
    pub document: String,
    /// Task and axes.
    pub call: String,
    /// The key of the call, in hexadecimal.
    pub key: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    /// Maximum cost; `None` if the price is not known.
    pub at_most: Option<Money>,
}

/// An answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredRequest {
    /// Task and axes.
    pub call: String,
    /// Duration from first byte sent to last byte received, in milliseconds.
    pub ms: u64,
    /// Length of the answer in tokens.
    pub output_tokens: u64,
}

impl Archive {
    /// Opens the store in `directory`; `None` if it does not exist, or has no tables yet.
    pub fn open(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE_NAME);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(e) => return Err(StoreError::new(&path, "cannot access it; it may belong to another user", e)),
        }
        Ok(open_if_created(&path)?.map(|connection| Self { path, connection }))
    }

    /// Path of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        self.read("runs", || {
            let sql = "SELECT id, started, ended, docmill_version, settings, command, recipe, jobs, listing, documents, outcome,
                stopped, summary, figures FROM runs ORDER BY id";
            self.connection.prepare(sql)?.query_map((), run_record)?.collect()
        })
    }

    /// The newest complete run of `job`, or of any job. Returns the newest run if `partial` is set
    /// or no run is complete.
    pub fn view(&self, job: Option<&str>, partial: bool) -> Result<Option<View>, StoreError> {
        let mut runs = self.runs()?;
        runs.retain(|run| job.is_none_or(|job| run.jobs.iter().any(|j| j.name == job)));
        let complete = |run: &&RunRecord| run.outcome.as_deref() == Some("complete");
        let newest = runs.iter().rfind(complete).filter(|_| !partial);
        let Some(run) = newest.or(runs.last()) else { return Ok(None) };
        Ok(Some(Self::view_of(run)))
    }

    /// The results of a run.
    pub fn view_of(run: &RunRecord) -> View {
        let (listing, complete) = (run.listing.unwrap_or(run.id), run.outcome.as_deref() == Some("complete"));
        View { run: run.id, recipe: run.recipe, listing, jobs: run.jobs.clone(), complete }
    }

    /// A reader of the rows of a view.
    pub fn rows(&self, view: &View) -> Result<ViewReader, StoreError> {
        ViewReader::of(&self.path, view.listing, view.recipe)
    }

    /// The documents of all runs, with their rows under this recipe. Without a recipe, the catalog
    /// has no rows.
    pub fn catalog(&self, recipe: Option<i64>) -> Result<Catalog, StoreError> {
        Catalog::open(&self.path, recipe)
    }

    /// A reader of committed answers and failures.
    pub fn answers(&self) -> Result<AnswerReader, StoreError> {
        AnswerReader::open(&self.path)
    }

    /// The newest answered requests of these runs, at most `most`.
    pub fn answered(&self, runs: &[i64], most: u32) -> Result<Vec<AnsweredRequest>, StoreError> {
        let runs: Vec<String> = runs.iter().map(i64::to_string).collect();
        self.read("the ledger", || {
            let sql = format!(
                "SELECT call, ended_ms - sent_ms, output_tokens FROM attempts
                WHERE outcome = 'answered' AND run IN ({}) ORDER BY id DESC LIMIT ?1",
                runs.join(", ")
            );
            let request = |row: &rusqlite::Row<'_>| {
                // Clocks may be set back.
                Ok(AnsweredRequest { call: row.get(0)?, ms: row.get::<_, i64>(1)?.unsigned_abs(), output_tokens: row.get(2)? })
            };
            self.connection.prepare(&sql)?.query_map([most], request)?.collect()
        })
    }

    /// Requests in doubt, oldest first.
    pub fn in_doubt(&self) -> Result<Vec<Doubt>, StoreError> {
        self.read("the ledger", || {
            let sql = "SELECT a.run, d.name, a.call, lower(hex(a.call_key)), a.sent_ms, a.at_most_pico_usd FROM attempts a
                LEFT JOIN documents d ON d.id = a.document WHERE a.outcome IS NULL ORDER BY a.id";
            let doubt = |row: &rusqlite::Row<'_>| {
                Ok(Doubt {
                    run: row.get(0)?,
                    document: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                    call: row.get(2)?,
                    key: row.get(3)?,
                    sent_ms: row.get(4)?,
                    at_most: row.get::<_, Option<u64>>(5)?.map(Money::from_pico),
                })
            };
            self.connection.prepare(sql)?.query_map((), doubt)?.collect()
        })
    }

    /// The published result files, each with its run. The run is 0 if a row or a name in the file
    /// has changed since.
    pub fn published(&self) -> Result<Vec<(ResultFile, i64)>, StoreError> {
        self.read("result files", || {
            let file = |row: &rusqlite::Row<'_>| {
                Ok((ResultFile { path: row.get(0)?, size: row.get(1)?, digest: Digest(row.get(2)?) }, row.get(3)?))
            };
            self.connection.prepare("SELECT path, size, digest, run FROM files ORDER BY path")?.query_map((), file)?.collect()
        })
    }

    /// Records result files of run `run`. Other files of their jobs stay known.
    pub fn published_by(&self, run: i64, files: &[ResultFile]) -> Result<(), StoreError> {
        let connection = connect(&self.path)?;
        self.read("result files", || publish(&connection, run, files))
    }

    /// Records all result files of their jobs, which run `run` has made.
    pub fn all_published_by(&self, run: i64, files: &[ResultFile]) -> Result<(), StoreError> {
        let connection = connect(&self.path)?;
        self.read("result files", || publish_all(&connection, run, files))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn read<T>(&self, what: &str, read: impl FnOnce() -> rusqlite::Result<T>) -> Result<T, StoreError> {
        read().map_err(|e| StoreError::new(&self.path, format!("cannot read {what}"), e))
    }
}

/// Records published result files.
pub(super) fn publish(connection: &Connection, run: i64, files: &[ResultFile]) -> rusqlite::Result<()> {
    for ResultFile { path, size, digest } in files {
        let sql = "INSERT OR REPLACE INTO files (path, run, size, digest) VALUES (?1, ?2, ?3, ?4)";
        connection.execute(sql, (path, run, size, &digest.0[..]))?;
    }
    Ok(())
}

/// Records all published result files of their jobs. Others, which a user has deleted, are forgotten.
pub(super) fn publish_all(connection: &Connection, run: i64, files: &[ResultFile]) -> rusqlite::Result<()> {
    publish(connection, run, files)?;
    let jobs: BTreeSet<&str> = files.iter().filter_map(|file| Some(file.path.split_once('/')?.0)).collect();
    let paths = files.iter().map(|file| file.path.as_str()).collect::<serde_json::Value>().to_string();
    for job in jobs {
        let sql = "DELETE FROM files WHERE instr(path, ?1 || '/') = 1 AND path NOT IN (SELECT value FROM json_each(?2))";
        connection.execute(sql, (job, &paths))?;
    }
    Ok(())
}

/// The newest complete run of each job, and the owner of its listing.
pub(super) fn newest_complete(connection: &Connection) -> rusqlite::Result<BTreeMap<String, (i64, Option<i64>)>> {
    let mut newest = BTreeMap::new();
    let mut statement = connection.prepare("SELECT id, listing, jobs FROM runs WHERE outcome = 'complete' ORDER BY id")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        for job in jobs(row.get_ref(2)?.as_str()?) {
            newest.insert(job.name, (row.get(0)?, row.get(1)?));
        }
    }
    Ok(newest)
}

fn jobs(json: &str) -> Vec<JobColumns> {
    serde_json::from_str(json).unwrap_or_default()
}

fn run_record(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: row.get(0)?,
        started: row.get(1)?,
        ended: row.get(2)?,
        version: row.get(3)?,
        settings: row.get(4)?,
        command: row.get(5)?,
        recipe: row.get(6)?,
        jobs: jobs(row.get_ref(7)?.as_str()?),
        listing: row.get(8)?,
        documents: row.get(9)?,
        outcome: row.get(10)?,
        stopped: row.get(11)?,
        summary: row.get(12)?,
        figures: row.get(13)?,
    })
}
