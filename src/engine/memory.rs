//! Memory budgets in bytes. Documents differ in size, so their number does not bound memory.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A memory budget.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    semaphore: Arc<Semaphore>,
    units: u32,
}

/// A share of a budget, returned when dropped.
#[derive(Debug)]
pub(super) struct Held(OwnedSemaphorePermit);

/// Bytes of a semaphore permit. Semaphores acquire at most 2^32 - 1 permits.
const UNIT: u64 = 1024;

impl Budget {
    pub fn megabytes(megabytes: u64) -> Self {
        let units = u32::try_from(megabytes.saturating_mul(1_000_000) / UNIT).unwrap_or(u32::MAX).max(1);
        Self { semaphore: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits for `bytes` of the budget. A larger request takes the whole budget and so runs alone.
    pub async fn take(&self, bytes: u64) -> Option<Held> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        Arc::clone(&self.semaphore).acquire_many_owned(units).await.ok().map(Held)
    }
}

impl Held {
    /// Returns all but `bytes` to the budget.
    pub fn shrink_to(&mut self, bytes: u64) {
        let keep = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        if let Some(excess) = self.0.num_permits().checked_sub(keep) {
            drop(self.0.split(excess));
        }
    }
}
