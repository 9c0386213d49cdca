//! A run of the queue.

use crate::model::Money;
use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Identifies a run. Later runs have greater ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
pub struct RunId(String);

impl RunId {
    /// Creates a new id.
    pub fn new() -> Self {
        Self(format!("run_{}", uuid::Uuid::now_v7().simple()))
    }

    /// Parses an id. Other texts, such as paths, are no ids.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("run_")?;
        let is_id = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is at work.
    Running,
    /// All documents have a row.
    Complete,
    /// It stopped early, for example because its cap was reached. It can be resumed.
    Stopped,
    /// A client cancelled it. It can be resumed.
    Cancelled,
    /// It could not go on, because of its settings or inputs. It can be resumed.
    Failed,
}

impl State {
    /// The name of the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Parses a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Complete, Self::Stopped, Self::Cancelled, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether the run has ended, in whatever way.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// Counts and cost of a run, from its run store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Documents with a row.
    pub done: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Documents that no job of the run takes.
    pub skipped: u64,
    /// Documents without a row, if they were counted.
    pub pending: Option<u64>,
    /// Requests to the model.
    pub requests: u64,
    /// Cost of requests with a known price.
    pub spent: Money,
    /// The part of it that may not be billed, because the cost of requests is not known.
    pub uncertain: Money,
    /// Requests with an unknown price.
    pub unpriced: u64,
}

/// A run of the queue.
#[derive(Debug, Clone)]
pub struct QueuedRun {
    /// Its id.
    pub id: RunId,
    /// Name of the key that owns it.
    pub owner: String,
    /// Its state.
    pub state: State,
    /// Whether it waits until a client resumes it.
    pub held: bool,
    /// Runs with a higher priority go first.
    pub priority: i64,
    /// When it was submitted.
    pub created: Timestamp,
    /// When its work began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The submission as JSON, without texts and rows.
    pub submission: String,
    /// Why it ended early or waits; empty if it did not.
    pub message: String,
    /// Cap on money.
    pub cap: Option<Money>,
    /// The part of the shared caps with which a run without its own cap begins.
    pub share: Option<Money>,
    /// Counts and cost.
    pub totals: Totals,
    /// When work on it must have ended.
    pub deadline: Option<Timestamp>,
    /// Address for a message when it has ended.
    pub webhook: Option<String>,
    /// Whether a client has cancelled it while it is at work.
    pub cancelling: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_time_and_paths_are_no_ids() {
        let ids: Vec<RunId> = (0..100).map(|_| RunId::new()).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| RunId::parse(id.as_str()).as_ref() == Some(id)));
        for text in ["", "run_", "../etc", "run_../../../../../../../../../../x", "run_ABCDEF00000000000000000000000000", "run_%2e%2e"] {
            assert_eq!(RunId::parse(text), None, "{text}");
        }
    }
}
