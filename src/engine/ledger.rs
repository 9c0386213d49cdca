//! The ledger. It records requests and their attempts in the store before they are sent.

use crate::ask::packing::PackLimits;
use crate::ask::{Ledger, LedgerClosed, PackedAttempt, VectorLedger};
use crate::model::{Attempt, Call, CallKey, CallTrace, DocumentId, FailureCode, Money, Spent, VectorForm};
use crate::store::{EmbedRecord, NewAttempt, NewRequest, PackLimit, Settlement, StoreHandle, WriterGone};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The requests of a run.
pub(super) struct RequestLedger {
    store: StoreHandle,
    /// The id of the next attempt.
    next: AtomicI64,
}

impl RequestLedger {
    pub fn new(store: StoreHandle, next: i64) -> Self {
        Self { store, next: next.into() }
    }

    /// Records a request that carries these attempts. Returns the id of the first one once all are
    /// durable; the ids of the others follow.
    async fn sending(&self, queued: Timestamp, attempts: Vec<NewAttempt>) -> Result<i64, WriterGone> {
        let ids = i64::try_from(attempts.len()).unwrap_or(i64::MAX);
        let number = self.next.fetch_add(ids, Relaxed);
        self.store.request(NewRequest { number, queued, attempts }).await?;
        Ok(number)
    }
}

/// The attempts of one call.
pub(super) struct CallLedger<'d> {
    pub requests: &'d RequestLedger,
    pub document: DocumentId,
    pub key: CallKey,
    /// Task and axes.
    pub label: String,
    /// The trace of the call, if the document is traced.
    pub traced: Option<Traced<'d>>,
}

/// The finished calls of a traced document.
pub(super) type Calls = Mutex<Vec<CallTrace>>;

/// A call of a traced document.
pub(super) struct Traced<'d> {
    calls: &'d Calls,
    begun: Timestamp,
    attempts: Mutex<Vec<Attempt>>,
}

impl<'d> Traced<'d> {
    pub fn begin(calls: &'d Calls) -> Self {
        Self { calls, begun: Timestamp::now(), attempts: Mutex::default() }
    }

    fn note(&self, attempt: Attempt) {
        let mut attempts = self.attempts.lock();
        // The last attempt of a cancelled call is reported twice.
        if attempts.iter().all(|known| known.id != attempt.id) {
            attempts.push(attempt);
        }
    }
}

impl CallLedger<'_> {
    /// Closes the call and completes its trace.
    ///
    /// Returns the end of its last attempt, which the store commits together with the result.
    pub fn close(self, call: &Call, answered_by: Option<&str>, failure: Option<FailureCode>, spent: Spent, last: Attempt) -> Settlement {
        if let Some(traced) = self.traced {
            traced.note(last);
            let Traced { calls, begun, attempts } = traced;
            let trace = CallTrace {
                task: call.task.to_string(),
                label: self.label,
                model: call.model.clone(),
                answered_by: answered_by.map(ToOwned::to_owned),
                begun,
                ended: Timestamp::now(),
                failure,
                spent,
                attempts: attempts.into_inner(),
            };
            calls.lock().push(trace);
        }
        settlement(last)
    }
}

impl Ledger for CallLedger<'_> {
    async fn sending(&self, number: u32, at_most: Option<Money>, queued: Timestamp) -> Result<i64, LedgerClosed> {
        let Self { document, key, label, .. } = self;
        let attempt = NewAttempt { document: *document, key: *key, call: label.clone(), number, at_most };
        // Each request carries one call.
        self.requests.sending(queued, vec![attempt]).await.map_err(|_| LedgerClosed)
    }

    async fn ended(&self, attempt: Attempt) -> Result<(), LedgerClosed> {
        if let Some(traced) = &self.traced {
            traced.note(attempt);
        }
        self.requests.store.settle(settlement(attempt)).await.map_err(|_| LedgerClosed)
    }
}

/// The ledger of calls that travel in packs.
pub(super) struct PackLedger {
    pub requests: Arc<RequestLedger>,
    /// Limits that servers have taught earlier runs.
    pub limits: Vec<PackLimit>,
    /// Tasks whose vectors are in the store, with their dimensions.
    pub dimensions: Vec<(EmbedRecord, usize)>,
}

/// A call in a pack.
pub(super) struct PackedCall {
    pub document: DocumentId,
    pub key: CallKey,
    /// Task and axes.
    pub label: String,
}

impl VectorLedger for PackLedger {
    type Item = PackedCall;

    async fn sending(&self, queued: Timestamp, attempts: Vec<PackedAttempt<PackedCall>>) -> Result<i64, LedgerClosed> {
        let attempt = |PackedAttempt { item, number, at_most }: PackedAttempt<PackedCall>| {
            let PackedCall { document, key, label } = &*item;
            NewAttempt { document: *document, key: *key, call: label.clone(), number, at_most }
        };
        self.requests.sending(queued, attempts.into_iter().map(attempt).collect()).await.map_err(|_| LedgerClosed)
    }

    async fn ended(&self, attempts: Vec<Attempt>) -> Result<(), LedgerClosed> {
        self.requests.store.settle_all(attempts.into_iter().map(settlement).collect()).await.map_err(|_| LedgerClosed)
    }

    fn remembered(&self) -> Vec<(String, PackLimits)> {
        let none = PackLimits::NONE;
        let limits = |limit: &PackLimit| PackLimits {
            max_items: limit.items.and_then(|n| usize::try_from(n).ok()).unwrap_or(none.max_items),
            max_tokens: limit.tokens.and_then(|n| u64::try_from(n).ok()).unwrap_or(none.max_tokens),
            max_bytes: limit.bytes.and_then(|n| u64::try_from(n).ok()).unwrap_or(none.max_bytes),
        };
        self.limits.iter().map(|limit| (limit.endpoint.clone(), limits(limit))).collect()
    }

    fn dimensions(&self, model: &str, form: &VectorForm) -> Option<usize> {
        self.dimensions.iter().find(|(task, _)| task.model == model && task.form == *form).map(|(_, dimensions)| *dimensions)
    }

    fn learned(&self, endpoint: &str, limits: PackLimits) {
        let PackLimits { max_items, max_tokens, max_bytes } = limits;
        self.requests.store.remember(PackLimit {
            endpoint: endpoint.to_owned(),
            items: i64::try_from(max_items).ok(),
            tokens: i64::try_from(max_tokens).ok(),
            bytes: i64::try_from(max_bytes).ok(),
        });
    }
}

/// Converts the end of an attempt for the store.
fn settlement(attempt: Attempt) -> Settlement {
    let Attempt { id, failure, usage, cost, moments, .. } = attempt;
    Settlement { attempt: id, outcome: failure.map_or("answered", |code| code.as_str()), usage, cost, moments }
}
