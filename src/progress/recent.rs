//! The current speed of a run and the time left. Limits, pauses and changed settings make the
//! current speed differ from the average.

use super::duration::duration;
use crate::event::Snapshot;
use crate::model::WaitReason;

/// Exponentially weighted means of recent speeds.
#[derive(Debug, Default)]
pub struct Recent {
    /// The counters of the last snapshot.
    last: Seen,
    requests: Mean,
    documents: Mean,
    /// Ended calls after the first one. The time before is the response time of the first call and
    /// says nothing about the speed.
    calls: Mean,
    /// The number of calls in `calls`, unweighted.
    calls_since: u64,
}

/// The counters of one snapshot. `at` is in seconds since the run began.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    at: f64,
    documents: u64,
    requests: u64,
    calls: u64,
}

/// A weighted count and the weighted seconds in which it grew.
#[derive(Debug, Default)]
struct Mean {
    count: f64,
    seconds: f64,
}

impl Mean {
    fn add(&mut self, count: u64, passed: f64) {
        let kept = (-passed / RECENT_S).exp();
        self.count = self.count * kept + count as f64;
        self.seconds = self.seconds * kept + passed;
    }

    /// Seconds until the count grows by `more`. `None` if it hardly grew recently.
    fn until(&self, more: u64) -> Option<f64> {
        (self.count > 0.01).then(|| self.seconds / self.count * more as f64)
    }
}

/// Time constant of the means, in seconds. After it, a count has lost about two thirds of its
/// weight.
const RECENT_S: f64 = 20.0;
/// Minimum number of ended calls for an estimate.
const CALLS: u64 = 5;

impl Recent {
    /// Adds the counters of a snapshot.
    pub fn see(&mut self, s: &Snapshot) {
        let now = Seen { at: s.elapsed_s, documents: s.answered, requests: s.requests, calls: s.calls_ended };
        let last = std::mem::replace(&mut self.last, now);
        let passed = now.at - last.at;
        if s.paused || passed <= 0.0 {
            return;
        }
        self.documents.add(now.documents.saturating_sub(last.documents), passed);
        self.requests.add(now.requests.saturating_sub(last.requests), passed);
        if last.calls > 0 {
            let ended = now.calls.saturating_sub(last.calls);
            self.calls.add(ended, passed);
            self.calls_since += ended;
        }
    }

    /// Recent requests per second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests.count / self.requests.seconds.max(0.1)
    }

    /// Describes the time left, such as `about 10 s left`. `None` if it is unknown.
    pub fn left(&self, s: &Snapshot) -> Option<String> {
        let documents = s.documents?.checked_sub(s.answered + s.up_to_date).filter(|left| *left > 0 && !s.paused)?;
        if ends_with_budget(s) {
            return Some("until the budget is used up".to_owned());
        }
        let seconds = match s.calls_left {
            // While requests wait for the budget, the speed does not represent the run.
            _ if s.holding == Some(WaitReason::Budget) => None,
            // The estimate needs as many ended calls as are in flight, so that it includes slow
            // answers.
            Some(calls) if s.requests > 0 => self.calls.until(calls).filter(|_| self.calls_since >= s.in_flight.max(CALLS)),
            _ => self.documents.until(documents),
        };
        seconds.map(|seconds| format!("about {} left", duration(seconds)))
    }
}

/// Whether the remaining calls would exceed the budget. Each counts with the mean cost of a call so
/// far.
fn ends_with_budget(s: &Snapshot) -> bool {
    let (Some(budget), Some(left)) = (s.budget, s.calls_left) else { return false };
    let each = s.cost.usd.usd() / s.calls_ended.max(1) as f64;
    s.calls_ended >= CALLS && left as f64 * each > budget.max_usd - budget.spent_usd
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BudgetUse;
    use crate::model::{Bill, Money};

    /// The snapshot after `second` seconds of a run. The run has 75 documents of 7 calls each. 32
    /// calls are in flight, and each takes 4 s.
    fn at(second: u64, recent: &mut Recent) -> Snapshot {
        let mut s = Snapshot::default();
        for tenth in 1..=10 * second {
            let calls = 32 * (tenth / 40);
            s = Snapshot {
                elapsed_s: tenth as f64 / 10.0,
                documents: Some(75),
                answered: calls / 7,
                requests: calls + 32,
                in_flight: 32,
                calls_ended: calls,
                calls_left: Some(75 * 7 - calls),
                cost: Bill { usd: Money::from_usd(0.01 * calls as f64), unpriced_calls: 0 },
                ..Snapshot::default()
            };
            recent.see(&s);
        }
        s
    }

    #[test]
    fn the_time_left_follows_from_the_calls_and_is_reported_once_it_is_known() {
        let mut recent = Recent::default();
        for (second, left) in [(3, None), (5, None), (8, Some(60.0)), (20, Some(48.0))] {
            let s = at(second, &mut recent);
            let shown = recent.left(&s);
            let Some(wanted) = left else {
                assert_eq!(shown, None, "after {second} s");
                continue;
            };
            let near = (0..=15).flat_map(|off: u32| [wanted + f64::from(off), wanted - f64::from(off)]);
            let near: Vec<String> = near.map(|seconds| format!("about {} left", duration(seconds))).collect();
            assert!(shown.as_ref().is_some_and(|shown| near.contains(shown)), "after {second} s: {shown:?}");
        }
    }

    #[test]
    fn the_budget_is_reported_instead_of_a_time_if_it_ends_first() {
        let mut recent = Recent::default();
        let mut s = at(20, &mut recent);
        s.budget = Some(BudgetUse { max_usd: 10.0, spent_usd: 1.6 });
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about ")));
        // Requests wait for the budget, although the rest covers their actual cost.
        s.holding = Some(WaitReason::Budget);
        assert_eq!(recent.left(&s), None);
        s.budget = Some(BudgetUse { max_usd: 3.0, spent_usd: 1.6 });
        assert_eq!(recent.left(&s).as_deref(), Some("until the budget is used up"));
    }

    #[test]
    fn the_time_left_follows_from_the_recent_speed() {
        let mut recent = Recent::default();
        let mut s = Snapshot { documents: Some(2000), ..Snapshot::default() };
        // Ten documents per second for 100 s, then one per second.
        for second in 1..=200_u64 {
            (s.elapsed_s, s.answered) = (second as f64, if second <= 100 { 10 * second } else { 900 + second });
            recent.see(&s);
        }
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about 14 min")));
        s.paused = true;
        assert_eq!(recent.left(&s), None);
    }
}
