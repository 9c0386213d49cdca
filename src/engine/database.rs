//! Passes rows on to a database while the run is active, and settles its tables at the end.
//!
//! Rows wait in the run store, not in memory. The stage reads them in the order of commits, from the
//! number that the database itself has recorded. So a database that is away delays nothing else, and
//! after a kill of either side nothing is lost and nothing is written twice. At the end,
//! [`DatabaseWriter::settle`] compares all rows by their digests, so the tables equal the results
//! whatever has happened before.

use super::row_source::{GROUP, RowSource, keys, rows_at};
use super::{Context, RunError};
use crate::event::RunEvent;
use crate::model::{Digest, JobColumns, Row};
use crate::store::{CommittedRow, CommittedRows, StoreError};
use crate::write::{PostgresAddress, PostgresError, PostgresSession, SentRow, Settling};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Pause before rows are read, so that rows of several commits form one group.
const PAUSE: Duration = Duration::from_millis(250);
/// Number of missing rows that are looked up at a time.
const MISSING: i64 = 1000;
/// Wait after the first failure. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a database has after it was filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Number of rows of the results.
    pub rows: u64,
    /// Number of rows that were missing or different.
    pub missing: u64,
}

/// Makes the table of a job equal to the rows of a source, which belong to run `run`. `store` is the
/// identity of the run store, or of the shared run.
pub async fn fill_database<S: RowSource + Send>(
    address: PostgresAddress,
    job: JobColumns,
    store: String,
    mut source: S,
    run: i64,
) -> Result<Filled, RunError> {
    let (name, wait) = (job.name.clone(), address.wait);
    let mut writer = DatabaseWriter::new(PostgresSession::new(address, vec![job], store)?, None, None);
    writer.settle(&name, &mut source, run, wait).await
}

/// The stage that writes rows to a database.
pub(super) struct DatabaseWriter {
    session: PostgresSession,
    /// `None` if no rows are written before the end.
    rows: Option<CommittedRows>,
    /// The last row that the database has. `None` until the next connection says so.
    last: Option<(i64, Option<[u8; 16]>)>,
    /// The wait before the next attempt, and its time, after a failure.
    waiting: Option<(Duration, Instant)>,
    /// Whether anything was written since the last failure.
    has_progressed: bool,
    context: Option<Context>,
}

impl DatabaseWriter {
    /// A writer without a connection. `context` gets its notes.
    pub fn new(session: PostgresSession, rows: Option<CommittedRows>, context: Option<Context>) -> Self {
        Self { session, rows, last: None, waiting: None, has_progressed: false, context }
    }

