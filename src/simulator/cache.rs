//! The prompt cache: which prefixes of requests have been read before.
//!
//! Promises: a prefix can be read only from the moment that the first byte of a reply to a request which wrote it has
//! left, plus `readable_after_ms`; whoever comes before writes it, and pays for that, as well. Prefixes are compared
//! at the marks of the requests only. Never forgets a prefix; never looks at the clock.

use super::ask::{Ask, Mark, PrefixHash};
use super::bill::Tokens;
use super::scenario::CacheTerms;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The cache of one simulator.
#[derive(Debug)]
pub(super) struct Cache {
    enabled: bool,
    min_tokens: u64,
    delay: Duration,
    /// When a prefix can be read.
    readable: Mutex<HashMap<PrefixHash, Instant>>,
}

impl Cache {
    pub(super) fn new(terms: &CacheTerms) -> Self {
        let delay = Duration::from_millis(terms.readable_after_ms);
        Self { enabled: terms.enabled, min_tokens: terms.min_tokens, delay, readable: Mutex::default() }
    }

    /// Where the input of a request comes from if it arrives now, and what it writes.
    pub(super) fn look(&self, ask: &Ask<'_>, now: Instant) -> (Tokens, Vec<PrefixHash>) {
        let long_enough = |mark: &&Mark| self.enabled && mark.tokens >= self.min_tokens;
        let marks: Vec<&Mark> = ask.marks.iter().filter(long_enough).collect();
        let readable = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        let known = marks.iter().rposition(|mark| readable.get(&mark.prefix).is_some_and(|from| *from <= now));
        let cache_read = known.map_or(0, |at| marks[at].tokens);
        let end = marks.last().map_or(0, |mark| mark.tokens);
        let written = marks[known.map_or(0, |at| at + 1)..].iter().map(|mark| mark.prefix).collect();
        let tokens = Tokens { fresh: ask.input_tokens - end, cache_read, cache_write: end - cache_read, output: 0 };
        (tokens, written)
    }

    /// The first byte of the reply to a request that wrote these leaves now.
    pub(super) fn begin(&self, written: &[PrefixHash], now: Instant) {
        if written.is_empty() {
            return;
        }
        let mut readable = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        for prefix in written {
            readable.entry(*prefix).or_insert(now + self.delay);
        }
    }
}
