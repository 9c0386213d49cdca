//! The queue: one SQLite file with all submitted runs.
//!
//! Documents, answers and rows of a run are in its own run store. The queue knows only its
//! submission, state and totals. All functions block, so callers use [`super::blocking`].

mod caps;
mod control;
mod next;
mod outbox;
mod record;
mod removed_keys;

pub use caps::Caps;
pub use control::CANCELLED;
#[cfg(test)]
use next::WAITS;
pub use next::{DEADLINE, RAN_SHORT};
pub use outbox::{Delivery, Message, PER_HOST};
pub use record::{QueuedRun, RunId, State, Totals};

use super::problem::Problem;
use crate::model::Money;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::path::Path;
use std::time::Duration;

/// Name of the file in the directory of the server.
const FILE_NAME: &str = "queue.db";
/// Version of the tables.
const VERSION: i64 = 5;
/// Marks the file for SQLite tools ("docq" in ASCII).
const APPLICATION_ID: i64 = 0x646f_6371;

const OUTBOX: &str = include_str!("outbox.sql");

const COLUMNS: &str = "id, owner, state, held, priority, created_ms, started_ms, ended_ms, submission, message, cap_pico_usd, done, failed,
    pending, requests, spent_pico_usd, unpriced, deadline_ms, webhook, skipped, cancelling, uncertain_pico_usd";

/// The queue. Reading does not wait for the disk.
#[derive(Debug)]
pub struct Queue {
    write: Mutex<Connection>,
    read: Mutex<Connection>,
    interrupted: Vec<RunId>,
}

/// A submission for the queue.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'s> {
    /// Its id.
    pub id: &'s RunId,
    /// Name of the key that owns it.
    pub owner: &'s str,
    /// Whether it waits until a client resumes it.
    pub held: bool,
    /// Runs with a higher priority go first.
    pub priority: i64,
    /// The submission as JSON.
    pub submission: &'s str,
    /// Cap on money.
    pub cap: Option<Money>,
    /// When work on it must have ended.
    pub deadline: Option<Timestamp>,
    /// Address for a message when it has ended.
    pub webhook: Option<&'s str>,
    /// The header Idempotency-Key.
    pub idempotency_key: Option<&'s str>,
    /// A hash of everything that was submitted.
    pub hash: blake3::Hash,
}

/// What became of a submission.
#[derive(Debug)]
pub enum Submitted {
    /// It is in the queue.
    New(QueuedRun),
    /// The same submission came earlier, with the same idempotency key.
    Known(QueuedRun),
}

/// Selects runs.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only runs in this state.
    pub state: Option<State>,
    /// Only runs older than this one.
    pub before: Option<RunId>,
    /// Maximum number of runs.
    pub limit: u32,
}

