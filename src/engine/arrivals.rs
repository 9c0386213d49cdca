//! A source of documents that arrive while the run is active.

use super::meter::Meters;
use crate::model::{Document, DocumentId, Failure, FailureCode, Place, RowStatus, Stamp};
use crate::store::ResultOrder;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A document that is ready to be read.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Name in results.
    pub name: String,
    /// Location of its content.
    pub place: Place,
    /// Why it cannot be read, if that is known.
    pub failure: Option<Failure>,
    /// The stamp that it had when it was ready. A file with another stamp is not sent.
    pub stamp: Option<Stamp>,
    /// Whether a scan found it, among others that may all be up to date.
    pub is_scanned: bool,
}

/// How the turn of a document ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It has a durable row.
    Done {
        /// Its number in the store.
        document: DocumentId,
        /// Status of the row, and its failure code.
        status: Option<(RowStatus, Option<FailureCode>)>,
        /// Whether this turn made the row.
        is_new: bool,
    },
    /// The file changed or disappeared before it was read. Nothing was sent.
    Changed,
    /// The run stops. The document stays pending.
    Pending,
}

/// The end of a document's turn.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Name of the document.
    pub name: String,
    /// Its number among all arrivals of this run, from 0.
    pub number: u64,
    /// What became of it.
    pub fate: Fate,
}

/// A source of documents that has no end, or whose end is not known.
pub trait Arrivals: fmt::Debug + Send + Sync {
    /// Waits for documents that are ready. `None` ends the input. Blocks, but not after `stop`.
    ///
    /// A document is not offered again before its turn has ended.
    fn next(&self, stop: &CancellationToken) -> Option<Vec<Arrival>>;

    /// Takes the end of a document's turn. Must not block.
    fn ended(&self, ended: Ended);

    /// Offers a document again that a user has requeued. Returns whether it can.
    fn again(&self, name: &str) -> bool;

    /// Whether a document called `name` is among those that are there. Blocks.
    fn has(&self, name: &str) -> bool;

    /// Takes notes for the user.
    fn notes(&self) -> Vec<String>;

    /// Whether the document called `name` still belongs to the results. Blocks.
    fn keeps(&self, name: &str) -> bool;

    /// Counts events after which documents may no longer belong to the results.
    fn removals(&self) -> u64;

    /// The order of results.
    fn order(&self) -> ResultOrder;

    /// Whether a new name for known content means that the document was renamed.
    fn renames(&self) -> bool;

    /// Whether all documents of the first look have had their turn. Stays true.
    fn has_passed(&self) -> bool;

    /// Minimum time between result files. `None`: result files are written at the end only.
    fn publish_every(&self) -> Option<Duration>;
}

/// The source of a run, with the number of its first document.
#[derive(Debug, Clone)]
pub(super) struct Following {
    pub arrivals: Arc<dyn Arrivals>,
    /// Position of the first arrival. Earlier positions belong to documents of earlier runs.
    pub first: u64,
    /// Number of documents so far, those of earlier runs included.
    documents: Arc<Mutex<u64>>,
    /// Number of rows so far.
    rows: Arc<AtomicU64>,
    /// Documents that left the listing, because they disappeared.
    gone: Arc<Mutex<HashSet<DocumentId>>>,
    /// Whether results exist that this run begins without.
    has_others: bool,
}

impl Following {
    pub fn new(arrivals: Arc<dyn Arrivals>, first: u64, has_others: bool) -> Self {
        Self { arrivals, first, documents: Arc::new(Mutex::new(first)), rows: Arc::default(), gone: Arc::default(), has_others }
    }

    /// Whether earlier results stay for now: they may have more rows than those of this run.
    pub fn keeps_others(&self) -> bool {
        self.has_others && !self.arrivals.has_passed()
    }

    /// Counts `more` documents, or fewer.
    pub fn count(&self, more: i64, meters: &Meters) {
        let mut documents = self.documents.lock();
        *documents = documents.saturating_add_signed(more);
        meters.set_documents(*documents);
    }

    /// Reports the end of a document's turn.
    pub fn ended(&self, document: &Document, fate: Fate) {
        self.ended_as(document.name.clone(), document.index, fate);
    }

    /// Reports the end of the turn of the document called `name` at `position`.
    pub fn ended_as(&self, name: String, position: u64, fate: Fate) {
        if matches!(fate, Fate::Done { .. }) {
            self.rows.fetch_add(1, Relaxed);
        }
        self.arrivals.ended(Ended { name, number: position - self.first, fate });
    }

    /// Notes documents that disappeared.
    pub fn note_gone(&self, documents: &[(DocumentId, String)]) {
        self.gone.lock().extend(documents.iter().map(|(document, _)| *document));
    }

    /// Whether a document has disappeared before, and is back.
    pub fn is_back(&self, document: DocumentId) -> bool {
        self.gone.lock().remove(&document)
    }

    /// A number that changes with the results.
    pub fn version(&self) -> (u64, u64) {
        (self.rows.load(Relaxed), self.arrivals.removals())
    }
}
