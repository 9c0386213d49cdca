//! Idempotency keys of removed runs. A late repetition of their submissions is not paid again.

use super::{RunId, now_ms};
use crate::serve::problem::Problem;
use rusqlite::{Connection, OptionalExtension as _, params};

/// How long they are kept, in milliseconds: 30 days.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// Keeps the key of an ended run that is removed. Forgets old ones.
pub(super) fn keep(connection: &Connection, id: &RunId) -> rusqlite::Result<()> {
    let now = now_ms();
    connection.execute("DELETE FROM removed_keys WHERE removed_ms < ?1", [now - KEPT_MS])?;
    let sql = "INSERT OR REPLACE INTO removed_keys (owner, idempotency_key, run_id, removed_ms) SELECT owner, idempotency_key, id, ?2
        FROM runs WHERE id = ?1 AND idempotency_key IS NOT NULL AND state NOT IN ('queued', 'running')";
    connection.execute(sql, params![id.as_str(), now]).map(drop)
}

/// Refuses the key of a removed run.
pub(super) fn check(connection: &Connection, owner: &str, key: &str) -> Result<(), Problem> {
    let sql = "SELECT run_id FROM removed_keys WHERE owner = ?1 AND idempotency_key = ?2 AND removed_ms >= ?3";
    let removed: Option<String> = connection.query_row(sql, (owner, key, now_ms() - KEPT_MS), |row| row.get(0)).optional()?;
    removed.map_or(Ok(()), |run| {
        Err(Problem::conflict(format!("this Idempotency-Key belongs to run {run}, which was removed. Use a new key to submit it again")))
    })
}