impl Queue {
    /// Opens or creates the queue in `directory`.
    ///
    /// Runs that were at work stay so until [`Self::end`]. [`Self::interrupted`] names them.
    pub fn open(directory: &Path) -> Result<Self, Problem> {
        let path = directory.join(FILE_NAME);
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            Ok(connection)
        };
        let write = open()?;
        let version: i64 = write.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            VERSION => {}
            0 => {
                let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
                write.execute_batch(&format!("BEGIN IMMEDIATE; {} {OUTBOX} {marks} COMMIT;", include_str!("schema.sql")))?;
            }
            1..VERSION => {
                let changes = [
                    (1, include_str!("from_1.sql")),
                    (1, OUTBOX),
                    (2, include_str!("from_2.sql")),
                    (3, include_str!("from_3.sql")),
                    (4, include_str!("from_4.sql")),
                ];
                let changes: String = changes.into_iter().filter(|(of, _)| *of >= version).map(|(_, sql)| sql).collect();
                write.execute_batch(&format!("BEGIN IMMEDIATE; {changes} PRAGMA user_version = {VERSION}; COMMIT;"))?;
            }
            other => {
                let shown = path.display();
                return Err(Problem::internal(format!(
                    "{shown}: a newer docmill wrote the queue (version {other}). Use the newer docmill"
                )));
            }
        }
        write.pragma_update(None, "journal_mode", "WAL")?;
        // A submission is on disk before the client gets a response.
        write.pragma_update(None, "synchronous", "FULL")?;
        let interrupted = control::interrupted(&write)?;
        let read = open()?;
        Ok(Self { write: Mutex::new(write), read: Mutex::new(read), interrupted })
    }

    /// Runs that were at work when an earlier server was killed. Their totals are old.
    pub fn interrupted(&self) -> &[RunId] {
        &self.interrupted
    }

    fn write(&self) -> MutexGuard<'_, Connection> {
        self.write.lock()
    }

    /// Puts a submission into the queue, unless it came before or `most` runs wait.
    pub fn submit(&self, new: &NewRun<'_>, most: u64) -> Result<Submitted, Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        if let Some(known) = new.idempotency_key {
            let sql = format!("SELECT submission_hash, {COLUMNS} FROM runs WHERE owner = ?1 AND idempotency_key = ?2");
            let same =
                transaction.query_row(&sql, (new.owner, known), |row| Ok((row.get::<_, Vec<u8>>(0)?, queued_run(row, 1)?))).optional()?;
            match same {
                Some((hash, run)) if hash == new.hash.as_bytes() => return Ok(Submitted::Known(run)),
                Some((_, run)) => {
                    let why = format!("this Idempotency-Key came with another submission, run {}. Use a new key", run.id);
                    return Err(Problem::invalid(why));
                }
                None => removed_keys::check(&transaction, new.owner, known)?,
            }
        }
        let sql = "SELECT count(*) FROM runs WHERE state IN ('queued', 'running')";
        if transaction.query_row(sql, (), |row| row.get::<_, u64>(0))? >= most {
            return Err(Problem::full(format!("{most} runs have not ended yet (serve.queue). Submit again later")));
        }
        transaction.execute(
            "INSERT INTO runs (id, owner, state, held, priority, created_ms, submission, cap_pico_usd, idempotency_key, submission_hash,
                deadline_ms, webhook)
            VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                new.id.as_str(),
                new.owner,
                new.held,
                new.priority,
                now_ms(),
                new.submission,
                new.cap.map(Money::pico),
                new.idempotency_key,
                new.hash.as_bytes(),
                new.deadline.map(Timestamp::as_millisecond),
                new.webhook
            ],
        )?;
        let run = get(&transaction, new.id)?;
        transaction.commit()?;
        run.map(Submitted::New).ok_or_else(|| Problem::internal("the submission is not in the queue"))
    }

    /// A run by its id.
    pub fn get(&self, id: &RunId) -> Result<Option<QueuedRun>, Problem> {
        Ok(get(&self.read.lock(), id)?)
    }

    /// The runs of an owner, newest first.
    pub fn list(&self, owner: &str, filter: &Filter) -> Result<Vec<QueuedRun>, Problem> {
        let connection = self.read.lock();
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE owner = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let before = filter.before.as_ref().map(RunId::as_str);
        let runs = statement.query_map(params![owner, filter.state, before, filter.limit], |row| queued_run(row, 0))?;
        Ok(runs.collect::<rusqlite::Result<_>>()?)
    }

    /// Number of runs of an owner by state.
    pub fn counts(&self, owner: &str) -> Result<Vec<(State, u64)>, Problem> {
        let connection = self.read.lock();
        let mut statement = connection.prepare_cached("SELECT state, count(*) FROM runs WHERE owner = ?1 GROUP BY state")?;
        let counts = statement.query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(counts.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether there is room for another run.
    pub fn has_room(&self, most: u64) -> Result<bool, Problem> {
        let sql = "SELECT count(*) FROM runs WHERE state IN ('queued', 'running')";
        Ok(self.read.lock().prepare_cached(sql)?.query_row((), |row| row.get::<_, u64>(0))? < most)
    }

    /// Ends the work on a run. The new state `Queued` means that it goes on later. A run that a client has
    /// cancelled meanwhile is cancelled, unless it is complete.
    pub fn end(&self, id: &RunId, state: State, message: &str, totals: &Totals) -> Result<(), Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        let is_cancelled = state != State::Complete && get(&transaction, id)?.is_some_and(|run| run.cancelling);
        let (state, message) = if is_cancelled { (State::Cancelled, CANCELLED) } else { (state, message) };
        transaction.execute(
            "UPDATE runs SET state = ?2, message = ?3, ended_ms = ?4, held = held AND ?4 IS NULL, cancelling = 0, reserved_pico_usd = NULL
                WHERE id = ?1",
            params![id.as_str(), state, message, state.has_ended().then(now_ms)],
        )?;
        set_totals(&transaction, id, totals)?;
        outbox::add(&transaction, id)?;
        transaction.commit()?;
        Ok(())
    }

    /// Removes an ended run. Its money still counts for the caps.
    pub fn remove(&self, id: &RunId) -> Result<bool, Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO removed (owner, spent_pico_usd) SELECT owner, spent_pico_usd FROM runs
                WHERE id = ?1 AND state NOT IN ('queued', 'running')
            ON CONFLICT (owner) DO UPDATE SET spent_pico_usd = spent_pico_usd + excluded.spent_pico_usd",
            [id.as_str()],
        )?;
        removed_keys::keep(&transaction, id)?;
        transaction.execute(
            "DELETE FROM webhooks WHERE run_id IN (SELECT id FROM runs WHERE id = ?1 AND state NOT IN ('queued', 'running'))",
            [id.as_str()],
        )?;
        let removed = transaction.execute("DELETE FROM runs WHERE id = ?1 AND state NOT IN ('queued', 'running')", [id.as_str()])?;
        transaction.commit()?;
        Ok(removed > 0)
    }

    /// Ended runs without undelivered messages, the earliest first.
    pub fn ended(&self) -> Result<Vec<(RunId, Timestamp)>, Problem> {
        let connection = self.read.lock();
        let sql = "SELECT id, ended_ms FROM runs WHERE state NOT IN ('queued', 'running') AND ended_ms IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM webhooks WHERE run_id = runs.id AND next_ms IS NOT NULL) ORDER BY ended_ms";
        let mut statement = connection.prepare_cached(sql)?;
        let runs = statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let mut ended = Vec::new();
        for run in runs {
            let (id, ms) = run?;
            ended.extend(RunId::parse(&id).map(|id| (id, time(ms))));
        }
        Ok(ended)
    }

    /// Whether a run is in the queue.
    pub fn has(&self, id: &RunId) -> Result<bool, Problem> {
        Ok(self.read.lock().query_row("SELECT count(*) FROM runs WHERE id = ?1", [id.as_str()], |row| row.get::<_, u64>(0))? > 0)
    }
}

