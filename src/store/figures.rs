//! Records of a run: requests, documents, samples. Read-only, also during a run.

use super::{Archive, StoreError};
use crate::model::Digest;
use rusqlite::{OptionalExtension as _, Row};

/// A request in the ledger. Times are in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// Number of the document.
    pub document: i64,
    /// Task and axes.
    pub call: String,
    /// Number within its call, from 1.
    pub attempt: u32,
    /// When it entered the wait line; `None` in stores of older versions.
    pub queued_ms: Option<i64>,
    /// When it was sent.
    pub sent_ms: i64,
    /// When its response was complete or abandoned. `None` while it is in flight, and after a
    /// crash.
    pub ended_ms: Option<i64>,
    /// `answered`, a failure code, or `lost`. `None` while it is in flight, and after a crash.
    pub outcome: Option<String>,
    /// Input tokens, cached and uncached.
    pub input_tokens: Option<u64>,
    /// Input tokens from the provider's prompt cache.
    pub cached_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// Cost in trillionths of a dollar; `None` if the price is not known.
    pub pico_usd: Option<u64>,
}

/// Times of a document in a run, in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct DocumentPath {
    /// Number of the document.
    pub document: i64,
    /// Name of the document.
    pub name: String,
    /// When the walk found it.
    pub found_ms: i64,
    /// When it was read.
    pub read_ms: i64,
    /// When it was prepared.
    pub ready_ms: i64,
    /// When its first request was sent.
    pub asked_ms: i64,
    /// When its row was complete.
    pub done_ms: i64,
}

/// A row with its document. Texts are borrowed from the store, so that memory holds only one row.
#[derive(Debug, Clone, Copy)]
pub struct ResultRecord<'s> {
    /// Index in input order.
    pub position: u64,
    /// The document's name.
    pub document: &'s str,
    /// BLAKE3 of the content, if known.
    pub digest: Option<Digest>,
    /// The row as JSON, without index and document.
    pub text: &'s str,
}

impl Archive {
    /// Starts a snapshot: later reads ignore new writes of a run.
    pub fn hold_still(&self) -> Result<(), StoreError> {
        self.read("the store", || self.connection().execute_batch("BEGIN"))
    }

    /// Number of requests of a run.
    pub fn requests_of(&self, run: i64) -> Result<u64, StoreError> {
        self.read("the ledger", || {
            self.connection().query_row("SELECT ifnull(sum(request = id), 0) FROM attempts WHERE run = ?1", [run], |row| row.get(0))
        })
    }

    /// Calls `each` with a run's requests in the order of sending.
    pub fn attempts(&self, run: i64, mut each: impl FnMut(AttemptRecord)) -> Result<(), StoreError> {
        self.read("the ledger", || {
            let sql = "SELECT document, call, attempt, queued_ms, sent_ms, ended_ms, outcome,
                uncached_input_tokens + cache_read_tokens + cache_write_tokens, cache_read_tokens, output_tokens, pico_usd
                FROM attempts WHERE run = ?1 ORDER BY id";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query([run])?;
            while let Some(row) = rows.next()? {
                each(attempt(row)?);
            }
            Ok(())
        })
    }

