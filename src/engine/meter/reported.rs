//! Limits how many repeats are reported.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Repeats that are told, at most so many in each second: an account that refuses thousands must not flood who listens.
#[derive(Debug, Default)]
pub(super) struct Reported {
    second: AtomicU64,
    count: AtomicU64,
}

impl Reported {
    const PER_SECOND: u64 = 20;

    /// Whether one more may be reported now.
    pub fn may_tell(&self, now: Duration) -> bool {
        if self.second.swap(now.as_secs(), Relaxed) != now.as_secs() {
            self.count.store(0, Relaxed);
        }
        self.count.fetch_add(1, Relaxed) < Self::PER_SECOND
    }
}
