//! Records the attempts of a pack, and shares its bill out.

use super::shared::Shared;
use super::{PackedAttempt, Payload, VectorLedger};
use crate::ask::fault::Fault;
use crate::ask::packing::shares;
use crate::ask::{NoRoom, RelayAttempt, RelayLedger};
use crate::model::{Attempt, FailureCode, Money, Spent, Usage};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// The ledger of one request.
pub(super) struct Record<'r, L: VectorLedger> {
    pub shared: &'r Shared<L>,
    pub items: &'r [Arc<Payload<L::Item>>],
}

impl<L: VectorLedger> Record<'_, L> {
    fn weights(&self) -> Vec<u64> {
        self.items.iter().map(|item| item.tokens).collect()
    }

    /// Ends the last attempts of the items, whose response cannot be used.
    pub async fn fail(&self, code: FailureCode) -> Result<(), NoRoom> {
        let mut ended = Vec::new();
        for item in self.items {
            let mut progress = item.progress.lock();
            if let Some(last) = progress.last.as_mut().filter(|last| last.failure.is_none()) {
                last.failure = Some(code);
                ended.push(*last);
            }
        }
        self.shared.ledger.ended(ended).await.map_err(|_| NoRoom::Closed)
    }
}

impl<L: VectorLedger> RelayLedger for Record<'_, L> {
    /// The governor holds the cap of the run.
    async fn reserve(&self, _: Option<Money>) -> Result<(), NoRoom> {
        Ok(())
    }

    fn release(&self, _: Option<Money>) {}

    async fn sending(&self, _: u32, at_most: Option<Money>, queued: Timestamp) -> Result<i64, NoRoom> {
        let parts = at_most.map(|money| shares(money.pico(), &self.weights()));
        let attempt = |(at, item): (usize, &Arc<Payload<L::Item>>)| PackedAttempt {
            item: Arc::clone(&item.item),
            number: item.progress.lock().spent.attempts + 1,
            at_most: parts.as_ref().map(|parts| Money::from_pico(parts[at])),
        };
        // A response that could not be used was not the last one of its call.
        self.fail(FailureCode::BadReply).await?;
        let attempts = self.items.iter().enumerate().map(attempt).collect();
        let id = self.shared.ledger.sending(queued, attempts).await.map_err(|_| NoRoom::Closed)?;
        self.items.iter().for_each(|item| item.progress.lock().sent = true);
        self.shared.observer.sent();
        Ok(id)
    }

    async fn ended(&self, id: i64, _: Option<Money>, attempt: RelayAttempt) {
        let RelayAttempt { status, usage, cost, failure, maybe_billed, queued, moments } = attempt;
        let seconds = moments.ended.duration_since(moments.sent).max(SignedDuration::ZERO).as_secs_f64();
        let request = Spent { attempts: 1, maybe_billed: u32::from(maybe_billed), usage, cost, cache_saved_pico: 0, seconds };
        self.shared.observer.ended(&request);
        let weights = self.weights();
        let (tokens, costs) = (shares(usage.input(), &weights), cost.map(|cost| shares(cost.pico(), &weights)));
        let mut ended = Vec::new();
        for (at, (item, id)) in self.items.iter().zip(id..).enumerate() {
            let usage = Usage { uncached_input: tokens[at], ..Usage::default() };
            let cost = costs.as_ref().map(|costs| Money::from_pico(costs[at]));
            let mut progress = item.progress.lock();
            let number = progress.spent.attempts + 1;
            let own = Spent { usage, cost, seconds: seconds / self.items.len() as f64, ..request };
            progress.spent = progress.spent.and(own);
            let attempt = Attempt { id, number, queued, failure, status, usage, cost, moments };
            progress.last = Some(attempt);
            if failure.is_some() {
                ended.push(attempt);
            }
        }
        // If the ledger is closed, the run stops by itself.
        let _closed = self.shared.ledger.ended(ended).await;
    }

    fn retrying(&self, fault: &Fault, attempts: u32) {
        self.shared.observer.retrying(&format!("{} vectors", self.items.len()), attempts, fault);
    }
}
