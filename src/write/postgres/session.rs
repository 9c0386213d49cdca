//! A connection to a database, with the locks of its tables.

use super::address::{CONNECT, PostgresAddress};
use super::error::PostgresError;
use super::table::Table;
use super::tls::Tls;
use crate::model::{JobColumns, Row};
use bytes::Bytes;
use futures::SinkExt as _;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_postgres::Client;

/// Limits of the server for this session. They keep a hanging statement from holding locks.
///
/// The server notices within seconds that a killed docmill is gone.
const LIMITS: &str = "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET bytea_output = 'hex';
    SET standard_conforming_strings = on; SET statement_timeout = '120s'; SET lock_timeout = '15s';
    SET idle_in_transaction_session_timeout = '120s'; SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3; SET client_min_messages = warning;
    SELECT set_config('client_connection_check_interval', '2s', false)
        WHERE current_setting('server_version_num')::int >= 140000";

/// Limit of a group of rows on this side, if the server hangs.
const PATIENCE: Duration = Duration::from_secs(150);

/// A row on its way to the database.
#[derive(Debug, Clone)]
pub struct SentRow {
    /// The row.
    pub row: Row,
    /// The row as JSON, without index and document.
    pub text: String,
}

/// A database, connected or not. Any error ends the connection, so nothing of a group remains.
pub struct PostgresSession {
    pub(super) address: PostgresAddress,
    tls: Tls,
    jobs: Vec<JobColumns>,
    /// The identity of the run store.
    store: String,
    /// Whether all rows shall be written again, until the first connection has noted it.
    rewrite: bool,
    open: Option<Open>,
}

/// An open connection.
pub(super) struct Open {
    pub client: Client,
    pub tables: Vec<Table>,
    /// Drives the connection. Its end closes the connection.
    _driver: JoinSet<()>,
}

impl PostgresSession {
    /// A session without a connection. Fails if certificates cannot be read.
    pub fn new(address: PostgresAddress, jobs: Vec<JobColumns>, store: String) -> Result<Self, PostgresError> {
        let tls = Tls::new(&address.verify).map_err(|why| PostgresError::permanent(format!("{address}: {why}")))?;
        Ok(Self { rewrite: address.may_replace, address, tls, jobs, store, open: None })
    }

    /// The database.
    pub fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// Connects, takes the locks, and creates or extends the tables. Does nothing if connected.
    pub async fn connect(&mut self) -> Result<(), PostgresError> {
        if self.open.as_ref().is_some_and(|open| !open.client.is_closed()) {
            return Ok(());
        }
        self.open = None;
        let opened = within(Box::pin(self.connection())).await;
        self.open = Some(opened.map_err(|error| error.at(&self.address))?);
        self.rewrite = false;
        Ok(())
    }

    async fn connection(&self) -> Result<Open, PostgresError> {
        let (client, driver) = connected(&self.address, &self.tls).await?;
        let encoding: String = client.query_one("SELECT current_setting('server_encoding')", &[]).await?.get(0);
        if encoding != "UTF8" {
            let why =
                format!("the database stores texts as {encoding}, which cannot hold all characters. Use a database with the encoding UTF8");
            return Err(PostgresError::permanent(why));
        }
        let mut tables: Vec<Table> = Vec::new();
        for (at, job) in self.jobs.iter().enumerate() {
            let table = Table::open(&client, &self.address, job, &self.store, (at, self.rewrite)).await?;
            if let Some(same) = tables.iter().find(|other| other.name == table.name) {
                let why = format!("the jobs {} and {} would both write to the table {}", same.job, job.name, table.name.replace('"', ""));
                return Err(PostgresError::permanent(why + ". Rename a job, or change output.postgres_table"));
            }
            tables.push(table);
        }
        Ok(Open { client, tables, _driver: driver })
    }

    /// The last row of the store that all tables have, and the run after which all had all results.
    /// Zero and none without a connection.
    pub fn progress(&self) -> (i64, Option<i64>) {
        let tables = || self.open.iter().flat_map(|open| &open.tables);
        let runs: Vec<Option<i64>> = tables().map(|table| table.run).collect();
        let run = runs.first().copied().flatten().filter(|first| runs.iter().all(|run| *run == Some(*first)));
        (tables().map(|table| table.streamed).min().unwrap_or_default(), run)
    }

    /// Digest of a row as its table has it; `None` without a connection or for an unknown job.
    pub fn digest(&self, job: &str, text: &str) -> Option<[u8; 16]> {
        let table = self.open.as_ref()?.tables.iter().find(|table| table.job == job)?;
        Some(table.digest(text))
    }

