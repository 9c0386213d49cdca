//! The ledger of relayed requests: one SQLite file with one writing thread.
//!
//! Writes of many requests share a commit, so a thousand requests at a time need few. A reader has
//! a connection of its own and waits for no commit.

mod writer;

pub use writer::Unwritten;

use crate::ask::RelayAttempt;
use crate::model::{Money, Usage};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use writer::Writer;

/// Name of the file in the directory of the server.
const FILE_NAME: &str = "requests.db";
/// Version of the tables.
const VERSION: i64 = 2;
/// Marks the file for SQLite tools ("docr" in ASCII).
const APPLICATION_ID: i64 = 0x646f_6372;
/// States of batches at work.
pub(super) const AT_WORK: &str = "('validating', 'in_progress', 'finalizing', 'cancelling')";

/// The ledger.
#[derive(Debug)]
pub struct Ledger {
    writer: Writer,
    read: Mutex<Connection>,
    next_id: AtomicI64,
    path: PathBuf,
}

/// An attempt that is about to be sent.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Id of the client's request.
    pub request: String,
    /// Name of the key that sent it.
    pub owner: String,
    /// Path of the endpoint.
    pub endpoint: &'static str,
    /// The model.
    pub model: String,
    /// The batch that it is a part of.
    pub batch: Option<String>,
    /// Number of the attempt within the request, from 1.
    pub number: u32,
    /// Maximum cost; `None` if the price is unknown.
    pub at_most: Option<Money>,
}

/// A file on which no batch is at work.
#[derive(Debug, Clone)]
pub struct IdleFile {
    /// Its id.
    pub id: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// Size in bytes.
    pub bytes: u64,
}

/// An answer that identical requests get again.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Its tokens.
    pub usage: Usage,
}

impl Ledger {
    /// Opens or creates the ledger in `directory`. Attempts that a dead server left are in doubt.
    pub fn open(directory: &Path) -> Result<Self, String> {
        let path = directory.join(FILE_NAME);
        let error = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let prepare = |write: &Connection| -> rusqlite::Result<i64> {
            let version: i64 = write.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let tables = match version {
                0 => include_str!("schema.sql"),
                1 => include_str!("from_1.sql"),
                _ => "",
            };
            if version < VERSION {
                let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
                write.execute_batch(&format!("BEGIN IMMEDIATE; {tables} {marks} COMMIT;"))?;
            }
            write.pragma_update(None, "journal_mode", "WAL")?;
            // A record is on disk before its request is sent.
            write.pragma_update(None, "synchronous", "FULL")?;
            Ok(version.max(VERSION))
        };
        let write = connect(&path).map_err(|e| error(&e))?;
        if prepare(&write).map_err(|e| error(&e))? > VERSION {
            return Err(error(&"a newer docmill wrote this file. Use the newer docmill"));
        }
        write.execute("UPDATE attempts SET state = 'in_doubt' WHERE state = 'sent'", ()).map_err(|e| error(&e))?;
        let last: Option<i64> = write.query_row("SELECT max(id) FROM attempts", (), |row| row.get(0)).map_err(|e| error(&e))?;
        let read = connect(&path).map_err(|e| error(&e))?;
        let writer = Writer::start(write).map_err(|e| error(&e))?;
        Ok(Self { writer, read: Mutex::new(read), next_id: AtomicI64::new(last.unwrap_or(0) + 1), path })
    }

    /// Waits until everything is written. Nothing can be written afterwards.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Another connection, for a long read.
    pub fn connect(&self) -> rusqlite::Result<Connection> {
        connect(&self.path)
    }

