//! Creates, finds, lists and cancels batches.

use super::record::{Batch, COLUMNS};
use crate::ask::RelayEndpoint;
use crate::gateway::Gateway;
use crate::gateway::error::ApiError;
use crate::gateway::files::{BATCH, LIFETIME_S, Page};
use crate::gateway::ledger::now_ms;
use rusqlite::params;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A batch that a client wants.
#[derive(Debug, Clone, Deserialize)]
pub struct NewBatch {
    /// Id of the file with its lines.
    input_file_id: String,
    /// The endpoint of all lines.
    endpoint: String,
    /// The time that it may take, such as `24h`.
    completion_window: String,
    /// Pairs for the client.
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    /// Lifetime of the results.
    #[serde(default)]
    output_expires_after: Option<Expires>,
}

/// A lifetime in OpenAI's form.
#[derive(Debug, Clone, Deserialize)]
struct Expires {
    seconds: i64,
}

/// Shortest and longest completion window in seconds.
const WINDOW_S: std::ops::RangeInclusive<i64> = 1..=2_592_000;

/// The endpoint of a path, such as `/v1/chat/completions`.
pub(super) fn endpoint(path: &str) -> Option<RelayEndpoint> {
    let below = path.strip_prefix("/v1")?;
    RelayEndpoint::ALL.into_iter().find(|endpoint| endpoint.path() == below)
}

/// The seconds of a completion window: a number with `s`, `m`, `h` or `d`.
fn seconds(window: &str) -> Option<i64> {
    let (number, unit) = window.split_at_checked(window.len().checked_sub(1)?)?;
    let unit = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)].into_iter().find(|(name, _)| *name == unit)?.1;
    let number: i64 = number.parse().ok()?;
    number.checked_mul(unit).filter(|seconds| WINDOW_S.contains(seconds))
}

impl NewBatch {
    /// Checks everything but the file.
    fn check(&self) -> Result<i64, ApiError> {
        if endpoint(&self.endpoint).is_none() {
            let known: Vec<String> = RelayEndpoint::ALL.iter().map(|endpoint| format!("/v1{}", endpoint.path())).collect();
            let message = format!("Invalid value: '{}'. Supported values are: {}.", self.endpoint, known.join(", "));
            return Err(ApiError::param("endpoint", "invalid_value", message));
        }
        let pairs = self.metadata.iter().flatten();
        let is_pair = |(name, value): (&String, &Value)| name.len() <= 64 && value.as_str().is_some_and(|value| value.len() <= 512);
        if self.metadata.as_ref().is_some_and(|metadata| metadata.len() > 16) || !pairs.into_iter().all(is_pair) {
            let message = "metadata has at most 16 pairs, with names of 64 and texts of 512 characters";
            return Err(ApiError::param("metadata", "invalid_value", message));
        }
        if self.output_expires_after.as_ref().is_some_and(|expires| !LIFETIME_S.contains(&expires.seconds)) {
            return Err(ApiError::param("output_expires_after", "invalid_value", "seconds must be 3600 to 2592000"));
        }
        seconds(&self.completion_window).ok_or_else(|| {
            let message = format!("Invalid value: '{}'. Expected a time such as 24h, at most 30d.", self.completion_window);
            ApiError::param("completion_window", "invalid_value", message)
        })
    }
}

impl Gateway {
    /// Creates a batch. Its lines are checked later.
    pub async fn create_batch(self: &Arc<Self>, owner: String, new: NewBatch) -> Result<Batch, ApiError> {
        let window_s = new.check()?;
        let (file, _) = self.file(&owner, &new.input_file_id).await?;
        if file.purpose != BATCH {
            return Err(ApiError::param("input_file_id", "invalid_value", "the file must have the purpose batch"));
        }
        let id = format!("batch_{}", uuid::Uuid::now_v7().simple());
        let (created, asked) = (now_ms(), id.clone());
        let record = move |t: &rusqlite::Transaction<'_>| {
            let NewBatch { input_file_id, endpoint, completion_window, metadata, output_expires_after } = &new;
            let metadata = metadata.as_ref().map(|metadata| Value::Object(metadata.clone()).to_string());
            let expires_s = output_expires_after.as_ref().map(|expires| expires.seconds);
            t.execute(
                "INSERT INTO batches (id, owner, endpoint, input_file, completion_window, state, metadata, output_expires_s, created_ms, expires_ms)
                    VALUES (?1, ?2, ?3, ?4, ?5, 'validating', ?6, ?7, ?8, ?9)",
                params![
                    asked,
                    owner,
                    endpoint,
                    input_file_id,
                    completion_window,
                    metadata,
                    expires_s,
                    created,
                    created + window_s * 1000
                ],
            )?;
            Batch::find(t, &asked)
        };
        let batch = self.ledger.write(record).await?;
        self.active.wake();
        batch.ok_or_else(|| ApiError::internal(format!("batch {id} is not on record")))
    }

    /// A batch of an owner.
    pub async fn batch(self: &Arc<Self>, owner: &str, id: &str) -> Result<Batch, ApiError> {
        let asked = id.to_owned();
        let found = self.read(move |connection| Batch::find(connection, &asked)).await?;
        found.filter(|batch| batch.owner == owner).ok_or_else(|| ApiError::not_found(format!("No batch found with id '{id}'.")))
    }

    /// The batches of an owner, newest first, and whether there are more.
    pub async fn batches(self: &Arc<Self>, owner: String, page: Page) -> Result<(Vec<Batch>, bool), ApiError> {
        if let Some(after) = &page.after {
            self.batch(&owner, after).await.map_err(|_| ApiError::param("after", "invalid_value", "no batch has this id"))?;
        }
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM batches WHERE owner = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3");
            let mut statement = connection.prepare_cached(&sql)?;
            let batches = statement.query_map(params![owner, page.after, page.limit + 1], Batch::read)?;
            let mut batches: Vec<Batch> = batches.collect::<rusqlite::Result<_>>()?;
            let more = batches.len() > page.limit as usize;
            batches.truncate(page.limit as usize);
            Ok((batches, more))
        })
        .await
    }

    /// Cancels a batch. Lines that were sent finish, and their results are kept.
    pub async fn cancel_batch(self: &Arc<Self>, owner: &str, id: &str) -> Result<Batch, ApiError> {
        self.batch(owner, id).await?;
        let asked = id.to_owned();
        let cancelled = self.ledger.write(move |t| {
            let sql =
                "UPDATE batches SET state = 'cancelling', cancelling_ms = ?2 WHERE id = ?1 AND state IN ('validating', 'in_progress')";
            t.execute(sql, params![asked, now_ms()])
        });
        let cancelled = cancelled.await? > 0;
        self.active.cancel(id);
        let batch = self.batch(owner, id).await?;
        if cancelled || batch.state == "cancelling" {
            return Ok(batch);
        }
        let message = format!("Cannot cancel a batch with status '{}'.", batch.state);
        Err(ApiError::new(409, "invalid_request_error", Some("invalid_state"), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_window_is_a_number_with_a_unit() {
        for (window, expected) in
            [("24h", Some(86_400)), ("1h", Some(3600)), ("90m", Some(5400)), ("1s", Some(1)), ("30d", Some(2_592_000))]
        {
            assert_eq!(seconds(window), expected, "{window}");
        }
        for wrong in ["", "h", "24", "0h", "-1h", "31d", "1.5h", "99999999999999999999h", "1é"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
