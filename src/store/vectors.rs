//! Vectors of texts, and the chunks of documents that have them.

use super::StoreError;
use super::records::{EmbedRecord, NewChunk, NewRow, NewVector, PackLimit, Run};
use super::schema::open_to_read;
use crate::model::{CallKey, DocumentId, VectorForm};
use rusqlite::{Connection, OptionalExtension as _, Result, Transaction};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(super) fn insert(t: &Transaction<'_>, document: DocumentId, key: CallKey, vector: &NewVector, replaces: bool) -> Result<()> {
    let NewVector { text, model, numbers } = vector;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let conflict = if replaces { "DO UPDATE SET model = excluded.model, vector = excluded.vector" } else { "DO NOTHING" };
    let sql = format!("INSERT INTO vectors (call_key, document, model, vector) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (call_key) {conflict}");
    if t.prepare_cached(&sql)?.execute((&key.0[..], document.0, model, bytes))? == 0 {
        return Ok(());
    }
    t.prepare_cached("INSERT OR REPLACE INTO passages SELECT id, ?2 FROM vectors WHERE call_key = ?1")?
        .execute((&key.0[..], text))
        .map(|_| ())
}

pub(super) fn forget_chunks(t: &Transaction<'_>, run: Run, document: DocumentId) -> Result<()> {
    t.prepare_cached("DELETE FROM chunks WHERE recipe = ?1 AND document = ?2")?.execute((run.recipe, document.0)).map(|_| ())
}

pub(super) fn insert_chunks(t: &Transaction<'_>, run: Run, row: &NewRow) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO chunks (recipe, document, task, part, page, vector)
        SELECT ?1, ?2, ?3, ?4, ?5, id FROM vectors WHERE call_key = ?6";
    for NewChunk { task, part, page, key } in &row.chunks {
        t.prepare_cached(sql)?.execute((run.recipe, row.document.0, task, part, page, &key.0[..]))?;
    }
    Ok(())
}

/// Records the tasks of a recipe that embed.
pub(super) fn record_tasks(connection: &Connection, recipe: i64, tasks: &[EmbedRecord]) -> Result<()> {
    let mut insert = connection.prepare("INSERT OR REPLACE INTO embed_tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for EmbedRecord { job, task, provider, model, form, query } in tasks {
        let mut query = as_json(query);
        query["passage"] = as_json(form);
        insert.execute((recipe, job, task, provider, model, query.to_string()))?;
    }
    Ok(())
}

fn as_json(form: &VectorForm) -> Value {
    let VectorForm { prefix, dimensions, normalize, body } = form;
    json!({ "prefix": prefix, "dimensions": dimensions, "normalize": normalize, "body": body })
}

fn from_json(form: &Value) -> VectorForm {
    let text = |name: &str| form[name].as_str().unwrap_or_default().to_owned();
    VectorForm {
        prefix: text("prefix"),
        dimensions: form["dimensions"].as_u64().and_then(|n| u32::try_from(n).ok()),
        normalize: form["normalize"].as_bool().unwrap_or(true),
        body: text("body"),
    }
}

/// A task that embeds, as an [`EmbedRecord`] of a row.
pub(super) fn task(row: &rusqlite::Row<'_>) -> Result<EmbedRecord> {
    let query: Value = serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default();
    let (form, query) = (from_json(&query["passage"]), from_json(&query));
    Ok(EmbedRecord { job: row.get(0)?, task: row.get(1)?, provider: row.get(2)?, model: row.get(3)?, form, query })
}

pub(super) fn remember_limit(t: &Transaction<'_>, limit: &PackLimit) -> Result<()> {
    let PackLimit { endpoint, items, tokens, bytes } = limit;
    t.prepare_cached("INSERT OR REPLACE INTO pack_limits VALUES (?1, ?2, ?3, ?4)")?.execute((endpoint, items, tokens, bytes)).map(|_| ())
}

/// Deletes vectors that neither a chunk nor an answer needs.
pub(super) const PRUNE: &str = "DELETE FROM chunks WHERE NOT EXISTS
        (SELECT 1 FROM rows r WHERE r.recipe = chunks.recipe AND r.document = chunks.document);
    DELETE FROM vectors WHERE id NOT IN (SELECT vector FROM chunks) AND call_key NOT IN (SELECT call_key FROM answers);
    DELETE FROM passages WHERE vector NOT IN (SELECT id FROM vectors);";

/// A vector in the store, found by its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVector {
    /// Name of the document that paid for it.
    pub payer: String,
    /// The model that made it.
    pub model: String,
    /// Its dimensions.
    pub dimensions: usize,
}

/// Looks up committed vectors.
#[derive(Debug)]
pub struct VectorReader {
    path: PathBuf,
    connection: Connection,
}

impl VectorReader {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)? })
    }

    /// The vectors of calls, in their order.
    pub fn get(&self, keys: &[CallKey]) -> Result<Vec<Option<KnownVector>>, StoreError> {
        let sql = "SELECT ifnull(d.name, ''), v.model, length(v.vector) / 4 FROM vectors v LEFT JOIN documents d ON d.id = v.document
            WHERE v.call_key = ?1";
        let get = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut one = |key: &CallKey| {
                let known = |row: &rusqlite::Row<'_>| Ok(KnownVector { payer: row.get(0)?, model: row.get(1)?, dimensions: row.get(2)? });
                statement.query_row([&key.0[..]], known).optional()
            };
            keys.iter().map(&mut one).collect::<Result<Vec<_>>>()
        };
        get().map_err(|e| StoreError::new(&self.path, "cannot read vectors", e))
    }

    /// Dimensions of the newest vectors that have the provider, model and form of a task.
    pub fn dimensions(&self, of: &EmbedRecord) -> Result<Option<usize>, StoreError> {
        let tasks = "SELECT job, task, provider, model, query, recipe FROM embed_tasks WHERE provider = ?1 AND model = ?2
            ORDER BY (SELECT max(id) FROM runs r WHERE r.recipe = embed_tasks.recipe) DESC";
        let one = "SELECT length(v.vector) / 4 FROM chunks c JOIN vectors v ON v.id = c.vector
            WHERE c.recipe = ?1 AND c.task = ?2 LIMIT 1";
        let get = || {
            let mut statement = self.connection.prepare(tasks)?;
            let found = statement.query_map((&of.provider, &of.model), |row| Ok((task(row)?, row.get::<_, i64>(5)?)))?;
            for found in found {
                let (known, recipe) = found?;
                if known.form == of.form
                    && let Some(dimensions) = self.connection.query_row(one, (recipe, &known.task), |row| row.get(0)).optional()?
                {
                    return Ok(Some(dimensions));
                }
            }
            Ok::<_, rusqlite::Error>(None)
        };
        get().map_err(|e| StoreError::new(&self.path, "cannot read vectors", e))
    }
}

/// Limits of requests that servers have taught.
pub(super) fn pack_limits(connection: &Connection) -> Result<Vec<PackLimit>> {
    let limit =
        |row: &rusqlite::Row<'_>| Ok(PackLimit { endpoint: row.get(0)?, items: row.get(1)?, tokens: row.get(2)?, bytes: row.get(3)? });
    connection.prepare("SELECT endpoint, items, tokens, bytes FROM pack_limits")?.query_map((), limit)?.collect()
}