    /// The connection for reading. Callers block.
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.read.lock()
    }

    /// Writes, and waits until it is durable.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unwritten> {
        self.writer.write(work).await
    }

    /// Writes soon, after everything that was written before.
    pub async fn write_soon(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static) {
        self.writer.write_soon(work).await;
    }

    /// Money spent by each owner, including what is in doubt.
    pub fn spent(&self) -> rusqlite::Result<Vec<(String, Money)>> {
        let connection = self.reader();
        let sql = "SELECT owner, sum(pico) FROM (
                SELECT owner, ifnull(iif(state = 'ended', cost_pico_usd, NULL), ifnull(at_most_pico_usd, 0)) AS pico FROM attempts
                UNION ALL SELECT owner, spent_pico_usd FROM removed) GROUP BY owner";
        let mut statement = connection.prepare(sql)?;
        let spent = statement.query_map((), |row| Ok((row.get(0)?, Money::from_pico(row.get(1)?))))?;
        spent.collect()
    }

    /// Records the attempts that one request to the provider makes: one for each client's request
    /// that has a part in it. Returns the id of the first when the records are durable.
    pub async fn sending(&self, new: Vec<NewAttempt>) -> Result<i64, Unwritten> {
        let count = i64::try_from(new.len()).unwrap_or(i64::MAX);
        let first = self.next_id.fetch_add(count, Relaxed);
        let record = move |t: &Transaction<'_>| {
            let sql = "INSERT INTO attempts (id, pack, request, owner, endpoint, model, batch, number, sent_ms, at_most_pico_usd, state)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'sent')";
            let (mut insert, now, pack) = (t.prepare_cached(sql)?, now_ms(), (count > 1).then_some(first));
            for (id, attempt) in (first..).zip(&new) {
                let NewAttempt { request, owner, endpoint, model, batch, number, at_most } = attempt;
                let at_most = at_most.map(Money::pico);
                insert.execute(params![id, pack, request, owner, endpoint, model, batch, number, now, at_most])?;
            }
            Ok(())
        };
        self.write(record).await?;
        Ok(first)
    }

    /// Records the end of attempts, from the one with the id `first` on.
    pub async fn ended(&self, first: i64, attempts: Vec<RelayAttempt>) {
        let record = move |t: &Transaction<'_>| {
            let sql = "UPDATE attempts SET state = 'ended', ended_ms = ?2, status = ?3, uncached_input = ?4, cache_read = ?5,
                cache_write = ?6, output = ?7, cost_pico_usd = ?8 WHERE id = ?1";
            let (mut update, now) = (t.prepare_cached(sql)?, now_ms());
            for (id, RelayAttempt { status, usage, cost, .. }) in (first..).zip(&attempts) {
                let Usage { uncached_input, cache_read, cache_write, output } = usage;
                let cost = cost.map(Money::pico);
                update.execute(params![id, now, status, uncached_input, cache_read, cache_write, output, cost])?;
            }
            Ok(())
        };
        self.write_soon(record).await;
    }

    /// Keeps an answer for identical requests. `response` is the id by which clients can fetch it.
    pub async fn keep_answer(&self, key: blake3::Hash, owner: String, answer: StoredAnswer, response: Option<String>) {
        let record = move |t: &Transaction<'_>| {
            let sql = "INSERT OR REPLACE INTO answers
                (key, owner, created_ms, status, body, uncached_input, cache_read, cache_write, output, response)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let StoredAnswer { status, body, usage } = &answer;
            let Usage { uncached_input, cache_read, cache_write, output } = *usage;
            let values = params![key.as_bytes(), owner, now_ms(), status, body, uncached_input, cache_read, cache_write, output, response];
            t.prepare_cached(sql)?.execute(values).map(drop)
        };
        // The client may send the request again as soon as it has the answer. If the answer cannot be
        // kept, the client has it all the same.
        let _asked_again = self.write(record).await;
    }

    /// The answer of an identical request.
    pub fn stored_answer(&self, key: blake3::Hash) -> rusqlite::Result<Option<StoredAnswer>> {
        let connection = self.reader();
        let sql = "SELECT status, body, uncached_input, cache_read, cache_write, output FROM answers WHERE key = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row<'_>| {
            let usage = Usage { uncached_input: row.get(2)?, cache_read: row.get(3)?, cache_write: row.get(4)?, output: row.get(5)? };
            Ok(StoredAnswer { status: row.get(0)?, body: row.get(1)?, usage })
        };
        statement.query_row([key.as_bytes()], read).optional()
    }

    /// Files on which no batch is at work, the oldest first.
    pub fn idle_files(&self) -> rusqlite::Result<Vec<IdleFile>> {
        let connection = self.reader();
        let sql = format!(
            "SELECT id, created_ms, bytes FROM files WHERE id NOT IN (SELECT input_file FROM batches WHERE state IN {AT_WORK})
                ORDER BY created_ms"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let files = statement.query_map((), |row| Ok(IdleFile { id: row.get(0)?, created_ms: row.get(1)?, bytes: row.get(2)? }))?;
        files.collect()
    }

    /// Removes ended attempts, batches, files and stored answers from before `ms`. Their money still
    /// counts. Returns the ids of removed files.
    pub async fn remove_before(&self, ms: i64) -> Result<Vec<String>, Unwritten> {
        self.write(move |t| {
            t.execute(
                "INSERT INTO removed (owner, spent_pico_usd)
                    SELECT owner, sum(ifnull(cost_pico_usd, ifnull(at_most_pico_usd, 0))) FROM attempts
                        WHERE state != 'sent' AND sent_ms < ?1 GROUP BY owner
                ON CONFLICT (owner) DO UPDATE SET spent_pico_usd = spent_pico_usd + excluded.spent_pico_usd",
                [ms],
            )?;
            t.execute("DELETE FROM attempts WHERE state != 'sent' AND sent_ms < ?1", [ms])?;
            t.execute("DELETE FROM answers WHERE created_ms < ?1", [ms])?;
            t.execute(&format!("DELETE FROM batches WHERE state NOT IN {AT_WORK} AND created_ms < ?1"), [ms])?;
            let sql = format!(
                "DELETE FROM files WHERE (created_ms < ?1 OR expires_ms < ?2)
                    AND id NOT IN (SELECT input_file FROM batches WHERE state IN {AT_WORK}) RETURNING id"
            );
            let mut statement = t.prepare(&sql)?;
            statement.query_map([ms, now_ms()], |row| row.get(0))?.collect()
        })
        .await
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(connection)
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
