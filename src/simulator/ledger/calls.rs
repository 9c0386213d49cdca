//! The latest calls and what became of them.

use super::Bill;
use crate::simulator::ask::CallHash;
use std::collections::{HashMap, VecDeque};
use tokio::time::Instant;

/// Calls that are remembered: repetitions come sooner than so many others, and a million documents take no more memory.
pub(super) const REMEMBERED: usize = 1 << 16;

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) requests: u32,
    pub(super) attempts: u32,
    pub(super) faults: u32,
    pub(super) served: u32,
    pub(super) docid: Option<Box<str>>,
    /// Until when its last 429 told to wait.
    pub(super) closed_until: Option<Instant>,
    pub(super) bill: Bill,
}

/// Calls by their hash, the oldest of which are forgotten.
#[derive(Debug, Default)]
pub(super) struct Calls {
    entries: HashMap<CallHash, Entry>,
    /// In the order of their first requests.
    order: VecDeque<CallHash>,
    forgotten: u64,
}

impl Calls {
    /// The entry of a call; a new one if it is not known.
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

    /// All that are remembered, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CallHash, &Entry)> {
        self.entries.iter()
    }

    /// How many are not.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
