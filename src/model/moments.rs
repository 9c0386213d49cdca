//! Points in time, as timestamps that are comparable between runs.

use super::{FailureCode, Money, Spent, Usage};
use jiff::Timestamp;

/// Times of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// The first byte was sent.
    pub sent: Timestamp,
    /// The first byte of the response arrived, if any.
    pub first_byte: Option<Timestamp>,
    /// The response was complete, or the request was abandoned.
    pub ended: Timestamp,
}

/// When a document passed each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocumentTimes {
    /// The walk found it.
    pub found: Timestamp,
    /// It was read.
    pub read: Timestamp,
    /// It was prepared.
    pub ready: Timestamp,
}

/// A finished attempt: the request's outcome for one of its calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Number in the ledger, unique in the store.
    pub id: i64,
    /// Number within its call, from 1.
    pub number: u32,
    /// When the request entered the wait line.
    pub queued: Timestamp,
    /// Why it gave no answer; `None` on success.
    pub failure: Option<FailureCode>,
    /// HTTP status of the response, if there was one.
    pub status: Option<u16>,
    /// Its share of the tokens that the request used.
    pub usage: Usage,
    /// Cost of that share; `None` if the price is not known.
    pub cost: Option<Money>,
    /// When the request was sent and answered.
    pub moments: Moments,
}

/// The path of a document to its row, for traces. It holds times, numbers and names, but no
/// content.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Times of the stages before the calls.
    pub times: DocumentTimes,
    /// When the row was complete.
    pub done: Timestamp,
    /// Why the document failed, if it did.
    pub failure: Option<FailureCode>,
    /// The calls of this run, in the order of their ends.
    pub calls: Vec<CallTrace>,
}

/// A call with all its requests.
#[derive(Debug, Clone)]
pub struct CallTrace {
    /// The task's id.
    pub task: String,
    /// Task and axes.
    pub label: String,
    /// The requested model.
    pub model: String,
    /// The model that answered, as the provider states it.
    pub answered_by: Option<String>,
    /// When the call began.
    pub begun: Timestamp,
    /// When it had an answer or failed.
    pub ended: Timestamp,
    /// The reason for a missing answer.
    pub failure: Option<FailureCode>,
    /// Totals of all its requests.
    pub spent: Spent,
    /// Its requests, in the order of their ends.
    pub attempts: Vec<Attempt>,
}
