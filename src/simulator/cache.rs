//! The prompt cache: prefixes of earlier requests.
//!
//! A prefix becomes readable `readable_after_ms` after the first byte of the response to the
//! request that wrote it. An earlier request writes the prefix too, and pays for that. Prefixes are
//! compared only at the marks of the requests. Like a provider's cache, this one forgets a prefix
//! that is unused for `ttl_s`, and the least recently used ones if there are too many. It never
//! reads the clock.

use super::ask::{Ask, Mark, PrefixHash};
use super::bill::Tokens;
use super::scenario::CacheTerms;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The cache of one simulator.
#[derive(Debug)]
pub(super) struct Cache {
    enabled: bool,
    min_tokens: u64,
    delay: Duration,
    ttl: Duration,
    prefixes: Mutex<Prefixes>,
}

/// Number of prefixes in a generation. A full or expired generation is followed by a new one, and
/// the one before it is dropped.
const GENERATION: usize = 1 << 15;

#[derive(Debug, Clone, Copy)]
struct Prefix {
    readable: Instant,
    used: Instant,
}

/// Two generations. A used prefix moves to the younger one.
#[derive(Debug)]
struct Prefixes {
    began: Option<Instant>,
    young: HashMap<PrefixHash, Prefix>,
    old: HashMap<PrefixHash, Prefix>,
}

impl Prefixes {
    fn put(&mut self, hash: PrefixHash, prefix: Prefix, ttl: Duration) {
        let began = *self.began.get_or_insert(prefix.used);
        let is_new = !self.young.contains_key(&hash);
        if is_new && (self.young.len() == GENERATION || prefix.used.saturating_duration_since(began) >= ttl) {
            self.old = std::mem::take(&mut self.young);
            self.began = Some(prefix.used);
        }
        self.old.remove(&hash);
        self.young.insert(hash, prefix);
    }

    fn get(&self, hash: &PrefixHash, now: Instant, ttl: Duration) -> Option<Prefix> {
        let known = self.young.get(hash).or_else(|| self.old.get(hash))?;
        Some(*known).filter(|known| now.saturating_duration_since(known.used) < ttl)
    }
}

impl Cache {
    pub(super) fn new(terms: &CacheTerms) -> Self {
        let delay = Duration::from_millis(terms.readable_after_ms);
        let prefixes = Mutex::new(Prefixes { began: None, young: HashMap::new(), old: HashMap::new() });
        Self { enabled: terms.enabled, min_tokens: terms.min_tokens, delay, ttl: Duration::from_secs(terms.ttl_s), prefixes }
    }

    /// The input tokens of an arriving request by source, and the prefixes that it writes.
    pub(super) fn look(&self, ask: &Ask<'_>, now: Instant) -> (Tokens, Vec<PrefixHash>) {
        let long_enough = |mark: &&Mark| self.enabled && mark.tokens >= self.min_tokens;
        let marks: Vec<&Mark> = ask.marks.iter().filter(long_enough).collect();
        let mut prefixes = self.prefixes.lock();
        let readable = |mark: &&Mark| prefixes.get(&mark.prefix, now, self.ttl).filter(|prefix| prefix.readable <= now);
        let found = marks.iter().enumerate().rev().find_map(|(at, mark)| Some((at, readable(mark)?)));
        if let Some((at, prefix)) = found {
            prefixes.put(marks[at].prefix, Prefix { used: now, ..prefix }, self.ttl);
        }
        drop(prefixes);
        let known = found.map(|(at, _)| at);
        let cache_read = known.map_or(0, |at| marks[at].tokens);
        let end = marks.last().map_or(0, |mark| mark.tokens);
        let written = marks[known.map_or(0, |at| at + 1)..].iter().map(|mark| mark.prefix).collect();
        let tokens = Tokens { fresh: ask.input_tokens - end, cache_read, cache_write: end - cache_read, output: 0 };
        (tokens, written)
    }

    /// Makes written prefixes readable when the first byte of their response is sent.
    pub(super) fn begin(&self, written: &[PrefixHash], now: Instant) {
        if written.is_empty() {
            return;
        }
        let mut prefixes = self.prefixes.lock();
        for hash in written {
            let readable = prefixes.get(hash, now, self.ttl).map_or(now + self.delay, |known| known.readable);
            prefixes.put(*hash, Prefix { readable, used: now }, self.ttl);
        }
    }

    /// Number of prefixes in the cache.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let prefixes = self.prefixes.lock();
        prefixes.young.len() + prefixes.old.len()
    }
}