fn set_totals(connection: &Connection, id: &RunId, totals: &Totals) -> rusqlite::Result<()> {
    let Totals { done, failed, skipped, pending, requests, spent, uncertain, unpriced } = *totals;
    connection.execute(
        "UPDATE runs SET done = ?2, failed = ?3, pending = ?4, requests = ?5, spent_pico_usd = ?6, unpriced = ?7, skipped = ?8,
            uncertain_pico_usd = ?9 WHERE id = ?1",
        params![id.as_str(), done, failed, pending, requests, spent.pico(), unpriced, skipped, uncertain.pico()],
    )?;
    Ok(())
}

fn get(connection: &Connection, id: &RunId) -> rusqlite::Result<Option<QueuedRun>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id.as_str()], |row| queued_run(row, 0)).optional()
}

/// Reads the columns [`COLUMNS`], which begin at column `at`.
fn queued_run(row: &Row<'_>, at: usize) -> rusqlite::Result<QueuedRun> {
    let id: String = row.get(at)?;
    let id = RunId::parse(&id).ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("id {id}")))?;
    let totals = Totals {
        done: row.get(at + 11)?,
        failed: row.get(at + 12)?,
        skipped: row.get(at + 19)?,
        pending: row.get(at + 13)?,
        requests: row.get(at + 14)?,
        spent: Money::from_pico(row.get(at + 15)?),
        uncertain: Money::from_pico(row.get(at + 21)?),
        unpriced: row.get(at + 16)?,
    };
    Ok(QueuedRun {
        id,
        owner: row.get(at + 1)?,
        state: row.get(at + 2)?,
        held: row.get(at + 3)?,
        priority: row.get(at + 4)?,
        created: time(row.get(at + 5)?),
        started: row.get::<_, Option<i64>>(at + 6)?.map(time),
        ended: row.get::<_, Option<i64>>(at + 7)?.map(time),
        submission: row.get(at + 8)?,
        message: row.get(at + 9)?,
        cap: row.get::<_, Option<u64>>(at + 10)?.map(Money::from_pico),
        share: None,
        totals,
        deadline: row.get::<_, Option<i64>>(at + 17)?.map(time),
        webhook: row.get(at + 18)?,
        cancelling: row.get(at + 20)?,
    })
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
