//! When things happened: moments that can be compared with those of other runs.

use super::{FailureCode, Money, Spent, Usage};
use jiff::Timestamp;

/// When a request did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Its first byte left.
    pub sent: Timestamp,
    /// The first byte of its reply came, if one did.
    pub first_byte: Option<Timestamp>,
    /// Its reply was whole, or given up.
    pub ended: Timestamp,
}

/// When a document came through which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocumentTimes {
    /// The walk came across it.
    pub found: Timestamp,
    /// It was read.
    pub read: Timestamp,
    /// It was prepared.
    pub ready: Timestamp,
}

/// A request that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Its number in the ledger.
    pub id: i64,
    /// 1 for the first of its call.
    pub number: u32,
    /// When it lined up for its turn.
    pub queued: Timestamp,
    /// Why it brought no answer; `None` if it did.
    pub failure: Option<FailureCode>,
    /// The HTTP status of its reply, if there was one.
    pub status: Option<u16>,
    /// What it used.
    pub usage: Usage,
    /// What it cost; `None` if the price is not known.
    pub cost: Option<Money>,
    /// When.
    pub moments: Moments,
}

/// A document from the walk to its row, for those who trace it: moments, numbers and names, and nothing of its content.
#[derive(Debug, Clone)]
pub struct Trace {
    /// When it came through the stages before the calls.
    pub times: DocumentTimes,
    /// It had its row.
    pub done: Timestamp,
    /// Why it did not end well.
    pub failure: Option<FailureCode>,
    /// Its calls that were asked in this run, as they ended.
    pub calls: Vec<CallTrace>,
}

/// A call, with all its requests.
#[derive(Debug, Clone)]
pub struct CallTrace {
    /// Its task.
    pub task: String,
    /// Task and axes.
    pub label: String,
    /// The model asked.
    pub model: String,
    /// The model that answered, as the provider states it.
    pub answered_by: Option<String>,
    /// It was taken up.
    pub begun: Timestamp,
    /// It had its answer, or was given up.
    pub ended: Timestamp,
    /// Why there is no answer.
    pub failure: Option<FailureCode>,
    /// What all its requests came to.
    pub spent: Spent,
    /// Its requests, as they ended.
    pub attempts: Vec<Attempt>,
}
