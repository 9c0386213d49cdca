//! Budgets in bytes: what counts in channels is not how many documents there are but how large they are.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A budget of memory.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    semaphore: Arc<Semaphore>,
    units: u32,
}

/// A share of a budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Held(OwnedSemaphorePermit);

/// Semaphores count in 32 bits.
const UNIT: u64 = 1024;

impl Budget {
    pub fn megabytes(megabytes: u64) -> Self {
        let units = u32::try_from(megabytes.saturating_mul(1_000_000) / UNIT).unwrap_or(u32::MAX).max(1);
        Self { semaphore: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits for `bytes`. What is larger than the whole budget takes all of it, and so goes alone.
    pub async fn take(&self, bytes: u64) -> Option<Held> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        Arc::clone(&self.semaphore).acquire_many_owned(units).await.ok().map(Held)
    }
}

impl Held {
    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let keep = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        if let Some(excess) = self.0.num_permits().checked_sub(keep) {
            drop(self.0.split(excess));
        }
    }
}
