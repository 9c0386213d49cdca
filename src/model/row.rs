//! A document's one and only terminal result.

use super::{Facts, Failure, Money, Repair, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A document's one and only terminal result, as it stands in `results.jsonl`.
///
/// As JSON it lacks `index` and `document`: the store keeps a row under its document, whose name and place may change
/// while the row stays the same. [`Row::line`] puts them in front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Position in input order, from 0.
    #[serde(skip_serializing, default)]
    pub index: u64,
    /// The document's name.
    #[serde(skip_serializing, default)]
    pub document: String,
    /// How it ended.
    pub status: RowStatus,
    /// The job that was asked.
    pub job: String,
    /// `simulated`, `anthropic`, `openai` or `openai-compatible`.
    pub provider: String,
    /// The model that the job asked for.
    pub model: String,
    /// Columns of the table that it is a row of, as they were to be passed on.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub columns: Map<String, Value>,
    /// Answers by CSV column.
    pub answers: Map<String, Value>,
    /// Why there is no answer, or not the whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the preparation learned; absent when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Facts>,
    /// All calls, in the order of the job file.
    pub calls: Vec<CallRecord>,
}

impl Row {
    /// Columns of `results.csv` before the answers.
    pub const FIRST_COLUMNS: [&str; 3] = ["index", "document", "status"];
    /// Columns of `results.csv` after the answers.
    pub const LAST_COLUMNS: [&str; 13] = [
        "provider",
        "model",
        "failure_code",
        "failure_message",
        "input_note",
        "repaired",
        "calls",
        "attempts",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "cost_usd",
        "seconds",
    ];

    /// Reads a row back from its JSON.
    pub fn read(index: u64, document: &str, text: &str) -> serde_json::Result<Self> {
        Ok(Self { index, document: document.to_owned(), ..serde_json::from_str(text)? })
    }

    /// A row's line of `results.jsonl`, from its JSON.
    pub fn line(index: u64, document: &str, text: &str) -> String {
        let document = Value::from(document);
        format!("{{\"index\":{index},\"document\":{document},{}", text.trim_start_matches('{'))
    }

    /// What is to be known about what was sent: that part of the document was left out, or could not be read.
    pub fn note(&self) -> Option<String> {
        let facts = self.input.as_ref()?;
        let cut = facts.sent_tokens.map(|sent| format!("cut to the first {sent} tokens"));
        let notes: Vec<String> = facts.note.clone().into_iter().chain(cut).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    /// What had to be put right in the replies, each once, with commas between.
    pub fn repaired(&self) -> String {
        let repairs: BTreeSet<Repair> = self.calls.iter().flat_map(|call| call.repaired.iter().copied()).collect();
        repairs.into_iter().map(Repair::as_str).collect::<Vec<_>>().join(",")
    }

    /// All failure codes of the row and its calls, each once, with commas between: the row's own first.
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

/// How a document ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// Every call has its answer.
    Ok,
    /// Some calls have their answers and some failed for good.
    Partial,
    /// No answer; `failure` says why.
    Failed,
    /// The model declined all of it.
    Refused,
    /// The job does not take this kind of document.
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

/// One call of a row: its answer or its failure, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The task; `combine` for the aggregation.
    pub task: String,
    /// One value for each axis of the task.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub axes: Map<String, Value>,
    /// The part of the document that it was about, from 1, where that was too long for one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// How it ended.
    pub status: CallStatus,
    /// The validated answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The model that answered, as the provider states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider's name for the last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What had to be put right in the model's reply to get the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub repaired: BTreeSet<Repair>,
    /// The document whose equal call was answered and paid, where identical calls are shared; of a row that was changed, itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_from: Option<String>,
    /// HTTP requests made.
    pub attempts: u32,
    /// Attempts without a complete reply, which the provider may have billed all the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub maybe_billed: u32,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Money of all attempts; absent when the price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Money>,
    /// Seconds from sending to the reply, summed over the attempts.
    pub seconds: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// Answered and validated.
    Ok,
    /// Failed for good.
    Failed,
    /// The model or its filter declined.
    Refused,
}
