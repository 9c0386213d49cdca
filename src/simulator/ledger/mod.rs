//! Records what the simulator did, as an oracle for tests.
//!
//! Every model request is counted once on arrival and once by its outcome, so that `requests` =
//! `served` + `invalid` + `cut` + `refused` + `garbled` + `rate_limited` + `errors` + `resets` +
//! `hangs` + `abandoned` + requests in progress. An outcome is counted before the last byte of its
//! response is sent. The total bill is the sum of the bills of the calls, and of the documents,
//! until calls are forgotten.
//!
//! Memory does not grow with the number of requests. Totals cover all requests, and details cover
//! the latest 65,536 calls (about 250 bytes each). Counts that compare requests of the same call
//! (`duplicates`, `early_resends`, attempt numbers) are exact for these calls. The lock is never
//! held while waiting.

mod calls;
mod embedded;
mod rate;
mod totals;
mod visit;

pub use totals::{BillTotals, CallTotals, DocumentTotals, LedgerTotals};
pub(super) use visit::Visit;

use super::bill::{Rates, Tokens};
use calls::Calls;
use embedded::Embedded;
use parking_lot::{Mutex, MutexGuard};
use rate::ServedTimes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Served,
    Invalid,
    Cut,
    Refused,
    Garbled,
    RateLimited,
    Error,
    Reset,
    Hang,
}

/// Number of billed requests, and their tokens.
type Bill = (u64, Tokens);

#[derive(Debug)]
struct Book {
    started: Instant,
    totals: LedgerTotals,
    bill: Bill,
    in_flight: u64,
    calls: Calls,
    /// End of the wait that the last 429 requested.
    closed_until: Option<Instant>,
    /// When requests reached the limits.
    times: ServedTimes,
    /// Inputs that were embedded.
    embedded: Embedded,
}

/// The ledger with its lock.
#[derive(Debug)]
pub(super) struct Ledger {
    rates: Rates,
    book: Mutex<Book>,
}

impl Ledger {
    /// An empty ledger.
    pub(super) fn new(rates: Rates, started: Instant) -> Self {
        let book = Book {
            started,
            totals: LedgerTotals::default(),
            bill: Bill::default(),
            in_flight: 0,
            calls: Calls::default(),
            closed_until: None,
            times: ServedTimes::default(),
            embedded: Embedded::default(),
        };
        Self { rates, book: Mutex::new(book) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic elsewhere cannot leave counters half-written.
        self.book.lock()
    }

    pub(super) fn totals(&self) -> LedgerTotals {
        let book = self.book();
        let (times, bill, totals, forgotten) = (book.times.clone(), book.bill, book.totals.clone(), book.calls.forgotten());
        drop(book);
        let (first, last) = times.span().unwrap_or_default();
        let seconds = |at: Duration| at.as_micros() as f64 / 1e6;
        let bill = self.bill(bill);
        LedgerTotals {
            billed: bill.billed,
            first_served_s: seconds(first),
            last_served_s: seconds(last),
            served_in_a_second_max: times.most_in_a_second(),
            forgotten_calls: forgotten,
            input_tokens: bill.fresh_tokens + bill.cache_read_tokens + bill.cache_write_tokens,
            fresh_tokens: bill.fresh_tokens,
            cache_read_tokens: bill.cache_read_tokens,
            cache_write_tokens: bill.cache_write_tokens,
            output_tokens: bill.output_tokens,
            cost_usd: bill.cost_usd,
            ..totals
        }
    }

    fn bill(&self, (billed, tokens): Bill) -> BillTotals {
        BillTotals {
            billed,
            fresh_tokens: tokens.fresh,
            cache_read_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_write,
            output_tokens: tokens.output,
            cost_usd: self.rates.cost(tokens),
        }
    }

    /// Details of the remembered calls, sorted by hash.
    pub(super) fn calls(&self) -> Vec<CallTotals> {
        let mut calls: Vec<_> = self
            .book()
            .calls
            .iter()
            .map(|(hash, entry)| CallTotals {
                hash: blake3::Hash::from_bytes(*hash).to_string(),
                requests: entry.requests,
                served: entry.served,
                docid: entry.docid.as_deref().map(str::to_owned),
                bill: self.bill(entry.bill),
            })
            .collect();
        calls.sort_by(|a, b| a.hash.cmp(&b.hash));
        calls
    }

    /// Details by document, sorted by docid; calls without a docid come first.
    pub(super) fn documents(&self) -> Vec<DocumentTotals> {
        let mut documents: BTreeMap<Option<String>, (DocumentTotals, Bill)> = BTreeMap::new();
        for (_, entry) in self.book().calls.iter() {
            let (document, bill) = documents.entry(entry.docid.as_deref().map(str::to_owned)).or_default();
            document.calls += 1;
            document.requests += entry.requests;
            document.served += entry.served;
            bill.0 += entry.bill.0;
            bill.1 += entry.bill.1;
        }
        let total = |(docid, (document, bill))| DocumentTotals { docid, bill: self.bill(bill), ..document };
        documents.into_iter().map(total).collect()
    }

    /// Records the arrival of a request.
    pub(super) fn arrive(self: &Arc<Self>, now: Instant) -> Visit {
        let mut book = self.book();
        book.totals.requests += 1;
        book.in_flight += 1;
        book.totals.in_flight_max = book.totals.in_flight_max.max(book.in_flight);
        drop(book);
        Visit { ledger: Arc::clone(self), call: None, at: now, ended: false, inputs: Vec::new() }
    }
}