    /// First discovery and last completion among this run's rows. Times are in milliseconds since
    /// 1970.
    pub fn row_span(&self, run: i64) -> Result<Option<(i64, i64)>, StoreError> {
        self.read("rows", || {
            let sql = "SELECT min(found_ms), max(done_ms) FROM rows WHERE run = ?1";
            self.connection().query_row(sql, [run], |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)))
        })
    }

    /// First and last request up to run `run` about the documents of a listing. Times are in
    /// milliseconds since 1970.
    pub fn asked(&self, listing: i64, run: i64) -> Result<Option<(i64, i64)>, StoreError> {
        self.read("the ledger", || {
            let sql = "SELECT min(sent_ms), max(ifnull(ended_ms, sent_ms)) FROM attempts
                WHERE run <= ?2 AND document IN (SELECT document FROM listing WHERE run = ?1)";
            self.connection().query_row(sql, (listing, run), |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)))
        })
    }

    /// The slowest documents of a run, slowest first. Measures from the first request to the row.
    pub fn slowest(&self, run: i64, recipe: i64, few: usize) -> Result<Vec<DocumentPath>, StoreError> {
        self.read("rows", || {
            let sql = "SELECT r.document, d.name, r.found_ms, r.read_ms, r.ready_ms, a.asked_ms, r.done_ms
                FROM (SELECT document, min(sent_ms) AS asked_ms FROM attempts WHERE run = ?1 GROUP BY document) a
                JOIN rows r ON r.recipe = ?2 AND r.document = a.document AND r.run = ?1 JOIN documents d ON d.id = a.document
                WHERE r.found_ms IS NOT NULL ORDER BY r.done_ms - a.asked_ms DESC, r.document LIMIT ?3";
            let path = |row: &Row<'_>| {
                Ok(DocumentPath {
                    document: row.get(0)?,
                    name: row.get(1)?,
                    found_ms: row.get(2)?,
                    read_ms: row.get(3)?,
                    ready_ms: row.get(4)?,
                    asked_ms: row.get(5)?,
                    done_ms: row.get(6)?,
                })
            };
            self.connection().prepare(sql)?.query_map((run, recipe, few), path)?.collect()
        })
    }

    /// The model of a recipe's rows.
    pub fn model_of(&self, recipe: i64) -> Result<Option<String>, StoreError> {
        self.read("rows", || {
            let sql = "SELECT json_extract(result, '$.model') FROM rows WHERE recipe = ?1 LIMIT 1";
            self.connection().query_row(sql, [recipe], |row| row.get(0)).optional().map(Option::flatten)
        })
    }

    /// Samples of a run. Each has milliseconds since its start, and the event `progress` as JSON.
    pub fn samples(&self, run: i64) -> Result<Vec<(u64, String)>, StoreError> {
        self.read("samples", || {
            let sql = "SELECT elapsed_ms, sample FROM samples WHERE run = ?1 ORDER BY elapsed_ms";
            self.connection().prepare(sql)?.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// The first documents of a listing with this failure code. Returns names and messages.
    pub fn failure_examples(&self, listing: i64, recipe: i64, code: &str, few: u32) -> Result<Vec<(String, String)>, StoreError> {
        self.read("rows", || {
            let sql = "SELECT d.name, ifnull(json_extract(r.result, '$.failure.message'), '')
                FROM listing l JOIN rows r ON r.recipe = ?2 AND r.document = l.document JOIN documents d ON d.id = l.document
                WHERE l.run = ?1 AND instr(r.codes || ',', ?3 || ',') = 1 ORDER BY l.position LIMIT ?4";
            let mut statement = self.connection().prepare_cached(sql)?;
            statement.query_map((listing, recipe, code, few), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// The document at an index of a listing: its name and the digest of its content, if it was read.
    pub fn document_at(&self, listing: i64, position: u64) -> Result<Option<(String, Digest)>, StoreError> {
        self.read("documents", || {
            let sql = "SELECT d.name, d.digest FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = ?1 AND l.position = ?2";
            let found = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
            let found = self.connection().query_row(sql, (listing, position), found).optional()?;
            Ok(found.and_then(|(name, digest)| Some((name, Digest(digest?.try_into().ok()?)))))
        })
    }

    /// Calls `each` with the rows of a listing under a recipe. The order is input order. The reader
    /// stops when `each` returns false.
    pub fn results<E: From<StoreError>>(
        &self,
        (listing, recipe): (i64, i64),
        mut each: impl FnMut(ResultRecord<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let error = |e| StoreError::new(self.path(), "cannot read rows", e);
        let sql = "SELECT l.position, d.name, d.digest, r.result FROM listing l JOIN documents d ON d.id = l.document
            JOIN rows r ON r.recipe = ?2 AND r.document = l.document WHERE l.run = ?1 ORDER BY l.position";
        let mut statement = self.connection().prepare(sql).map_err(error)?;
        let mut rows = statement.query((listing, recipe)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(error);
            let digest = row.get_ref(2).and_then(|value| Ok(value.as_blob()?)).map_err(error)?;
            let digest = digest.try_into().ok().map(Digest);
            let record = ResultRecord { position: row.get(0).map_err(error)?, document: text(1)?, digest, text: text(3)? };
            if !each(record)? {
                break;
            }
        }
        Ok(())
    }
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRecord> {
    Ok(AttemptRecord {
        document: row.get(0)?,
        call: row.get(1)?,
        attempt: row.get(2)?,
        queued_ms: row.get(3)?,
        sent_ms: row.get(4)?,
        ended_ms: row.get(5)?,
        outcome: row.get(6)?,
        input_tokens: row.get(7)?,
        cached_tokens: row.get(8)?,
        output_tokens: row.get(9)?,
        pico_usd: row.get(10)?,
    })
}
