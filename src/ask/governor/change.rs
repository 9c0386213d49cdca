//! Status of a governor, and changes to it during a run.

use super::super::budget::{BudgetReached, Used};
use super::super::day_budget::{DayBudget, DayReached};
use super::super::settings::LimitSettings;
use super::configured::ConfiguredLimits;
use super::{Governor, Stopped};
use crate::model::{Money, WaitReason};

/// The current limits and state of a governor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GovernorStatus {
    /// Maximum requests in flight.
    pub concurrency: usize,
    /// Whether the user has paused sending.
    pub paused: bool,
    /// Why the first request in the queue waits.
    ///
    /// `None` if only the concurrency delays it.
    pub why: Option<WaitReason>,
    /// The cap and the money spent; `None` without a cap.
    pub budget: Option<(Money, Money)>,
    /// Why requests wait for the next day, if they do.
    pub over_day: Option<DayReached>,
}

impl Governor {
    /// The first request for which the budget had no room.
    pub fn budget_reached(&self) -> Option<BudgetReached> {
        self.local().budget.reached()
    }

    /// What the cap has left, without what is spent and reserved; `None` without a cap.
    pub fn left(&self) -> Option<Money> {
        self.local().budget.left()
    }

    /// Waits until the run stops.
    pub async fn stopped(&self) -> Stopped {
        self.stop.cancelled().await;
        Stopped
    }

    /// The current status.
    pub fn status(&self) -> GovernorStatus {
        let local = self.local_now();
        let why = local.why.filter(|_| !local.waiting.is_empty());
        GovernorStatus {
            concurrency: local.concurrency,
            paused: local.paused,
            why,
            budget: local.budget.used(),
            over_day: local.budget.over_day(),
        }
    }

    /// Sets the maximum requests in flight. Requests already in flight continue.
    pub fn set_concurrency(&self, concurrency: usize) {
        let mut local = self.local_now();
        // If an overload has lowered the ceiling, it stays lowered and recovers by itself.
        let lowered = local.ceiling < local.concurrency as f64;
        local.ceiling = if lowered { local.ceiling.min(concurrency as f64) } else { concurrency as f64 };
        local.concurrency = concurrency;
        local.call_next();
    }

    /// Replaces the configured limits.
    pub fn set_limits(&self, limits: &LimitSettings) {
        let mut local = self.local_now();
        let old = local.given;
        local.given = ConfiguredLimits::new(limits, old.slow_start);
        self.account.store.configure(Some(&old), Some(&local.given), self.account.clock.now());
        local.call_next();
    }

    /// Whether the caller of the run grants its money in parts. Only the caller can change its cap then.
    pub fn has_allowance(&self) -> bool {
        self.allowance.is_some()
    }

    /// Sets the cap on money; `None` for no cap.
    ///
    /// `before` is the money spent by earlier runs. It applies if the budget does not know it yet.
    pub fn set_cap(&self, cap: Option<Money>, before: Option<Used>) {
        let mut local = self.local_now();
        local.budget.set_cap(cap, before);
        local.call_next();
    }

    /// Sets the cap on the money of each day; `None` for no cap. `new` applies if there was none.
    pub fn set_day_cap(&self, cap: Option<Money>, new: Option<DayBudget>) {
        let mut local = self.local_now();
        local.budget.set_day(cap, new);
        local.call_next();
    }

    /// Whether there is a cap on the money of each day.
    pub fn has_day_cap(&self) -> bool {
        self.local().budget.has_day()
    }

    /// Whether the budget knows the cost of earlier runs.
    pub fn knows_earlier_runs(&self) -> bool {
        self.local().budget.knows_earlier_runs()
    }

    /// Pauses or resumes admission.
    pub fn set_paused(&self, paused: bool) {
        let mut local = self.local_now();
        local.paused = paused;
        // The first request in the queue updates its reason for waiting.
        local.call_next();
    }
}