    /// Writes a group of rows in one transaction. `streamed` is the number of the last row in the
    /// store, if rows come in that order. Returns notes.
    pub async fn put(&mut self, rows: &[SentRow], streamed: Option<i64>) -> Result<Vec<String>, PostgresError> {
        self.connect().await?;
        self.with(async |open| open.put(rows, streamed).await).await
    }

    /// Tables that somebody else has changed since their results were complete, each once. All their
    /// rows are written again.
    pub fn changed_tables(&mut self) -> Vec<String> {
        let tables = self
            .open
            .iter_mut()
            .flat_map(|open| &mut open.tables)
            .filter_map(|table| std::mem::take(&mut table.was_changed).then_some(table));
        tables.map(|table| table.name.replace('"', "")).collect()
    }

    /// Runs `work` on the connection. An error ends the connection.
    pub(super) async fn with<T>(&mut self, work: impl AsyncFnOnce(&mut Open) -> Result<T, PostgresError>) -> Result<T, PostgresError> {
        let Some(mut open) = self.open.take() else {
            return Err(PostgresError::transient(format!("{}: connection closed", self.address)));
        };
        let done = within(Box::pin(work(&mut open))).await;
        if done.is_ok() {
            self.open = Some(open);
        }
        done.map_err(|error| error.at(&self.address))
    }
}

impl Open {
    async fn put(&mut self, rows: &[SentRow], streamed: Option<i64>) -> Result<Vec<String>, PostgresError> {
        let mut notes = Vec::new();
        // Each repetition gives a column a wider type, so this ends.
        let groups = loop {
            match self.lines(rows) {
                Ok(groups) => break groups,
                Err((table, at, misfit, document)) => {
                    let table = &mut self.tables[table];
                    notes.push(table.widen(&self.client, at, misfit, &document).await?);
                }
            }
        };
        let progress: String = self.tables.iter().map(|table| table.note(streamed, None)).collect();
        if let Err(error) = self.write(groups, &format!("{progress} COMMIT")).await {
            return Err(self.explained(error, rows).await);
        }
        for table in &mut self.tables {
            table.run = None;
            table.streamed = streamed.unwrap_or(table.streamed);
        }
        Ok(notes)
    }

    /// Writes the lines of each table in a transaction, and ends it with these statements.
    pub(super) async fn write(&self, groups: Vec<String>, end: &str) -> Result<(), PostgresError> {
        self.client.batch_execute("BEGIN").await?;
        let mut last = String::new();
        for (table, lines) in self.tables.iter().zip(groups) {
            if let (false, Some(copy)) = (lines.is_empty(), &table.copy) {
                let mut sink = pin!(self.client.copy_in::<_, Bytes>(copy).await?);
                sink.send(Bytes::from(lines)).await?;
                sink.as_mut().finish().await?;
                last.push_str(&table.upsert());
            }
        }
        Ok(self.client.batch_execute(&format!("{last} {end}")).await?)
    }

    /// The lines of COPY for each table.
    pub(super) fn lines(&self, rows: &[SentRow]) -> Result<Vec<String>, (usize, usize, super::types::Misfit, String)> {
        let mut groups = vec![String::new(); self.tables.len()];
        for SentRow { row, text } in rows {
            if let Some(at) = self.tables.iter().position(|table| table.job == row.job) {
                let line = self.tables[at].line(row, text, &mut groups[at]);
                line.map_err(|(column, misfit)| (at, column, misfit, row.document.clone()))?;
            }
        }
        Ok(groups)
    }
}

/// Connects. The set drives the connection, and its end closes it.
pub(super) async fn connected(address: &PostgresAddress, tls: &Tls) -> Result<(Client, JoinSet<()>), PostgresError> {
    // The library limits only the time until the server accepts the connection.
    let patience = address.config.get_connect_timeout().copied().unwrap_or(CONNECT);
    let silent =
        |_| PostgresError::transient(format!("the server accepts connections, but did not answer within {} s", patience.as_secs()));
    let (client, connection) = tokio::time::timeout(patience, address.config.connect(tls.clone())).await.map_err(silent)??;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // The client reports errors of the connection too.
        let _ended = connection.await;
    });
    client.batch_execute(LIMITS).await?;
    Ok((client, driver))
}

/// Limits the time of an operation.
async fn within<T>(work: impl Future<Output = Result<T, PostgresError>>) -> Result<T, PostgresError> {
    let timed_out = |_| PostgresError::transient(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.map_err(timed_out)?
}
