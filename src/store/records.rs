//! What is written to the store, piece by piece.

use crate::model::{CallKey, Digest, DocumentId, DocumentTimes, Moments, Money, Stamp, Usage};
use jiff::Timestamp;

/// A document that is new, or known and changed in name or stamp.
#[derive(Debug, Clone)]
pub struct DocumentRecord {
    /// Its number.
    pub id: DocumentId,
    /// Its name.
    pub name: String,
    /// Of its content; `None` if it could not be read.
    pub digest: Option<Digest>,
    /// When it was read; `None` if that was too soon after it was written to tell a further change.
    pub stamp: Option<Stamp>,
}

/// A document that was read, or could not be, and has its place in the listing.
#[derive(Debug, Clone)]
pub struct ReadDocument {
    /// Its place in input order.
    pub position: u64,
    /// Its number.
    pub id: DocumentId,
    /// What is new about it.
    pub record: Option<DocumentRecord>,
    /// Whether it had another name before: then result files are no longer what they should be.
    pub renamed: bool,
    /// Whether its row, if it has one, was made of something else: whoever follows the listing must not take it.
    pub forget_row: bool,
}

/// A request that is about to leave.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Its number, unique in the store.
    pub id: i64,
    /// The document that it is about.
    pub document: DocumentId,
    /// The key of its call.
    pub key: CallKey,
    /// Task and axes, for people.
    pub call: String,
    /// 1 for the first request of its call.
    pub number: u32,
    /// What it costs at the most; `None` if the price is not known.
    pub at_most: Option<Money>,
    /// When it lined up for its turn.
    pub queued: Timestamp,
}

/// How a request ended.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The number of the attempt.
    pub attempt: i64,
    /// `answered` or a failure code.
    pub outcome: &'static str,
    /// What it used.
    pub usage: Usage,
    /// What it cost; `None` if the price is not known.
    pub cost: Option<Money>,
    /// When.
    pub moments: Moments,
}

/// A validated answer on its way to the disk.
#[derive(Debug)]
pub struct NewAnswer {
    /// The document: equal calls on two documents are two answers.
    pub document: DocumentId,
    /// The key of its call.
    pub key: CallKey,
    /// The call record as JSON.
    pub call: String,
    /// The end of the request that brought it; `None` if it is another document's answer, shared.
    pub settles: Option<Settlement>,
    /// Whether there is a failure of this call that it replaces, or an answer that could not be read.
    pub replaces: bool,
}

/// A call that failed for good.
#[derive(Debug)]
pub struct NewFailure {
    /// The document.
    pub document: DocumentId,
    /// The key of the call.
    pub key: CallKey,
    /// Why.
    pub code: &'static str,
    /// The call record as JSON.
    pub call: String,
    /// The end of its last request.
    pub settles: Settlement,
}

/// A finished row on its way to the disk.
#[derive(Debug)]
pub struct NewRow {
    /// The document.
    pub document: DocumentId,
    /// The job's name.
    pub job: String,
    /// How it ended.
    pub status: &'static str,
    /// Why, if it did not end well.
    pub failure_code: Option<&'static str>,
    /// All failure codes of its calls, with commas between.
    pub codes: Option<String>,
    /// The row as JSON.
    pub result: String,
    /// When it was found, read and prepared.
    pub times: DocumentTimes,
    /// The document's name, if somebody has given it up: the row says what became of that.
    pub given_up: Option<String>,
}
