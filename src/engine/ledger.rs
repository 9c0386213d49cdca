//! The ledger of one call: its attempts, in the store before their bytes leave.

use crate::ask::{Attempt, Ledger, LedgerClosed};
use crate::model::{CallKey, DocumentId, Money};
use crate::store::{NewAttempt, Settlement, StoreHandle};
use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Attempts of one call.
pub(super) struct CallLedger<'d> {
    pub store: &'d StoreHandle,
    /// Numbers of attempts, for the whole run.
    pub numbers: &'d AtomicI64,
    pub document: DocumentId,
    pub key: CallKey,
    /// Task and axes.
    pub label: String,
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
        self.store.settle(settlement(attempt)).await.map_err(|_| LedgerClosed)
    }
}

/// The end of an attempt, as the store keeps it.
pub(super) fn settlement(attempt: Attempt) -> Settlement {
    let Attempt { id, failure, usage, cost, moments } = attempt;
    Settlement { attempt: id, outcome: failure.map_or("answered", |code| code.as_str()), usage, cost, moments }
}
