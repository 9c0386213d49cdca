//! What can be changed while requests are under way.

use super::super::settings::LimitSettings;
use super::Governor;
use super::configured::ConfiguredLimits;
use crate::model::{Money, WaitReason};

/// What the governor holds to just now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GovernorStatus {
    /// Requests in flight at the most.
    pub concurrency: usize,
    /// Whether somebody has said that nothing is to be sent for now.
    pub paused: bool,
    /// What the first in line waits for, beside a free place.
    pub why: Option<WaitReason>,
    /// The cap on money, and what is spent of it; `None` without a cap.
    pub budget: Option<(Money, Money)>,
}

impl Governor {
    /// What holds just now.
    pub fn status(&self) -> GovernorStatus {
        let local = self.local();
        let why = local.why.filter(|_| !local.waiting.is_empty());
        GovernorStatus { concurrency: local.concurrency, paused: local.paused, why, budget: local.budget.used() }
    }

    /// From now on so many requests in flight at the most. Those that are under way are left alone.
    pub fn set_concurrency(&self, concurrency: usize) {
        let mut local = self.local_now();
        // One that was lowered, because the provider is overloaded, stays lowered and recovers by itself.
        let lowered = local.ceiling < local.concurrency as f64;
        local.ceiling = if lowered { local.ceiling.min(concurrency as f64) } else { concurrency as f64 };
        local.concurrency = concurrency;
        local.call_next();
    }

    /// From now on these limits hold.
    pub fn set_limits(&self, limits: &LimitSettings) {
        let mut local = self.local_now();
        let old = local.given;
        local.given = ConfiguredLimits::new(limits, old.slow_start);
        let now = self.clock.now();
        self.store.with(now, |limits| limits.change(&old, &local.given, now));
        local.call_next();
    }

    /// From now on this cap on money holds; `None` for none. `before` is what earlier runs have spent, where the budget does
    /// not know it yet.
    pub fn set_cap(&self, cap: Option<Money>, before: Option<Money>) {
        let mut local = self.local_now();
        local.budget.set_cap(cap, before);
        local.call_next();
    }

    /// Whether the budget knows what earlier runs have spent.
    pub fn knows_earlier_runs(&self) -> bool {
        self.local().budget.knows_earlier_runs()
    }

    /// Lets nobody send, or lets them send again.
    pub fn set_paused(&self, paused: bool) {
        let mut local = self.local_now();
        local.paused = paused;
        // The first in line finds out what it waits for now.
        local.call_next();
    }
}