    /// Connects before the run costs money. Fails only if the database will never take any rows.
    pub async fn start(&mut self) -> Result<(), RunError> {
        match self.session.connect().await {
            Err(error) if error.is_permanent && !error.refuses_rows => Err(error.into()),
            Err(error) => {
                self.fail(&error).await;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Writes rows as they are committed, until `ended` is cancelled.
    pub async fn follow(mut self, commits: Arc<Notify>, ended: CancellationToken) -> Self {
        while !ended.is_cancelled() {
            let (is_waiting, at) = self.waiting.map_or((false, Instant::now()), |(_, at)| (true, at));
            tokio::select! {
                () = ended.cancelled() => break,
                () = commits.notified(), if !is_waiting => {}
                () = sleep_until(at), if is_waiting => {}
            }
            tokio::select! {
                () = ended.cancelled() => break,
                () = sleep(PAUSE) => {}
            }
            let caught_up = tokio::select! {
                caught_up = self.catch_up(&ended) => caught_up,
                // A group that the server does not take by then is undone. Its rows are written at the end.
                () = async { ended.cancelled().await; sleep(LONGEST_WAIT).await } => break,
            };
            if let Err(error) = caught_up {
                self.fail(&error).await;
            }
        }
        self
    }

    /// Writes all rows that are committed.
    async fn catch_up(&mut self, ended: &CancellationToken) -> Result<(), PostgresError> {
        while self.rows.is_some() && !ended.is_cancelled() {
            self.session.connect().await?;
            let Ok(group) = tokio::task::block_in_place(|| self.next()) else {
                // The run reports errors of its store. At the end, all rows are compared.
                self.rows = None;
                return Ok(());
            };
            let Some((last, rows)) = group else {
                self.recover().await;
                return Ok(());
            };
            let notes = self.session.put(&rows, Some(last)).await?;
            let digest = rows.last().and_then(|row| self.session.digest(&row.row.job, &row.text));
            self.last = Some((last, digest));
            self.recover().await;
            self.tell(notes).await;
        }
        Ok(())
    }

    /// The next group of rows, and the number of its last row.
    fn next(&mut self) -> Result<Option<(i64, Vec<SentRow>)>, StoreError> {
        let Some(rows) = &self.rows else { return Ok(None) };
        let (id, digest) = match self.last {
            Some(last) => last,
            None => {
                let recorded = self.session.progress().0;
                // Numbers beyond the last are of a store before it was pruned.
                (if recorded <= rows.last()? { recorded } else { 0 }, None)
            }
        };
        self.last = Some((id, digest));
        let is_known = |row: &CommittedRow, sent: &SentRow| {
            row.id == id && digest.is_some() && self.session.digest(&sent.row.job, &sent.text) == digest
        };
        let (mut last, mut group) = (id, Vec::new());
        for row in rows.from(id, GROUP)? {
            // A row of a newer version of docmill waits for the end.
            let Ok(parsed) = Row::read(row.position, &row.document, &row.text) else { continue };
            let sent = SentRow { row: parsed, text: row.text.clone() };
            if !is_known(&row, &sent) {
                last = row.id;
                group.push(sent);
            }
        }
        Ok((!group.is_empty()).then_some((last, group)))
    }

    /// Makes the table of `job` equal to the rows of `source`, which belong to run `run`. Tries again
    /// for `wait` without any progress. The error says why the table is behind.
    pub async fn settle<S: RowSource + Send>(&mut self, job: &str, source: &mut S, run: i64, wait: Duration) -> Result<Filled, RunError> {
        let mut deadline = Instant::now() + wait;
        loop {
            self.has_progressed = false;
            let error = match Box::pin(self.settle_once(job, source, run)).await {
                Ok(filled) => {
                    self.recover().await;
                    return Ok(filled);
                }
                Err(SettleError::Store(error)) => return Err(error),
                Err(SettleError::Database(error)) => error,
            };
            if self.has_progressed {
                deadline = Instant::now() + wait;
            }
            if error.is_permanent || Instant::now() >= deadline {
                return Err(error.into());
            }
            self.fail(&error).await;
            let (stop, at) = (self.context.as_ref().map(|c| c.stop.clone()), self.waiting.map_or_else(Instant::now, |(_, at)| at));
            tokio::select! {
                () = sleep_until(at.min(deadline)) => {}
                () = async { match &stop { Some(stop) => stop.cancelled().await, None => std::future::pending().await } } => return Err(error.into()),
            }
        }
    }

    async fn settle_once<S: RowSource + Send>(&mut self, job: &str, source: &mut S, run: i64) -> Result<Filled, SettleError> {
        let mut filled = Filled::default();
        loop {
            let mut settling = Settling::begin(&mut self.session, job).await?;
            filled.rows = 0;
            let mut position = 0;
            loop {
                let session = settling.session();
                let (next, keys) = tokio::task::block_in_place(|| keys(source, job, position, session))?;
                if keys.is_empty() {
                    break;
                }
                settling.keys(&keys).await?;
                filled.rows += keys.len() as u64;
                position = next;
            }
            let (missing, mut passed, mut notes) = (settling.compare().await?, 0, Vec::new());
            filled.missing += missing.unsigned_abs();
            while passed < missing {
                let places = settling.missing(passed, MISSING).await?;
                passed += MISSING;
                let mut places: BTreeSet<u64> = places.into_iter().collect();
                while !places.is_empty() {
                    let rows = tokio::task::block_in_place(|| rows_at(source, job, &mut places))?;
                    notes.extend(settling.session().put(&rows, None).await?);
                    self.has_progressed = true;
                }
            }
            if notes.is_empty() {
                if missing > 0 {
                    settling.check().await?;
                }
                settling.finish(run).await?;
                return Ok(filled);
            }
            // A column got another type, so all rows are compared again.
            self.tell(notes).await;
        }
    }

    /// The run after which all tables had all results, as the database says. `None` if it is away, or
    /// if rows came since.
    pub async fn settled(&mut self) -> Result<Option<i64>, PostgresError> {
        self.session.connect().await?;
        let changed = self.session.changed_tables().into_iter();
        self.tell(
            changed
                .map(|table| format!("postgres: another client has changed the table {table}, so docmill writes its rows again"))
                .collect(),
        )
        .await;
        Ok(self.session.progress().1)
    }

    /// Identity of the database for the run store.
    pub fn digest(&self) -> Digest {
        let address = self.session.address();
        Digest(*blake3::hash(format!("{address:?}").as_bytes()).as_bytes())
    }

    /// How long the end of a run waits for the database.
    pub fn wait(&self) -> Duration {
        self.session.address().wait
    }

    /// Notes a failure, and tells the first of several.
    async fn fail(&mut self, error: &PostgresError) {
        self.last = None;
        let wait = self.waiting.map_or(FIRST_WAIT, |(wait, _)| (wait * 2).min(LONGEST_WAIT));
        if self.waiting.is_none() {
            let what_next =
                if error.is_permanent { "docmill tries again, but you must fix the cause first" } else { "docmill tries again" };
            self.tell(vec![format!("{error}. Rows wait in the run store, and {what_next}")]).await;
        }
        self.waiting = Some((wait, Instant::now() + wait));
    }

    async fn recover(&mut self) {
        if self.waiting.take().is_some() {
            let address = self.session.address();
            self.tell(vec![format!("{address}: takes rows again")]).await;
        }
    }

    /// Tells the user these notes.
    pub async fn tell(&mut self, notes: Vec<String>) {
        for message in notes {
            if let Some(context) = &self.context {
                context.tell(RunEvent::Note { message }).await;
            }
        }
    }
}

/// Why settling ended.
enum SettleError {
    Database(PostgresError),
    Store(RunError),
}

impl From<PostgresError> for SettleError {
    fn from(error: PostgresError) -> Self {
        Self::Database(error)
    }
}

impl From<RunError> for SettleError {
    fn from(error: RunError) -> Self {
        Self::Store(error)
    }
}
