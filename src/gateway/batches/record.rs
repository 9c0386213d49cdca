//! A batch in the ledger, and in OpenAI's form.

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::{Value, json};

/// A batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// Name of the key that owns it.
    pub owner: String,
    /// The endpoint of all its lines, such as `/v1/chat/completions`.
    pub endpoint: String,
    /// Id of the file with its lines.
    pub input_file: String,
    /// The time that it may take, as the client wrote it.
    pub window: String,
    /// Its state, in OpenAI's words.
    pub state: String,
    /// Pairs of the client.
    pub metadata: Option<String>,
    /// Why its file is invalid.
    pub errors: Option<String>,
    /// Lifetime of its results.
    pub output_expires_s: Option<i64>,
    /// Ids of its results.
    pub output_file: Option<String>,
    /// Id of the file of failed lines.
    pub error_file: Option<String>,
    /// Lines in all, answered, and failed.
    pub counts: [u64; 3],
    /// When it was created and when its window ends, in milliseconds since 1970.
    pub created_ms: i64,
    /// When its window ends.
    pub expires_ms: i64,
    /// When it came into the states `STEPS`.
    pub steps: [Option<i64>; 7],
}

/// States with a time, as their columns and fields begin.
pub(super) const STEPS: [&str; 7] = ["in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"];

pub(super) const COLUMNS: &str =
    "id, owner, endpoint, input_file, completion_window, state, metadata, errors, output_expires_s, output_file,
    error_file, total, completed, failed, created_ms, expires_ms, in_progress_ms, finalizing_ms, completed_ms, failed_ms, expired_ms,
    cancelling_ms, cancelled_ms";

impl Batch {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut steps = [None; STEPS.len()];
        for (at, step) in steps.iter_mut().enumerate() {
            *step = row.get(16 + at)?;
        }
        Ok(Self {
            id: row.get(0)?,
            owner: row.get(1)?,
            endpoint: row.get(2)?,
            input_file: row.get(3)?,
            window: row.get(4)?,
            state: row.get(5)?,
            metadata: row.get(6)?,
            errors: row.get(7)?,
            output_expires_s: row.get(8)?,
            output_file: row.get(9)?,
            error_file: row.get(10)?,
            counts: [row.get(11)?, row.get(12)?, row.get(13)?],
            created_ms: row.get(14)?,
            expires_ms: row.get(15)?,
            steps,
        })
    }

    /// A batch by its id.
    pub(super) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM batches WHERE id = ?1");
        connection.prepare_cached(&sql)?.query_row([id], Self::read).optional()
    }

    /// The batch in OpenAI's form.
    pub fn json(&self) -> Value {
        let parsed = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let errors = parsed(&self.errors).map(|data| json!({"object": "list", "data": data}));
        let [total, completed, failed] = self.counts;
        let mut json = json!({
            "id": self.id, "object": "batch", "endpoint": self.endpoint, "errors": errors, "input_file_id": self.input_file,
            "completion_window": self.window, "status": self.state, "output_file_id": self.output_file,
            "error_file_id": self.error_file, "created_at": self.created_ms / 1000, "expires_at": self.expires_ms / 1000,
            "request_counts": {"total": total, "completed": completed, "failed": failed}, "metadata": parsed(&self.metadata),
        });
        for (step, ms) in STEPS.iter().zip(self.steps) {
            json[format!("{step}_at")] = ms.map(|ms| ms / 1000).into();
        }
        json
    }
}
