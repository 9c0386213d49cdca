//! Makes a table equal to the results of its job.
//!
//! The keys and digests of all rows go into a temporary table. The server then finds the rows that are
//! missing or different, and those that are in the results no more.

use super::error::PostgresError;
use super::session::PostgresSession;
use super::table::{Table, hex};
use super::types::{Type, key};
use bytes::Bytes;
use futures::SinkExt as _;
use serde_json::Value;
use std::fmt::Write as _;
use std::pin::pin;

/// A row of the results, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowKey {
    /// Name of the document.
    pub document: String,
    /// Place in the results.
    pub index: u64,
    /// Digest of the row, see [`PostgresSession::digest`].
    pub digest: [u8; 16],
}

/// A table on its way to the results of its job. All steps need the same connection.
pub struct Settling<'s> {
    session: &'s mut PostgresSession,
    job: String,
}

impl<'s> Settling<'s> {
    /// Begins with no keys. Connects if necessary.
    pub async fn begin(session: &'s mut PostgresSession, job: &str) -> Result<Self, PostgresError> {
        session.connect().await?;
        let mut settling = Self { session, job: job.to_owned() };
        settling
            .run(|_| {
                "DROP TABLE IF EXISTS pg_temp.docmill_keys; DROP TABLE IF EXISTS pg_temp.docmill_missing;
                 CREATE TEMP TABLE docmill_keys (document text NOT NULL, index bigint NOT NULL, digest bytea NOT NULL)"
                    .into()
            })
            .await?;
        Ok(settling)
    }

    /// The session, for rows that are written meanwhile.
    pub fn session(&mut self) -> &mut PostgresSession {
        self.session
    }

    /// Adds keys.
    pub async fn keys(&mut self, keys: &[RowKey]) -> Result<(), PostgresError> {
        let mut lines = String::new();
        for RowKey { document, index, digest } in keys {
            // Texts and digests always fit.
            let _fits = Type::Text.copy(&Value::from(key(document)), &mut lines);
            let _infallible = writeln!(lines, "\t{index}\t\\\\x{}", hex(digest));
        }
        self.session
            .with(async |open| {
                let mut sink = pin!(open.client.copy_in::<_, Bytes>("COPY pg_temp.docmill_keys FROM STDIN").await?);
                sink.send(Bytes::from(lines)).await?;
                sink.as_mut().finish().await?;
                Ok(())
            })
            .await
    }

    /// Finds missing and different rows. Returns their number.
    pub async fn compare(&mut self) -> Result<i64, PostgresError> {
        self.run(|table| {
            format!(
                "ANALYZE pg_temp.docmill_keys; DROP TABLE IF EXISTS pg_temp.docmill_missing;
                 CREATE TEMP TABLE docmill_missing AS SELECT row_number() OVER (ORDER BY k.index) AS n, k.index
                    FROM pg_temp.docmill_keys k LEFT JOIN {} t ON t.document = k.document
                    WHERE t.docmill_digest IS DISTINCT FROM k.digest;
                 CREATE INDEX ON pg_temp.docmill_missing (n)",
                table.name
            )
        })
        .await?;
        let count = "SELECT count(*) FROM pg_temp.docmill_missing";
        self.session.with(async |open| Ok(open.client.query_one(count, &[]).await?.get(0))).await
    }

    /// Checks that the table has kept all rows. The error names the first one that is missing.
    pub async fn check(&mut self) -> Result<(), PostgresError> {
        if self.compare().await? == 0 {
            return Ok(());
        }
        let sql = "SELECT k.document FROM pg_temp.docmill_missing m JOIN pg_temp.docmill_keys k ON k.index = m.index ORDER BY m.n LIMIT 1";
        let first: Option<String> =
            self.session.with(async |open| Ok(open.client.query_opt(sql, &[]).await?.map(|row| row.get(0)))).await?;
        let job = &self.job;
        Err(PostgresError::permanent(format!(
            "the table of {job} does not keep the row of {}. Change the trigger or the rule of the table that drops or changes it",
            first.unwrap_or_default()
        )))
    }

    /// The places of the missing rows after the first `passed`, at most `most`.
    pub async fn missing(&mut self, passed: i64, most: i64) -> Result<Vec<u64>, PostgresError> {
        let sql = "SELECT index FROM pg_temp.docmill_missing WHERE n > $1 AND n <= $2 ORDER BY n";
        let rows = self.session.with(async |open| Ok(open.client.query(sql, &[&passed, &(passed + most)]).await?)).await?;
        Ok(rows.into_iter().map(|row| row.get::<_, i64>(0).unsigned_abs()).collect())
    }

    /// Moves rows to their places, deletes rows that are no results, and notes that the table is equal
    /// to the results of run `run`, all in one transaction.
    pub async fn finish(mut self, run: i64) -> Result<(), PostgresError> {
        self.run(|table| {
            format!(
                "BEGIN; SET LOCAL statement_timeout = '30min';
                 UPDATE {name} t SET index = k.index FROM pg_temp.docmill_keys k
                    WHERE t.document = k.document AND t.index IS DISTINCT FROM k.index;
                 DELETE FROM {name} t WHERE NOT EXISTS (SELECT 1 FROM pg_temp.docmill_keys k WHERE k.document = t.document);
                 {note} COMMIT;
                 DROP TABLE pg_temp.docmill_keys; DROP TABLE pg_temp.docmill_missing",
                name = table.name,
                note = table.note(None, Some(run)),
            )
        })
        .await
    }

    async fn run(&mut self, sql: impl Fn(&Table) -> String) -> Result<(), PostgresError> {
        let job = &self.job;
        self.session
            .with(async |open| match open.tables.iter().find(|table| table.job == *job) {
                Some(table) => Ok(open.client.batch_execute(&sql(table)).await?),
                None => Err(PostgresError::permanent(format!("no table for job {job}"))),
            })
            .await
    }
}
