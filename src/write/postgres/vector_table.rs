//! A table of chunks with their vectors, one row each.
//!
//! The column of vectors has the type of the extension pgvector if the server has it, else `real[]`.
//! One transaction makes the table equal to the chunks of a task.

use super::address::PostgresAddress;
use super::error::PostgresError;
use super::ownership::{TABLES, checksum, literal, lock, quoted, states};
use super::session::connected;
use super::table::hex;
use super::tls::Tls;
use super::types::{escaped, key, without_nul};
use crate::write::vector_chunk::{VectorChunk, VectorOrigin};
use bytes::Bytes;
use futures::SinkExt as _;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::pin::pin;
use tokio::task::JoinSet;
use tokio_postgres::Client;

/// Columns of the table.
const COLUMNS: [&str; 7] = ["document", "chunk", "page", "text", "vector", "model", "docmill_digest"];
/// The most dimensions of a column of pgvector.
const MOST: usize = 16_000;

/// A table of chunks in an open transaction.
pub struct VectorTable {
    client: Client,
    _driver: JoinSet<()>,
    origin: VectorOrigin,
    /// Schema and name, quoted.
    name: String,
    /// The statement that records the table as complete.
    complete: String,
    /// Whether vectors have the type of pgvector.
    is_vector: bool,
    /// What the user should know.
    pub notes: Vec<String>,
    at: PostgresAddress,
}

impl VectorTable {
    /// Opens the table or creates it. The error is permanent if it belongs to others.
    pub async fn open(address: &PostgresAddress, origin: VectorOrigin) -> Result<Self, PostgresError> {
        let tls = Tls::new(&address.verify).map_err(|why| PostgresError::permanent(format!("{address}: {why}")))?;
        Self::begin(address, &tls, origin).await.map_err(|error| error.at(address))
    }

