//! The ledger of one call. It records each attempt in the store before the request is sent.

use crate::ask::{Ledger, LedgerClosed};
use crate::model::{Attempt, Call, CallKey, CallTrace, DocumentId, FailureCode, Money, Spent};
use crate::store::{NewAttempt, Settlement, StoreHandle};
use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The attempts of one call.
pub(super) struct CallLedger<'d> {
    pub store: &'d StoreHandle,
    /// The next attempt number of the whole run.
    pub numbers: &'d AtomicI64,
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
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
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
                attempts: attempts.into_inner().unwrap_or_else(PoisonError::into_inner),
            };
            calls.lock().unwrap_or_else(PoisonError::into_inner).push(trace);
        }
        settlement(last)
    }
}

impl Ledger for CallLedger<'_> {
    async fn sending(&self, number: u32, at_most: Option<Money>, queued: Timestamp) -> Result<i64, LedgerClosed> {
        let id = self.numbers.fetch_add(1, Relaxed);
        let Self { document, key, label, .. } = self;
        let attempt = NewAttempt { id, document: *document, key: *key, call: label.clone(), number, at_most, queued };
        self.store.attempt(attempt).await.map_err(|_| LedgerClosed)?;
        Ok(id)
    }

    async fn ended(&self, attempt: Attempt) -> Result<(), LedgerClosed> {
        if let Some(traced) = &self.traced {
            traced.note(attempt);
        }
        self.store.settle(settlement(attempt)).await.map_err(|_| LedgerClosed)
    }
}

/// Converts the end of an attempt for the store.
fn settlement(attempt: Attempt) -> Settlement {
    let Attempt { id, failure, usage, cost, moments, .. } = attempt;
    Settlement { attempt: id, outcome: failure.map_or("answered", |code| code.as_str()), usage, cost, moments }
}
