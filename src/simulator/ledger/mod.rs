//! What the simulator did: the oracle of the tests.
//!
//! Promises: every model request is counted once on arrival and once by its outcome, so that
//! `requests` = `served` + `invalid` + `cut` + `refused` + `garbled` + `rate_limited` + `errors` + `resets` +
//! `hangs` + `abandoned` + those still in work. An outcome is counted before the last byte of its reply leaves. The
//! bill of all is the sum of the bills of the calls, and of the documents. Never forgets a call, so it grows with the
//! number of different calls (about 200 bytes each) and of served requests (16 bytes each); never holds its lock while
//! waiting.

mod totals;
mod visit;

pub use totals::{BillTotals, CallTotals, DocumentTotals, LedgerTotals};
pub(super) use visit::Visit;

use super::ask::CallHash;
use super::bill::{Rates, Tokens};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How a request ended.
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

/// Billed requests and their tokens.
type Bill = (u64, Tokens);

#[derive(Debug, Default)]
struct Entry {
    requests: u32,
    attempts: u32,
    faults: u32,
    served: u32,
    docid: Option<Box<str>>,
    /// Until when its last 429 told to wait.
    closed_until: Option<Instant>,
    bill: Bill,
}

#[derive(Debug)]
struct Book {
    started: Instant,
    totals: LedgerTotals,
    bill: Bill,
    in_flight: u64,
    calls: HashMap<CallHash, Entry>,
    /// Until when the last 429 told to wait.
    closed_until: Option<Instant>,
    /// When the served requests came to the limits, from the start, in the order of their replies.
    served_at: Vec<Duration>,
}

/// The book and its lock.
#[derive(Debug)]
pub(super) struct Ledger {
    rates: Rates,
    book: Mutex<Book>,
}

impl Ledger {
    /// An empty one.
    pub(super) fn new(rates: Rates, started: Instant) -> Self {
        let book = Book {
            started,
            totals: LedgerTotals::default(),
            bill: Bill::default(),
            in_flight: 0,
            calls: HashMap::new(),
            closed_until: None,
            served_at: Vec::new(),
        };
        Self { rates, book: Mutex::new(book) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Counters have no half-written state that a panic elsewhere could leave behind.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn totals(&self) -> LedgerTotals {
        let book = self.book();
        let (mut served_at, bill, totals) = (book.served_at.clone(), book.bill, book.totals.clone());
        drop(book);
        served_at.sort_unstable();
        let seconds = |at: Option<&Duration>| at.map_or(0.0, |at| at.as_micros() as f64 / 1e6);
        let bill = self.bill(bill);
        LedgerTotals {
            billed: bill.billed,
            first_served_s: seconds(served_at.first()),
            last_served_s: seconds(served_at.last()),
            served_in_a_second_max: most_in_a_second(&served_at),
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

    /// Sorted by hash.
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

    /// Sorted by docid, calls without one first.
    pub(super) fn documents(&self) -> Vec<DocumentTotals> {
        let mut documents: BTreeMap<Option<String>, (DocumentTotals, Bill)> = BTreeMap::new();
        for entry in self.book().calls.values() {
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

    /// Notes that a request has arrived.
    pub(super) fn arrive(self: &Arc<Self>, now: Instant) -> Visit {
        let mut book = self.book();
        book.totals.requests += 1;
        book.in_flight += 1;
        book.totals.in_flight_max = book.totals.in_flight_max.max(book.in_flight);
        drop(book);
        Visit { ledger: Arc::clone(self), call: None, at: now, ended: false }
    }
}

/// The most of these times, which are sorted, that lie within one second, its end excluded.
fn most_in_a_second(times: &[Duration]) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (last, time) in times.iter().enumerate() {
        while times[first] + Duration::from_secs(1) <= *time {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most as u64
}