    async fn begin(address: &PostgresAddress, tls: &Tls, origin: VectorOrigin) -> Result<Self, PostgresError> {
        let (client, driver) = connected(address, tls).await?;
        let (schema, own) = address.table_in(&client, &origin.job).await?;
        let (name, tables) = (format!("{}.{}", quoted(&schema), quoted(&own)), format!("{}.{TABLES}", quoted(&schema)));
        lock(&client, &name).await?;
        let (kind, note) = if origin.dimensions > MOST {
            (None, Some(format!("pgvector holds at most {MOST} dimensions")))
        } else {
            vector_type(&client).await?
        };
        client.batch_execute(&states(&tables)).await?;
        client.batch_execute("BEGIN").await?;
        let owner = client.query_opt(&format!("SELECT store, checksum FROM {tables} WHERE name = $1"), &[&own]).await?;
        let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'vector'
            UNION ALL SELECT '' WHERE to_regclass($1) IS NOT NULL LIMIT 1";
        let mut there: Option<String> = client.query_opt(sql, &[&name]).await?.map(|row| row.get(0));
        let plain = name.replace('"', "");
        let wanted = match &kind {
            Some(kind) => format!("{kind}({})", origin.dimensions),
            None => "real[]".to_owned(),
        };
        let is_ours = owner.as_ref().is_some_and(|owner| owner.get::<_, &str>(0) == origin.id());
        let is_replaced = is_ours && address.may_replace && there.as_ref().is_some_and(|there| !wanted.ends_with(there));
        if there.is_some() && (!is_ours || is_replaced) {
            let has_results = owner.as_ref().is_some_and(|owner| !owner.get::<_, &str>(0).contains('/'));
            if has_results {
                let why = "has results of a job. Choose another name with --table, or drop the table";
                return Err(PostgresError::permanent(format!("table {plain} {why}")));
            }
            if owner.is_none() || !address.may_replace {
                let what = if owner.is_none() { "exists, and docmill has not made it" } else { "has other results of docmill" };
                let how = if owner.is_none() { "" } else { ", or replace it with --replace" };
                return Err(PostgresError::permanent(format!(
                    "table {plain} {what}. Choose another name with --table, or drop the table{how}"
                )));
            }
            client.batch_execute(&format!("DROP TABLE {name}")).await?;
            there = None;
        }
        let is_vector = match &there {
            None => {
                let about = format!("Vectors of the docmill task {}/{} by {}.", origin.job, origin.task, origin.model);
                let sql = format!(
                    "CREATE TABLE {name} (document text, chunk integer, page integer, text text NOT NULL, vector {wanted} NOT NULL,
                        model text NOT NULL, docmill_digest bytea NOT NULL, PRIMARY KEY (document, chunk));
                     COMMENT ON TABLE {name} IS {}",
                    literal(&about)
                );
                client.batch_execute(&sql).await?;
                kind.is_some()
            }
            Some(actual) if actual == "real[]" => false,
            Some(actual) if actual.ends_with(&format!("vector({})", origin.dimensions)) => true,
            Some(actual) => {
                let why = format!("the column vector has the type {actual}, and the task has {} dimensions", origin.dimensions);
                let how = "Choose another name with --table, drop the table, or replace it with --replace";
                return Err(PostgresError::permanent(format!("table {plain}: {why}. {how}")));
            }
        };
        let sum = checksum(&name, COLUMNS);
        let before: Option<String> = owner.filter(|_| there.is_some()).and_then(|owner| owner.get(1));
        let mut notes: Vec<String> = note.into_iter().collect();
        if let Some(before) = before
            && before != client.query_one(&format!("SELECT {sum}"), &[]).await?.get::<_, String>(0)
        {
            client.batch_execute(&format!("UPDATE {name} SET docmill_digest = ''")).await?;
            notes.push(format!("another client has changed the table {plain}, so docmill writes its rows again"));
        }
        client
            .batch_execute(&format!(
                "CREATE TEMP TABLE docmill_seen (document text, chunk integer, PRIMARY KEY (document, chunk)) ON COMMIT DROP;
                 CREATE TEMP TABLE docmill_chunks ON COMMIT DROP AS SELECT {} FROM {name} WITH NO DATA",
                COLUMNS.join(", ")
            ))
            .await?;
        let columns: Vec<String> = COLUMNS.iter().map(|column| literal(column)).collect();
        let complete = format!(
            "INSERT INTO {tables} AS t (name, store, columns, checksum) VALUES ({}, {}, ARRAY[{}], {sum}) ON CONFLICT (name) DO UPDATE
                SET store = excluded.store, columns = excluded.columns, checksum = excluded.checksum, updated = now()",
            literal(&own),
            literal(&origin.id()),
            columns.join(", ")
        );
        Ok(Self { client, _driver: driver, origin, name, complete, is_vector, notes, at: address.clone() })
    }

    pub(in crate::write) async fn put(&mut self, chunks: &[VectorChunk]) -> Result<u64, PostgresError> {
        self.put_all(chunks).await.map_err(|error| error.at(&self.at))
    }

    async fn put_all(&self, chunks: &[VectorChunk]) -> Result<u64, PostgresError> {
        let documents: Vec<_> = chunks.iter().map(|chunk| key(&chunk.document)).collect();
        let documents: Vec<&str> = documents.iter().map(AsRef::as_ref).collect();
        let numbers: Vec<i32> = chunks.iter().map(|chunk| chunk.chunk.cast_signed()).collect();
        let digests: Vec<[u8; 16]> = chunks.iter().map(|chunk| chunk.digest(&self.origin.model)).collect();
        let bytes: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
        let sql = format!(
            "WITH given AS (SELECT * FROM unnest($1::text[], $2::integer[], $3::bytea[]) WITH ORDINALITY AS g (document, chunk, digest, nr)),
                seen AS (INSERT INTO docmill_seen SELECT document, chunk FROM given)
             SELECT nr FROM given LEFT JOIN {} AS t USING (document, chunk) WHERE t.docmill_digest IS DISTINCT FROM digest",
            self.name
        );
        let changed = self.client.query(&sql, &[&documents, &numbers, &bytes]).await?;
        let changed: HashSet<i64> = changed.iter().map(|row| row.get(0)).collect();
        if changed.is_empty() {
            return Ok(0);
        }
        let mut lines = String::new();
        for (_, (chunk, digest)) in (1..).zip(chunks.iter().zip(&digests)).filter(|(nr, _)| changed.contains(nr)) {
            self.line(chunk, digest, &mut lines);
        }
        let columns = COLUMNS.join(", ");
        let mut sink = pin!(self.client.copy_in::<_, Bytes>(&format!("COPY docmill_chunks ({columns}) FROM STDIN")).await?);
        sink.send(Bytes::from(lines)).await?;
        sink.as_mut().finish().await?;
        let sets: Vec<String> = COLUMNS[2..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let sql = format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM docmill_chunks ON CONFLICT (document, chunk) DO UPDATE SET {};
             TRUNCATE docmill_chunks",
            self.name,
            sets.join(", ")
        );
        self.client.batch_execute(&sql).await?;
        Ok(changed.len() as u64)
    }

    /// A chunk as a line of COPY.
    fn line(&self, chunk: &VectorChunk, digest: &[u8], lines: &mut String) {
        escaped(&key(&chunk.document), lines);
        let page = chunk.page.map_or_else(|| "\\N".to_owned(), |page| page.to_string());
        let _infallible = write!(lines, "\t{}\t{page}\t", chunk.chunk);
        escaped(&without_nul(&chunk.text), lines);
        lines.push_str(if self.is_vector { "\t[" } else { "\t{" });
        for (at, number) in chunk.vector.iter().enumerate() {
            let _infallible = write!(lines, "{}{number:?}", if at > 0 { "," } else { "" });
        }
        lines.push_str(if self.is_vector { "]\t" } else { "}\t" });
        escaped(&without_nul(&self.origin.model), lines);
        let _infallible = writeln!(lines, "\t\\\\x{}", hex(digest));
    }

    pub(in crate::write) async fn finish(self) -> Result<u64, PostgresError> {
        let removal = format!(
            "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT FROM docmill_seen AS s WHERE s.document = t.document AND s.chunk = t.chunk)",
            self.name
        );
        let done = async {
            let removed = self.client.execute(&removal, &[]).await?;
            self.client.batch_execute(&format!("{}; COMMIT", self.complete)).await?;
            Ok::<_, PostgresError>(removed)
        };
        done.await.map_err(|error| error.at(&self.at))
    }
}

/// The type of pgvector with its schema. Creates the extension if the server has it. Without it,
/// the reason.
async fn vector_type(client: &Client) -> Result<(Option<String>, Option<String>), PostgresError> {
    const FOUND: &str = "SELECT quote_ident(n.nspname) || '.vector' FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'vector'";
    if let Some(row) = client.query_opt(FOUND, &[]).await? {
        return Ok((Some(row.get(0)), None));
    }
    if client.query_opt("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'", &[]).await?.is_none() {
        return Ok((None, Some("the server has no pgvector, so vectors have the type real[]".to_owned())));
    }
    if let Err(error) = client.batch_execute("CREATE EXTENSION vector").await {
        let why = PostgresError::from(error);
        let note = format!("cannot create the extension vector, so vectors have the type real[]: {why}");
        return Ok((None, Some(note)));
    }
    Ok((client.query_opt(FOUND, &[]).await?.map(|row| row.get(0)), None))
}
