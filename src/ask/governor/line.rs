//! The line of those who want to send, and what only this process knows about the account.

use super::super::budget::Budget;
use super::Governor;
use super::configured::ConfiguredLimits;
use crate::model::WaitReason;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// What only this process knows.
#[derive(Debug)]
pub(super) struct Local {
    pub waiting: BTreeMap<Place, Arc<Notify>>,
    pub arrivals: u64,
    /// What the settings say about limits.
    pub given: ConfiguredLimits,
    pub in_flight: usize,
    /// Requests in flight at the most, as the settings have it.
    pub concurrency: usize,
    /// Somebody has said that nothing is to be sent for now.
    pub paused: bool,
    /// Requests in flight at the most. Below `concurrency` while the provider is overloaded.
    pub ceiling: f64,
    /// The same while something seems to be wrong with all of them.
    pub suspicion: Option<usize>,
    /// Requests sent before have had their share in lowering it.
    pub lowered_at: f64,
    /// Recent answers, and how many of them said that the provider is overloaded.
    pub overload: f64,
    pub budget: Budget,
    /// When the first in line has its turn, if a limit makes it wait.
    pub turn_at: f64,
    /// What the first in line waits for, beside a free place.
    pub why: Option<WaitReason>,
    pub times: PlaceTimes,
}

/// What became of the places among those in flight: seconds of all of them.
#[derive(Debug, Default)]
pub(super) struct PlaceTimes {
    /// Until when they are counted.
    at: f64,
    /// Taken.
    pub admitted: f64,
    /// Empty while somebody waited, by reason.
    pub held: [f64; WaitReason::ALL.len()],
}

/// A place in the line: the document, then the time of arrival.
pub(super) type Place = (u64, u64);

/// An answer in five may say that the provider is overloaded before it gets fewer requests at a time.
const OVERLOADED: f64 = 0.2;

/// Somebody who waits to be admitted. Leaves the line when dropped.
pub(super) struct Waiter<'g> {
    pub governor: &'g Governor,
    pub place: Place,
    pub turn: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut local = self.governor.local_now();
        local.waiting.remove(&self.place);
        local.call_next();
    }
}

impl PlaceTimes {
    pub fn new(now: f64) -> Self {
        Self { at: now, ..Self::default() }
    }
}

impl Local {
    /// Counts the time until now; to be called before anything changes.
    pub fn advance(&mut self, now: f64) {
        let passed = now - self.times.at;
        self.times.at = now;
        self.times.admitted += passed * self.in_flight as f64;
        if let (Some(why), false) = (self.why, self.waiting.is_empty()) {
            self.times.held[why as usize] += passed * self.concurrency.saturating_sub(self.in_flight) as f64;
        }
    }

    pub fn call_next(&self) {
        if let Some((_, turn)) = self.waiting.first_key_value() {
            turn.notify_one();
        }
    }

    /// Fewer at a time when the provider is overloaded, once for all that were in flight together; one more with each full
    /// round without that.
    pub fn adapt(&mut self, overloaded: bool, sent_at: f64, now: f64) {
        self.overload += 0.1 * (f64::from(u8::from(overloaded)) - self.overload);
        if overloaded && self.overload > OVERLOADED && sent_at > self.lowered_at {
            self.ceiling = (0.7 * self.ceiling.min(self.in_flight as f64)).max(1.0);
            self.lowered_at = now;
        } else if !overloaded && self.in_flight as f64 >= self.ceiling - 1.0 {
            self.ceiling = (self.ceiling + 1.0 / self.ceiling).min(self.concurrency as f64);
        }
    }
}
