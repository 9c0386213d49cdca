//! The line of waiting requests, and the state that is local to this process.

use super::super::budget::Budget;
use super::Governor;
use super::configured::ConfiguredLimits;
use super::need::Need;
use super::store::Line;
use crate::model::WaitReason;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// The state of a governor that is local to this process.
#[derive(Debug)]
pub(super) struct Local {
    pub waiting: BTreeMap<Place, Waiting>,
    pub arrivals: u64,
    /// The limits of the settings.
    pub given: ConfiguredLimits,
    pub in_flight: usize,
    /// Maximum requests in flight by the settings.
    pub concurrency: usize,
    /// The user has paused sending.
    pub paused: bool,
    /// Maximum requests in flight. Below `concurrency` while the provider is overloaded.
    pub ceiling: f64,
    /// Maximum requests in flight while a systemic failure is suspected.
    pub suspicion: Option<usize>,
    /// When `ceiling` was last lowered. Overload of requests sent before does not lower it again.
    pub lowered_at: f64,
    /// The share of recent replies that reported an overload.
    pub overload: f64,
    pub budget: Budget,
    /// When the first in line may be sent, if a limit makes it wait.
    pub turn_at: f64,
    /// What delays the first request in line; `None` if it waits only for a place.
    pub why: Option<WaitReason>,
    pub times: PlaceTimes,
}

/// How the places in flight were used, in seconds summed over all places.
#[derive(Debug, Default)]
pub(super) struct PlaceTimes {
    /// The time until which they are counted.
    at: f64,
    /// Seconds in use.
    pub admitted: f64,
    /// Seconds empty while a request waited, by reason.
    pub held: [f64; WaitReason::ALL.len()],
}

/// A request in the line.
#[derive(Debug)]
pub(super) struct Waiting {
    pub need: Need,
    pub turn: Arc<Notify>,
}

/// A place in the line: the document, then the time of arrival.
pub(super) type Place = (u64, u64);

/// Requests in line that a store may lease for at a time.
const LINE: usize = 64;
/// Share of overloaded replies above which the ceiling is lowered.
const OVERLOADED: f64 = 0.2;

/// A request that waits for admission. It leaves the line when it is dropped.
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
    /// Counts the time until now. Call it before any change.
    pub fn advance(&mut self, now: f64) {
        let passed = now - self.times.at;
        self.times.at = now;
        self.times.admitted += passed * self.in_flight as f64;
        if let (Some(why), false) = (self.why, self.waiting.is_empty()) {
            self.times.held[why as usize] += passed * self.concurrency.saturating_sub(self.in_flight) as f64;
        }
    }

    /// Names the budget service as the reason to wait while it is away, instead of the money.
    pub fn blame_service(&mut self, is_away: bool) {
        self.why = match self.why {
            Some(WaitReason::Budget) if is_away => Some(WaitReason::BudgetService),
            Some(WaitReason::BudgetService) if !is_away => None,
            why => why,
        };
    }

    pub fn call_next(&self) {
        if let Some((_, first)) = self.waiting.first_key_value() {
            first.turn.notify_one();
        }
    }

    /// The first requests in line, if so many places are free.
    pub fn line(&self, places: f64, turn: &Arc<Notify>) -> Line {
        let needs = self.waiting.values().map(|waiting| waiting.need).take(LINE).collect();
        Line { needs, places, in_flight: self.in_flight as f64, given: self.given, turn: Arc::clone(turn) }
    }

    /// Adapts the ceiling to overload.
    ///
    /// An overload lowers it once for all requests that were in flight together. Each full round
    /// without an overload raises it by one.
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
