//! Records that the store writes.

use crate::model::{CallKey, Digest, DocumentId, DocumentTimes, Moments, Money, Stamp, Usage, VectorForm};
use jiff::Timestamp;

/// Values that all records of a run share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub id: i64,
    pub recipe: i64,
    /// Whether rows of this recipe existed before the run. Only then can a new row replace one.
    pub may_replace_rows: bool,
    /// Whether documents arrive during the run.
    pub follows: bool,
    /// Whether new rows are delivered, of documents that arrive.
    pub delivers: bool,
}

/// A new document, or a document with new name or stamp.
#[derive(Debug, Clone)]
pub struct DocumentRecord {
    /// Number of the document.
    pub id: DocumentId,
    /// Name of the document.
    pub name: String,
    /// Digest of its content; `None` if it was unreadable.
    pub digest: Option<Digest>,
    /// Stamp at the time of reading. `None` if the file was too new for the stamp to reveal a
    /// further change.
    pub stamp: Option<Stamp>,
}

/// A document with its position, after a successful or failed read.
#[derive(Debug, Clone)]
pub struct ReadDocument {
    /// Position in input order.
    pub position: u64,
    /// Number of the document.
    pub id: DocumentId,
    /// New facts about the document, if any.
    pub record: Option<DocumentRecord>,
    /// Whether it had another name before, which outdates result files.
    pub renamed: bool,
    /// Whether its existing row is outdated. Readers of the listing must not use an outdated row.
    pub forget_row: bool,
}

/// A request to send, with an attempt for each of its calls.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// Its number, which is also the id of its first attempt. Its other attempts have the ids after
    /// it.
    pub number: i64,
    /// When it entered the wait line.
    pub queued: Timestamp,
    /// The attempts of its calls.
    pub attempts: Vec<NewAttempt>,
}

/// The attempt of one call in a new request.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// The document of the call.
    pub document: DocumentId,
    /// The key of its call.
    pub key: CallKey,
    /// Task and axes, for display.
    pub call: String,
    /// Number within its call, from 1.
    pub number: u32,
    /// Maximum cost of its share of the request; `None` if the price is not known.
    pub at_most: Option<Money>,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The id of the attempt.
    pub attempt: i64,
    /// `answered` or a failure code.
    pub outcome: &'static str,
    /// Its share of the request's token usage.
    pub usage: Usage,
    /// Cost of its share; `None` if the price is not known.
    pub cost: Option<Money>,
    /// Times of the request.
    pub moments: Moments,
}

/// A validated answer to be saved.
#[derive(Debug)]
pub struct NewAnswer {
    /// The document. Equal calls on two documents are two answers.
    pub document: DocumentId,
    /// The key of its call.
    pub key: CallKey,
    /// The call record as JSON.
    pub call: String,
    /// The end of the answering request; `None` if the answer is shared from another document.
    pub settles: Option<Settlement>,
    /// Whether it replaces a failure of this call, or an unreadable answer.
    pub replaces: bool,
    /// The vector, if the call wanted one and no other document has it.
    pub vector: Option<Box<NewVector>>,
}

/// The vector of a text.
#[derive(Debug)]
pub struct NewVector {
    /// The text, without its prefix.
    pub text: String,
    /// The model that made it.
    pub model: String,
    /// Its numbers.
    pub numbers: Vec<f32>,
}

/// A chunk of a row, with a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChunk {
    /// The task.
    pub task: String,
    /// Its number, from 1.
    pub part: u32,
    /// The page where it begins.
    pub page: Option<u32>,
    /// The key of its call.
    pub key: CallKey,
}

/// A task that embeds, and how it embeds a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRecord {
    /// The job.
    pub job: String,
    /// The task.
    pub task: String,
    /// Name of the provider.
    pub provider: String,
    /// The model that it asks.
    pub model: String,
    /// The form of its vectors.
    pub form: VectorForm,
    /// The form of vectors for queries.
    pub query: VectorForm,
}

/// Limits of requests that a server has taught; `None` for no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackLimit {
    /// Address and model.
    pub endpoint: String,
    /// Maximum items.
    pub items: Option<i64>,
    /// Maximum tokens.
    pub tokens: Option<i64>,
    /// Maximum bytes.
    pub bytes: Option<i64>,
}

/// A permanently failed call.
#[derive(Debug)]
pub struct NewFailure {
    /// The document.
    pub document: DocumentId,
    /// The key of the call.
    pub key: CallKey,
    /// Failure code.
    pub code: &'static str,
    /// The call record as JSON.
    pub call: String,
    /// The end of its last request.
    pub settles: Settlement,
}

/// A finished row to be saved.
#[derive(Debug)]
pub struct NewRow {
    /// The document.
    pub document: DocumentId,
    /// The job's name.
    pub job: String,
    /// Status of the row.
    pub status: &'static str,
    /// Failure code of the row, if it failed.
    pub failure_code: Option<&'static str>,
    /// All failure codes of its calls, separated by commas.
    pub codes: Option<String>,
    /// The row as JSON.
    pub result: String,
    /// When it was found, read and prepared.
    pub times: DocumentTimes,
    /// Name of the document if this row records its cancellation.
    pub given_up: Option<String>,
    /// Its chunks with vectors.
    pub chunks: Vec<NewChunk>,
}
