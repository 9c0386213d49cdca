//! A run in the store: its start, its queries, and its end.

use super::catalog::Catalog;
use super::damage;
use super::disk_reserve::Reserve;
use super::history::{newest_complete, publish_all};
use super::outbox::{self, Outbox};
use super::reader::AnswerReader;
use super::records::{PackLimit, Run};
use super::vectors::{self, VectorReader};
use super::view::ViewReader;
use super::views;
use super::{EmbedRecord, FILE_NAME, Retry, StoreError, schema};
use crate::model::{Digest, Fence, JobColumns, ResultFile};
use crate::system::is_no_room;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Facts about a run at its start.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Now, in UTC.
    pub started: String,
    /// The settings in force, as JSON.
    pub settings: String,
    /// The command line.
    pub command: String,
    /// Digest of the recipe: everything that decides about a row, except the document.
    pub recipe: i64,
    /// The jobs.
    pub jobs: Vec<JobColumns>,
    /// Whether answers are shared across documents.
    pub share: bool,
    /// Whether documents arrive during the run. It then looks up what it has committed itself.
    pub follows: bool,
    /// Whether new rows are delivered.
    pub delivers: bool,
    /// The tasks that embed.
    pub embeds: Vec<EmbedRecord>,
}

/// Facts about a run at its end.
#[derive(Debug, Clone)]
pub struct EndedRun {
    /// Now, in UTC.
    pub ended: String,
    /// Why it ended early, if it did.
    pub stopped: Option<String>,
    /// Whether it was a sample on request.
    pub is_sample: bool,
    /// Whether it settled the doubts of earlier runs with the same settings: it repeated these
    /// calls, or no longer needs them.
    pub settles_doubts: bool,
    /// Its summaries as JSON.
    pub summary: String,
    /// Its figures as JSON.
    pub figures: String,
}

/// An open store with an active run.
#[derive(Debug)]
pub struct Store {
    pub(super) path: PathBuf,
    pub(super) writer: Connection,
    pub(super) run: Run,
    pub(super) reserve: Option<Reserve>,
    share: bool,
}

