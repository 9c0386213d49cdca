//! Limits how many retries are reported.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Limits reported retries per second. Thousands of refusals must not flood the watchers.
#[derive(Debug, Default)]
pub(super) struct Reported {
    second: AtomicU64,
    count: AtomicU64,
}

impl Reported {
    const PER_SECOND: u64 = 20;

    /// Whether another retry may be reported at run time `now`. Counts it.
    pub fn may_report(&self, now: Duration) -> bool {
        if self.second.swap(now.as_secs(), Relaxed) != now.as_secs() {
            self.count.store(0, Relaxed);
        }
        self.count.fetch_add(1, Relaxed) < Self::PER_SECOND
    }
}
