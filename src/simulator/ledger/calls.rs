//! The latest calls and their results.

use super::Bill;
use crate::simulator::ask::CallHash;
use std::collections::{HashMap, VecDeque};
use tokio::time::Instant;

/// Number of calls kept. Repetitions come sooner than that, and memory stays constant for a million
/// documents.
pub(super) const REMEMBERED: usize = 1 << 16;

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) requests: u32,
    pub(super) attempts: u32,
    pub(super) faults: u32,
    pub(super) served: u32,
    pub(super) docid: Option<Box<str>>,
    /// End of the wait that its last 429 requested.
    pub(super) closed_until: Option<Instant>,
    pub(super) bill: Bill,
}

/// Calls by hash. The oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Calls {
    entries: HashMap<CallHash, Entry>,
    /// Hashes in the order of first requests.
    order: VecDeque<CallHash>,
    forgotten: u64,
}

impl Calls {
    /// The entry of a call, created if missing.
    pub(super) fn entry(&mut self, call: CallHash) -> &mut Entry {
        if !self.entries.contains_key(&call) {
            if self.order.len() == REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
                self.forgotten += 1;
            }
            self.order.push_back(call);
        }
        self.entries.entry(call).or_default()
    }

    /// The entry of a call, unless it was forgotten.
    pub(super) fn get(&mut self, call: Option<CallHash>) -> Option<&mut Entry> {
        self.entries.get_mut(&call?)
    }

    /// All remembered calls, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CallHash, &Entry)> {
        self.entries.iter()
    }

    /// Number of forgotten calls.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