impl Store {
    /// Opens, creates or migrates the store in `directory`, which must exist, and begins a run.
    /// Fails if the disk has no room for the reserve, which protects answers in flight on a full
    /// disk.
    pub fn begin_run(directory: &Path, new: &NewRun) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let reserve = match Reserve::create(directory) {
            Err(e) if is_no_room(&e) => return Err(StoreError::new(&path, "cannot reserve 4 MB of disk space beside it", e)),
            // The store itself reports other errors more precisely.
            reserve => reserve.ok(),
        };
        let writer = schema::open(&path)?;
        let begin = || -> rusqlite::Result<Run> {
            if new.follows || exists(&writer, "SELECT 1 FROM documents LIMIT 1", [])? {
                writer.execute("CREATE INDEX IF NOT EXISTS documents_by_digest ON documents (digest)", ())?;
            }
            if new.share {
                writer.execute("CREATE INDEX IF NOT EXISTS answers_by_key ON answers (call_key)", ())?;
            }
            if new.delivers {
                outbox::create(&writer)?;
            }
            vectors::record_tasks(&writer, new.recipe, &new.embeds)?;
            let jobs = serde_json::to_string(&new.jobs).unwrap_or_default();
            let sql =
                "INSERT INTO runs (started, docmill_version, settings, command, recipe, jobs) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id";
            let values = (&new.started, env!("CARGO_PKG_VERSION"), &new.settings, &new.command, new.recipe, jobs);
            let id = writer.query_row(sql, values, |row| row.get(0))?;
            views::index(&writer)?;
            views::refresh(&writer)?;
            let may_replace_rows = new.follows || exists(&writer, "SELECT 1 FROM rows WHERE recipe = ?1 LIMIT 1", [new.recipe])?;
            Ok(Run { id, recipe: new.recipe, may_replace_rows, follows: new.follows, delivers: new.delivers && new.follows })
        };
        let run = begin().map_err(|e| {
            let busy = e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
            let error = StoreError::unwritten(&path, "cannot record a run", e);
            if busy {
                error.advise("Another program is writing it. Wait for that program, or choose another output directory")
            } else {
                error
            }
        })?;
        Ok(Self { path, writer, run, reserve, share: new.share })
    }

    /// Whether results exist in `directory` without their store, so that all answers are lost.
    pub fn is_gone(directory: &Path) -> bool {
        damage::is_gone(&directory.join(FILE_NAME))
    }

    /// Path of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of this run.
    pub fn run(&self) -> i64 {
        self.run.id
    }

    /// A reader of committed answers and failures. `None` without any, which saves a look-up
    /// for each document.
    pub fn answers(&self) -> Result<Option<AnswerReader>, StoreError> {
        let any = self.any("SELECT 1 FROM answers LIMIT 1")? || self.any("SELECT 1 FROM failures LIMIT 1")?;
        (any || self.share || self.run.follows).then(|| AnswerReader::open(&self.path)).transpose()
    }

    /// The documents that earlier runs have seen; `None` without any.
    pub fn catalog(&self) -> Result<Option<Catalog>, StoreError> {
        let any = self.run.follows || self.any("SELECT 1 FROM documents LIMIT 1")?;
        any.then(|| Catalog::open(&self.path, Some(self.run.recipe))).transpose()
    }

    /// The run that owns the newest complete listing.
    pub fn newest_listing(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT listing FROM runs WHERE listing IS NOT NULL ORDER BY id DESC LIMIT 1";
        self.writer.query_row(sql, (), |row| row.get(0)).optional().map_err(|e| self.error("cannot read listings", e))
    }

    /// A reader of this run's rows, which follows them as they are committed.
    pub fn rows(&self, retry: &Retry) -> Result<ViewReader, StoreError> {
        ViewReader::follow(&self.path, self.run.id, self.run.recipe, retry.clone())
    }

    /// A reader of the rows of this recipe that are still to be delivered.
    pub fn outbox(&self) -> Result<Outbox, StoreError> {
        Outbox::open(&self.path, self.run.recipe)
    }

    /// A reader of the vectors of all runs.
    pub fn vectors(&self) -> Result<VectorReader, StoreError> {
        VectorReader::open(&self.path)
    }

    /// Limits of requests that servers have taught.
    pub fn pack_limits(&self) -> Result<Vec<PackLimit>, StoreError> {
        vectors::pack_limits(&self.writer).map_err(|e| self.error("cannot read limits of requests", e))
    }

    /// First free numbers of documents and attempts.
    pub fn next_numbers(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT ifnull((SELECT max(id) FROM documents), 0) + 1, ifnull((SELECT max(id) FROM attempts), 0) + 1";
        self.writer.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).map_err(|e| self.error("cannot read it", e))
    }

    /// The published result files of this run's jobs, if they are current. They are current if all
    /// of them were made by a complete run with this recipe and listing. They need not be made
    /// again then.
    pub fn current_files(&self, listing: i64) -> Result<Option<Vec<ResultFile>>, StoreError> {
        let read = || {
            let sql = "SELECT f.path, f.size, f.digest, r.outcome = 'complete' AND r.recipe = ?1 AND r.listing = ?2
                FROM files f LEFT JOIN runs r ON r.id = f.run
                WHERE EXISTS (SELECT 1 FROM runs n, json_each(n.jobs) j
                    WHERE n.id = ?3 AND instr(f.path, json_extract(j.value, '$.name') || '/') = 1)";
            let mut statement = self.writer.prepare(sql)?;
            let mut rows = statement.query((self.run.recipe, listing, self.run.id))?;
            let mut files = Vec::new();
            while let Some(row) = rows.next()? {
                if row.get::<_, Option<bool>>(3)? != Some(true) {
                    return Ok(None);
                }
                files.push(ResultFile { path: row.get(0)?, size: row.get(1)?, digest: Digest(row.get(2)?) });
            }
            Ok((!files.is_empty()).then_some(files))
        };
        read().map_err(|e| self.error("cannot look up result files", e))
    }

    /// Shares run `previous`'s listing with this run if both are equal. Returns whether they are.
    pub fn take_over_listing(&self, previous: i64) -> Result<bool, StoreError> {
        let take_over = || {
            let sql = "SELECT NOT EXISTS (SELECT position, document FROM listing WHERE run = ?1
                    EXCEPT SELECT position, document FROM listing WHERE run = ?2)
                AND (SELECT count(*) FROM listing WHERE run = ?1) = (SELECT count(*) FROM listing WHERE run = ?2)";
            let same = self.writer.query_row(sql, (self.run.id, previous), |row| row.get(0))?;
            if same {
                self.writer.execute("UPDATE runs SET listing = ?2 WHERE id = ?1", (self.run.id, previous))?;
            }
            Ok(same)
        };
        take_over().map_err(|e| self.error("cannot compare listings", e))
    }

    /// A reader of the rows of a listing under this run's recipe.
    pub fn rows_of(&self, listing: i64) -> Result<ViewReader, StoreError> {
        ViewReader::of(&self.path, listing, self.run.recipe)
    }

    /// The recipe of a run; `None` if there is no such run.
    pub fn recipe_of(&self, run: i64) -> Result<Option<i64>, StoreError> {
        let recipe = self.writer.query_row("SELECT recipe FROM runs WHERE id = ?1", [run], |row| row.get(0)).optional();
        recipe.map_err(|e| self.error("cannot read runs", e))
    }

    /// Records all published result files of their jobs.
    pub fn published(&self, files: &[ResultFile]) -> Result<(), StoreError> {
        publish_all(&self.writer, self.run.id, files).map_err(|e| self.error("cannot record result files", e))
    }

    /// The fence of this store. All its runs have the same.
    pub fn fence(&self) -> Result<Fence, StoreError> {
        let secret = self.writer.query_row("SELECT fence FROM secret", (), |row| row.get(0));
        secret.map(Fence::new).map_err(|e| self.error("cannot read its secret", e))
    }

    /// Number of documents in this run's listing with a row.
    pub fn done(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM listing l JOIN rows r ON r.recipe = ?1 AND r.document = l.document WHERE l.run = ?2";
        self.writer.query_row(sql, (self.run.recipe, self.run.id), |row| row.get(0)).map_err(|e| self.error("cannot count rows", e))
    }

    /// Names of cancelled documents that earlier runs left.
    pub fn cancelled(&self) -> Result<Vec<String>, StoreError> {
        let read = || self.writer.prepare("SELECT name FROM cancelled")?.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>();
        read().map_err(|e| self.error("cannot read cancelled documents", e))
    }

    /// Forgets cancelled documents, because a complete run has processed every document.
    pub fn forget_cancelled(&self) -> Result<(), StoreError> {
        self.writer.execute("DELETE FROM cancelled", ()).map(drop).map_err(|e| self.error("cannot forget cancelled documents", e))
    }

    /// Removes the record of a run that cannot begin. It has sent nothing.
    pub fn withdraw_run(&self) -> Result<(), StoreError> {
        let id = self.run.id;
        let removed = self.writer.execute_batch(&format!("DELETE FROM listing WHERE run = {id}; DELETE FROM runs WHERE id = {id}"));
        removed.and_then(|()| views::refresh(&self.writer)).map_err(|e| self.error("cannot withdraw the run", e))
    }

    /// Records the end of the run, and drops listings that no result uses any more.
    pub fn end_run(&self, end: &EndedRun) -> Result<(), StoreError> {
        let EndedRun { ended, stopped, is_sample, settles_doubts, summary, figures } = end;
        let outcome = match stopped {
            None => "complete",
            Some(_) if *is_sample => "sample",
            Some(_) => "stopped",
        };
        let sql = "UPDATE runs SET ended = ?1, outcome = ?2, stopped = ?3, summary = ?4, figures = ?5 WHERE id = ?6";
        let done = self.writer.execute(sql, (ended, outcome, stopped, summary, figures, self.run.id));
        done.map_err(|e| self.error("cannot record the end of the run", e))?;
        if stopped.is_none() {
            self.drop_old_listings().map_err(|e| self.error("cannot drop old listings", e))?;
        }
        views::refresh(&self.writer).map_err(|e| self.error("cannot make views of results", e))?;
        if *settles_doubts {
            self.settle_doubts().map_err(|e| self.error("cannot settle calls in doubt", e))?;
        }
        Ok(())
    }

    fn drop_old_listings(&self) -> rusqlite::Result<()> {
        let kept: BTreeSet<i64> = newest_complete(&self.writer)?.into_values().filter_map(|(_, listing)| listing).collect();
        let kept: Vec<String> = kept.iter().map(i64::to_string).collect();
        self.writer.execute(&format!("DELETE FROM listing WHERE run NOT IN ({})", kept.join(", ")), ()).map(|_| ())
    }

    fn any(&self, sql: &str) -> Result<bool, StoreError> {
        exists(&self.writer, sql, []).map_err(|e| self.error("cannot read it", e))
    }

    pub(super) fn error(&self, what: &str, source: rusqlite::Error) -> StoreError {
        StoreError::unwritten(&self.path, what, source)
    }
}

fn exists<const N: usize>(connection: &Connection, sql: &str, values: [i64; N]) -> rusqlite::Result<bool> {
    connection.prepare(sql)?.exists(rusqlite::params_from_iter(values))
}
