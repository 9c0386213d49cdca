//! The present speed of a run: one that is limited, paused or changed does not go on at its average speed.

use super::duration;
use crate::event::Snapshot;
use crate::model::WaitReason;

/// A mean over recent time, in which older things count less and less.
#[derive(Debug, Default)]
pub struct Recent {
    /// Up to the last look.
    last: Seen,
    requests: Mean,
    documents: Mean,
    /// Calls since the first one ended: before that, time says how long answers take and not how many come.
    calls: Mean,
    /// The same without forgetting.
    calls_since: u64,
}

/// Counters at one look.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    at: f64,
    documents: u64,
    requests: u64,
    calls: u64,
}

/// A count and the seconds that it took.
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

    /// Seconds until there are so many more; `None` if nothing happens.
    fn until(&self, more: u64) -> Option<f64> {
        (self.count > 0.01).then(|| self.seconds / self.count * more as f64)
    }
}

/// What is so many seconds ago counts a third.
const RECENT_S: f64 = 20.0;
/// Fewer calls say nothing about the speed of a run.
const CALLS: u64 = 5;

impl Recent {
    /// Looks at the counters.
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

    /// Requests a second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests.count / self.requests.seconds.max(0.1)
    }

    /// When the run ends, such as `about 10 s left`; `None` if that is not known.
    pub fn left(&self, s: &Snapshot) -> Option<String> {
        let documents = s.documents?.checked_sub(s.answered + s.up_to_date).filter(|left| *left > 0 && !s.paused)?;
        if ends_with_budget(s) {
            return Some("until the budget is used up".to_owned());
        }
        let seconds = match s.calls_left {
            // The speed near the end of a budget is not that of the run.
            _ if s.holding == Some(WaitReason::Budget) => None,
            // As many as are in flight at a time, so that slow answers are among them.
            Some(calls) if s.requests > 0 => self.calls.until(calls).filter(|_| self.calls_since >= s.in_flight.max(CALLS)),
            _ => self.documents.until(documents),
        };
        seconds.map(|seconds| format!("about {} left", duration(seconds)))
    }
}

/// Whether the budget ends before the calls do, at what they have cost so far.
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

    /// A run of 75 documents with 7 calls each and 32 calls in flight, of which each takes 4 s, as seen after so many seconds.
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
    fn the_time_left_is_that_of_the_calls_and_is_not_reported_before_it_is_known() {
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
    fn no_time_is_extrapolated_when_the_budget_ends_first() {
        let mut recent = Recent::default();
        let mut s = at(20, &mut recent);
        s.budget = Some(BudgetUse { max_usd: 10.0, spent_usd: 1.6 });
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about ")));
        // Requests wait for the rest of the budget, which is enough for what they really cost.
        s.holding = Some(WaitReason::Budget);
        assert_eq!(recent.left(&s), None);
        s.budget = Some(BudgetUse { max_usd: 3.0, spent_usd: 1.6 });
        assert_eq!(recent.left(&s).as_deref(), Some("until the budget is used up"));
    }

    #[test]
    fn a_run_that_became_slow_is_slow() {
        let mut recent = Recent::default();
        let mut s = Snapshot { documents: Some(2000), ..Snapshot::default() };
        // Ten a second, then one.
        for second in 1..=200_u64 {
            (s.elapsed_s, s.answered) = (second as f64, if second <= 100 { 10 * second } else { 900 + second });
            recent.see(&s);
        }
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about 14 min")));
        s.paused = true;
        assert_eq!(recent.left(&s), None);
    }
}
