//! One request in progress.

use super::{Book, Ledger, Outcome};
use crate::simulator::ask::CallHash;
use crate::simulator::bill::Tokens;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One request. If dropped without an outcome, it counts as abandoned.
#[derive(Debug)]
pub(in crate::simulator) struct Visit {
    pub(super) ledger: Arc<Ledger>,
    pub(super) call: Option<CallHash>,
    /// When it reached the limits.
    pub(super) at: Instant,
    pub(super) ended: bool,
    /// Ids of the inputs of a request for embeddings.
    pub(in crate::simulator) inputs: Vec<u64>,
}

impl Visit {
    /// Records the call of the request when it reaches the limits.
    pub(in crate::simulator) fn identify(&mut self, call: CallHash, docid: Option<&str>, now: Instant) {
        self.call = Some(call);
        self.at = now;
        let mut book = self.ledger.book();
        let at = now.saturating_duration_since(book.started);
        book.times.come(at);
        let entry = book.calls.entry(call);
        entry.requests += 1;
        if entry.docid.is_none() {
            entry.docid = docid.map(Into::into);
        }
        let early = entry.closed_until.is_some_and(|until| now < until);
        book.totals.early_resends += u64::from(early);
    }

    /// Records a refusal and the wait in it.
    pub(in crate::simulator) fn record_refusal(&mut self, wait: Option<Duration>) {
        let until = wait.and_then(|wait| self.at.checked_add(wait));
        let mut book = self.ledger.book();
        let early = book.closed_until.is_some_and(|until| self.at < until);
        book.totals.early += u64::from(early);
        book.closed_until = until;
        if let Some(entry) = book.calls.get(self.call) {
            entry.closed_until = until;
        }
    }

    /// Records admission. Returns the attempt number (from 1) and the random faults so far.
    pub(in crate::simulator) fn admit(&mut self) -> (u32, u32) {
        let mut book = self.ledger.book();
        let Some(entry) = book.calls.get(self.call) else { return (1, 0) };
        entry.attempts += 1;
        (entry.attempts, entry.faults)
    }

    /// Records a random fault.
    pub(in crate::simulator) fn fault(&mut self) {
        let mut book = self.ledger.book();
        if let Some(entry) = book.calls.get(self.call) {
            entry.faults += 1;
        }
    }

    /// Records the outcome, and the tokens if they are billed.
    pub(in crate::simulator) fn end(&mut self, outcome: Outcome, tokens: Tokens) {
        self.ended = true;
        let mut book = self.ledger.book();
        let book = &mut *book;
        self.leave(book, outcome == Outcome::Served);
        let mut entry = book.calls.get(self.call);
        if outcome == Outcome::Served
            && let Some(entry) = &mut entry
        {
            entry.served += 1;
            book.totals.duplicates += u64::from(entry.served == 2);
        }
        let totals = &mut book.totals;
        let (count, billed) = match outcome {
            Outcome::Served => (&mut totals.served, true),
            Outcome::Invalid => (&mut totals.invalid, true),
            Outcome::Cut => (&mut totals.cut, true),
            Outcome::Refused => (&mut totals.refused, true),
            Outcome::Garbled => (&mut totals.garbled, true),
            Outcome::RateLimited => (&mut totals.rate_limited, false),
            Outcome::Error => (&mut totals.errors, false),
            Outcome::Reset => (&mut totals.resets, false),
            Outcome::Hang => (&mut totals.hangs, false),
        };
        *count += 1;
        if billed {
            totals.embedded_inputs += self.inputs.len() as u64;
            totals.embedded_again += self.inputs.iter().map(|input| u64::from(!book.embedded.insert(*input))).sum::<u64>();
            book.bill.0 += 1;
            book.bill.1 += tokens;
            if let Some(entry) = entry {
                entry.bill.0 += 1;
                entry.bill.1 += tokens;
            }
        }
    }
}

impl Visit {
    fn leave(&self, book: &mut Book, served: bool) {
        if self.call.is_some() {
            book.times.leave(self.at.saturating_duration_since(book.started), served);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut book = self.ledger.book();
        book.in_flight -= 1;
        if !self.ended {
            book.totals.abandoned += 1;
            self.leave(&mut book, false);
        }
    }
}
