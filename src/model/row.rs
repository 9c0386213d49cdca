//! The single final result of a document.

use super::{Facts, Failure, Money, Repair, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The single final result of a document, as in `results.jsonl`.
///
/// Its JSON lacks `index` and `document`, which [`Row::line`] adds. The store keeps a row under its
/// document, whose name and index may change later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Position in input order, from 0.
    #[serde(skip_serializing, default)]
    pub index: u64,
    /// The document's name.
    #[serde(skip_serializing, default)]
    pub document: String,
    /// Outcome of the document.
    pub status: RowStatus,
    /// Name of the job.
    pub job: String,
    /// `simulated`, `anthropic`, `openai` or `openai-compatible`.
    pub provider: String,
    /// The model that was requested.
    pub model: String,
    /// Columns of its table row that the settings pass on.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub columns: Map<String, Value>,
    /// Answers by CSV column.
    pub answers: Map<String, Value>,
    /// Why the answer is missing or incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Facts from preparation; absent if preparation failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Facts>,
    /// All calls, in the order of the job file.
    pub calls: Vec<CallRecord>,
}

impl Row {
    /// Parses a row from its JSON.
    pub fn read(index: u64, document: &str, text: &str) -> serde_json::Result<Self> {
        Ok(Self { index, document: document.to_owned(), ..serde_json::from_str(text)? })
    }

    /// The line of `results.jsonl`, from the row's JSON.
    pub fn line(index: u64, document: &str, text: &str) -> String {
        let document = Value::from(document);
        format!("{{\"index\":{index},\"document\":{document},{}", text.trim_start_matches('{'))
    }

    /// Remark on the input. It may say that part of the document was left out or unreadable.
    pub fn note(&self) -> Option<String> {
        let facts = self.input.as_ref()?;
        let cut = facts.sent_tokens.map(|sent| format!("cut to the first {sent} tokens"));
        let notes: Vec<String> = facts.note.clone().into_iter().chain(cut).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    /// All repairs of the row, each once, separated by commas.
    pub fn repaired(&self) -> String {
        let repairs: BTreeSet<Repair> = self.calls.iter().flat_map(|call| call.repaired.iter().copied()).collect();
        repairs.into_iter().map(Repair::as_str).collect::<Vec<_>>().join(",")
    }

    /// All failure codes of the row, each once, separated by commas. They include codes of its
    /// calls. The row's own comes first.
    pub fn codes(&self) -> Option<String> {
        let own = self.failure.as_ref().map(|failure| failure.code.as_str());
        let of_calls = self.calls.iter().filter_map(|call| call.failure.as_ref()).map(|failure| failure.code.as_str());
        let mut others: Vec<&str> = of_calls.filter(|code| Some(*code) != own).collect();
        others.sort_unstable();
        others.dedup();
        let codes: Vec<&str> = own.into_iter().chain(others).collect();
        (!codes.is_empty()).then(|| codes.join(","))
    }
}

/// Outcome of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// All calls have answers.
    Ok,
    /// Some calls have answers and some failed permanently.
    Partial,
    /// No answer; `failure` says why.
    Failed,
    /// The model declined all calls.
    Refused,
    /// The job does not accept this kind of document.
    Skipped,
}

impl RowStatus {
    /// Every status, best first.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Partial, Self::Failed, Self::Refused, Self::Skipped];

    /// The word in the `status` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }
}

/// One call of a row: its answer or failure, and its cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The task; `combine` for the aggregation.
    pub task: String,
    /// One value for each axis of the task.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub axes: Map<String, Value>,
    /// Chunk number, from 1, if the document was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// Outcome of the call.
    pub status: CallStatus,
    /// The validated answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// The reason for a missing answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The model that answered, as the provider states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider's id of the last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Repairs needed to read the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub repaired: BTreeSet<Repair>,
    /// The document whose call was paid, if identical calls are shared. If the table row was
    /// edited, the document itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_from: Option<String>,
    /// Number of HTTP requests.
    pub attempts: u32,
    /// Attempts without a complete response, which may have been billed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub maybe_billed: u32,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Cost of all attempts; absent if the price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Money>,
    /// Seconds from sending to the response, summed over the attempts.
    pub seconds: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// The answer is valid.
    Ok,
    /// The call failed permanently.
    Failed,
    /// The model or its filter declined.
    Refused,
}
