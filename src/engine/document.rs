//! What the stages pass on about a document, and the source of its answers.

use super::RunError;
use super::ledger::Calls;
use super::memory::Held;
use crate::ask::Account;
use crate::job::{Chunks, Job};
use crate::model::{Call, CallRecord, Document, DocumentId, DocumentTimes, Facts, Failure, Fence};
use crate::store::NewChunk;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A document after reading, or the reason why it could not be read.
#[derive(Debug)]
pub(super) struct Read {
    pub document: Document,
    pub id: DocumentId,
    /// Whether the store has never seen it, so it can have no answers there.
    pub is_new: bool,
    pub bytes: Result<Vec<u8>, Failure>,
    /// Counts the bytes against the memory budget while it lives.
    pub held: Option<Held>,
    pub times: DocumentTimes,
}

/// A document after preparation.
#[derive(Debug)]
pub(super) struct Ready {
    pub document: Document,
    pub id: DocumentId,
    /// Whether the store has never seen it.
    pub is_new: bool,
    pub job: Arc<Job>,
    pub state: State,
    /// Counts the prepared bytes against the memory budget until the last answer.
    pub held: Option<Held>,
    /// Counts the text of a document that another process has read, also until the last answer.
    pub held_text: Option<Held>,
    pub times: DocumentTimes,
}

/// Whether a prepared document has calls.
#[derive(Debug)]
pub(super) enum State {
    Prepared(Box<Facts>, Chunks),
    Failed(Failure),
    Skipped(Failure),
}

/// The document that calls are about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'d> {
    pub id: DocumentId,
    /// Its name.
    pub name: &'d str,
    /// Its position in input order.
    pub position: u64,
    pub is_new: bool,
    /// Its name, if it is a row of a table.
    pub row: Option<&'d str>,
    pub job: &'d Job,
    /// Cancelled by `docmill cancel`.
    pub cancelled: &'d CancellationToken,
    /// Receives its calls, if the run is traced.
    pub traced: Option<&'d Calls>,
    /// Receives its chunks with vectors.
    pub chunks: Option<&'d Mutex<Vec<NewChunk>>>,
}

/// A source of answers: the model in a run, a forecast in a plan.
///
/// A source that answers later returns [`Unfinished::Deferred`]. The document then frees its memory
/// and its place among the active documents, and the next run asks about it again.
pub(super) trait Answerer: Sync {
    /// The account, with the model for tasks that name none.
    fn account(&self) -> &Account;

    /// The reasoning effort of requests.
    fn effort(&self) -> Option<&Arc<str>>;

    /// Marks the texts of documents in requests.
    fn fence(&self) -> &Fence;

    /// Answers several calls on one document concurrently; calls that the store knows are taken from there.
    fn ask_all(&self, subject: Subject<'_>, calls: Vec<Call>) -> impl Future<Output = Result<Vec<CallRecord>, Unfinished>> + Send;
}

/// Why a document has no answers to make a row of.
pub(super) enum Unfinished {
    /// Its calls cannot be made; the row says why.
    Unasked(Failure),
    /// The run is stopping: the document stays pending.
    Stopping,
    /// The answers come in a later run: the document stays pending, and the run is incomplete.
    Deferred,
    /// The run has failed.
    Error(RunError),
}

impl From<RunError> for Unfinished {
    fn from(error: RunError) -> Self {
        Self::Error(error)
    }
}
