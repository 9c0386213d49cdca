//! What the simulator did: the oracle of the tests.
//!
//! Promises: every model request is counted once on arrival and once by its outcome, so that
//! `requests` = `served` + `invalid` + `cut` + `refused` + `garbled` + `rate_limited` + `errors` + `resets` +
//! `hangs` + `abandoned` + those still in work. Never forgets a call, so it grows with the number of
//! different calls (about 100 bytes each); never holds its lock while waiting.

use super::ask::CallHash;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sums over all model requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerTotals {
    /// Requests that arrived, whatever became of them.
    pub requests: u64,
    /// 200 with a complete answer that satisfies its schema.
    pub served: u64,
    /// 200 with a complete answer that breaks its schema.
    pub invalid: u64,
    /// 200 with an answer stopped by the token limit.
    pub cut: u64,
    /// 200 with a refusal.
    pub refused: u64,
    /// 200 with a body that is HTML or ends in its middle.
    pub garbled: u64,
    /// Requests for which the model produced output, whether or not the client could read it:
    /// `served` + `invalid` + `cut` + `refused` + `garbled`.
    pub billed: u64,
    /// 429, from the limit and from faults.
    pub rate_limited: u64,
    /// Every other error status: 400, 401, 404, 413, 500, 503, 529.
    pub errors: u64,
    /// Connections that were reset.
    pub resets: u64,
    /// Requests that were never answered.
    pub hangs: u64,
    /// Requests whose client left before the reply was ready.
    pub abandoned: u64,
    /// The most requests that were here at the same time, refused ones included.
    pub in_flight_max: u64,
    /// Calls that were served (as in `served`) more than once.
    pub duplicates: u64,
    /// Input tokens of the billed requests.
    pub input_tokens: u64,
    /// Output tokens of the billed requests.
    pub output_tokens: u64,
}

/// The sums over the requests of one call. Same model, text, images and schema: same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTotals {
    /// BLAKE3 of the seed and the call, in hexadecimal.
    pub hash: String,
    /// Requests that arrived and could be read.
    pub requests: u32,
    /// Complete and valid answers.
    pub served: u32,
    /// The `docid:...` token of the user text, if any.
    pub docid: Option<String>,
}

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

#[derive(Debug, Default)]
struct Entry {
    requests: u32,
    attempts: u32,
    faults: u32,
    served: u32,
    docid: Option<Box<str>>,
}

#[derive(Debug, Default)]
struct Book {
    totals: LedgerTotals,
    in_flight: u64,
    calls: HashMap<CallHash, Entry>,
}

/// The book and its lock.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    book: Mutex<Book>,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Counters have no half-written state that a panic elsewhere could leave behind.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn totals(&self) -> LedgerTotals {
        self.book().totals.clone()
    }

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
            })
            .collect();
        calls.sort_by(|a, b| a.hash.cmp(&b.hash));
        calls
    }

    /// Notes that a request has arrived.
    pub(super) fn arrive(&self) -> Visit<'_> {
        let mut book = self.book();
        book.totals.requests += 1;
        book.in_flight += 1;
        book.totals.in_flight_max = book.totals.in_flight_max.max(book.in_flight);
        Visit { ledger: self, call: None, ended: false }
    }
}

/// One request while it is here. Dropped without an outcome it counts as abandoned.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    ledger: &'a Ledger,
    call: Option<CallHash>,
    ended: bool,
}

impl Visit<'_> {
    /// Notes which call it is for.
    pub(super) fn identify(&mut self, call: CallHash, docid: Option<&str>) {
        self.call = Some(call);
        let mut book = self.ledger.book();
        let entry = book.calls.entry(call).or_default();
        entry.requests += 1;
        if entry.docid.is_none() {
            entry.docid = docid.map(Into::into);
        }
    }

    /// Notes that the limits let it pass: the number of this attempt (from 1) and the random faults so far.
    pub(super) fn admit(&mut self) -> (u32, u32) {
        let mut book = self.ledger.book();
        let Some(entry) = self.call.and_then(|call| book.calls.get_mut(&call)) else { return (1, 0) };
        entry.attempts += 1;
        (entry.attempts, entry.faults)
    }

    /// Notes a random fault.
    pub(super) fn fault(&mut self) {
        let mut book = self.ledger.book();
        if let Some(entry) = self.call.and_then(|call| book.calls.get_mut(&call)) {
            entry.faults += 1;
        }
    }

    /// Notes the outcome, with input and output tokens if it was billed.
    pub(super) fn end(&mut self, outcome: Outcome, tokens: (u64, u64)) {
        self.ended = true;
        let mut book = self.ledger.book();
        let mut again = false;
        if outcome == Outcome::Served
            && let Some(entry) = self.call.and_then(|call| book.calls.get_mut(&call))
        {
            entry.served += 1;
            again = entry.served == 2;
        }
        let totals = &mut book.totals;
        totals.duplicates += u64::from(again);
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
            totals.billed += 1;
            totals.input_tokens += tokens.0;
            totals.output_tokens += tokens.1;
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut book = self.ledger.book();
        book.in_flight -= 1;
        if !self.ended {
            book.totals.abandoned += 1;
        }
    }
}
