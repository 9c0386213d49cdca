//! The current speed of a run and the time left. Limits, pauses and changed settings make the
//! current speed differ from the average.

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
    /// When the first call ended.
    first_at: Option<f64>,
    /// The estimated end of the run, in seconds since it began. It follows new estimates slowly.
    end: Option<f64>,
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
    /// `memory` is the time constant in seconds.
    fn add(&mut self, count: u64, passed: f64, memory: f64) {
        let kept = (-passed / memory).exp();
        self.count = self.count * kept + count as f64;
        self.seconds = self.seconds * kept + passed;
    }

    /// Seconds until the count grows by `more`. `None` if it hardly grew recently.
    fn until(&self, more: u64) -> Option<f64> {
        (self.count > 0.01).then(|| self.seconds / self.count * more as f64)
    }
}

/// Minimum time constant of the means, in seconds. After it, a count has lost about two thirds of
/// its weight.
const RECENT_S: f64 = 20.0;
/// Time constant of the means as a share of the time so far. Waits for limits come once a minute,
/// so the estimates of a long run must not depend on the last seconds.
const MEMORY: f64 = 0.5;
/// Minimum number of ended calls for an estimate.
const CALLS: u64 = 5;
/// Minimum time after the first ended call for an estimate, in seconds.
const BASIS_S: f64 = 8.0;
/// Time constant with which the estimated end follows new estimates, in seconds.
const CALM_S: f64 = 5.0;

impl Recent {
    /// Adds the counters of a snapshot.
    pub fn see(&mut self, s: &Snapshot) {
        let now = Seen { at: s.elapsed_s, documents: s.answered, requests: s.requests, calls: s.calls_ended };
        let last = std::mem::replace(&mut self.last, now);
        let passed = now.at - last.at;
        if passed <= 0.0 {
            return;
        }
        if s.paused {
            self.end = self.end.map(|end| end + passed);
            return;
        }
        let memory = RECENT_S.max(MEMORY * now.at);
        self.documents.add(now.documents.saturating_sub(last.documents), passed, memory);
        self.requests.add(now.requests.saturating_sub(last.requests), passed, RECENT_S);
        if last.calls > 0 {
            let ended = now.calls.saturating_sub(last.calls);
            self.calls.add(ended, passed, memory);
            self.calls_since += ended;
            self.first_at.get_or_insert(last.at);
        }
        let kept = (-passed / CALM_S).exp();
        let end = self.seconds(s).map(|left| now.at + left);
        self.end = end.map(|end| self.end.map_or(end, |before| before * kept + end * (1.0 - kept)));
    }

    /// Recent requests per second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests.count / self.requests.seconds.max(0.1)
    }

    /// Describes the time left, such as `about 10 s left`. `None` if it is unknown.
    pub fn left(&self, s: &Snapshot) -> Option<String> {
        s.documents?.checked_sub(s.answered + s.up_to_date).filter(|left| *left > 0 && !s.paused)?;
        if ends_with_budget(s) {
            return Some("until the budget is used up".to_owned());
        }
        // The next request alone may wait longer.
        let seconds = (self.end? - s.elapsed_s).max(s.waiting_s);
        Some(format!("about {} left", rough(seconds)))
    }

    /// The current estimate of the seconds left.
    fn seconds(&self, s: &Snapshot) -> Option<f64> {
        let documents = s.documents?.checked_sub(s.answered + s.up_to_date)?;
        match s.calls_left {
            // While requests wait for the budget or its service, the speed does not represent the run.
            _ if matches!(s.holding, Some(WaitReason::Budget | WaitReason::BudgetService)) => None,
            // The estimate needs as many ended calls as are in flight, so that it includes slow
            // answers.
            Some(calls) if s.requests > 0 => {
                let has_basis = self.calls_since >= s.in_flight.max(CALLS) && self.first_at.is_some_and(|at| s.elapsed_s >= at + BASIS_S);
                self.calls.until(calls).filter(|_| has_basis).map(|seconds| seconds.max(by_limits(s, calls)))
            }
            _ => self.documents.until(documents).filter(|_| s.elapsed_s >= BASIS_S),
        }
    }
}

/// Seconds that the limits of the account need for the calls left. A full bucket makes the start of
/// a run faster than the limits allow later. What is left in it follows from the use so far.
fn by_limits(s: &Snapshot, calls_left: u64) -> f64 {
    let to_send = calls_left.saturating_sub(s.in_flight) as f64;
    let sent = (s.calls_ended + s.in_flight).max(1) as f64;
    let needs = s.limits.iter().filter(|limit| limit.per_minute > 0.0).map(|limit| {
        let each = match limit.meter {
            WaitReason::Requests => s.requests as f64 / sent,
            WaitReason::InputTokens => s.input_tokens as f64 / s.calls_ended.max(1) as f64,
            WaitReason::OutputTokens => s.output_tokens as f64 / s.calls_ended.max(1) as f64,
            WaitReason::Tokens => (s.input_tokens + s.output_tokens) as f64 / s.calls_ended.max(1) as f64,
            _ => 0.0,
        };
        let refilled = limit.per_minute / 60.0 * s.elapsed_s;
        let ready = (limit.at_once + refilled - each * sent).clamp(0.0, limit.at_once.max(0.0));
        60.0 * (to_send * each - ready).max(0.0) / limit.per_minute
    });
    needs.fold(0.0, f64::max)
}

/// A duration without false precision, so that it does not flicker.
fn rough(seconds: f64) -> String {
    let step = match seconds {
        s if s < 10.0 => 1.0,
        s if s < 60.0 => 5.0,
        s if s < 600.0 => 10.0,
        _ => 60.0,
    };
    match (seconds / step).round().max(1.0) * step {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 600.0 && s % 60.0 != 0.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s if s < 3600.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), (s % 3600.0) / 60.0),
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
    use crate::model::{AccountLimit, Bill, Money};

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
        for (second, left) in [(3, None), (5, None), (9, None), (20, Some(48.0)), (40, Some(27.0))] {
            let mut recent = Recent::default();
            let s = at(second, &mut recent);
            let shown = recent.left(&s);
            let Some(wanted) = left else {
                assert_eq!(shown, None, "after {second} s");
                continue;
            };
            let near = (0..=10).flat_map(|off: u32| [wanted + f64::from(off), wanted - f64::from(off)]);
            let near: Vec<String> = near.map(|seconds| format!("about {} left", rough(seconds))).collect();
            assert!(shown.as_ref().is_some_and(|shown| near.contains(shown)), "after {second} s: {shown:?}");
        }
    }

    #[test]
    fn the_budget_is_reported_instead_of_a_time_if_it_ends_first() {
        let mut recent = Recent::default();
        let mut s = at(20, &mut recent);
        s.budget = Some(BudgetUse { max_usd: 10.0, spent_usd: 1.6 });
        recent.see(&s);
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about ")));
        // Requests wait for the budget, although the rest covers their actual cost.
        s.holding = Some(WaitReason::Budget);
        s.elapsed_s += 0.1;
        recent.see(&s);
        assert_eq!(recent.left(&s), None);
        s.budget = Some(BudgetUse { max_usd: 3.0, spent_usd: 1.6 });
        assert_eq!(recent.left(&s).as_deref(), Some("until the budget is used up"));
    }

    #[test]
    fn the_time_left_follows_from_the_recent_speed() {
        let mut recent = Recent::default();
        let mut s = Snapshot { documents: Some(2000), ..Snapshot::default() };
        // Ten documents per second for 100 s, then one per second.
        for second in 1..=500_u64 {
            (s.elapsed_s, s.answered) = (second as f64, if second <= 100 { 10 * second } else { 900 + second });
            recent.see(&s);
        }
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about 9 min")), "600 documents are left");
        s.paused = true;
        assert_eq!(recent.left(&s), None);
    }

    #[test]
    fn the_time_left_includes_limits_and_is_never_below_the_wait_for_them() {
        let limits = vec![AccountLimit { meter: WaitReason::InputTokens, per_minute: 600.0, at_once: 1800.0 }];
        let (mut recent, mut s) = (Recent::default(), Snapshot::default());
        // The full bucket allows ten calls per second of 10 tokens. Later there is one per second.
        for tenth in 1..=200_u64 {
            let calls = tenth;
            s = Snapshot {
                elapsed_s: tenth as f64 / 10.0,
                documents: Some(500),
                answered: calls,
                requests: calls,
                calls_ended: calls,
                calls_left: Some(500 - calls),
                input_tokens: 10 * calls,
                limits: limits.clone(),
                ..Snapshot::default()
            };
            recent.see(&s);
        }
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("about 5 min")), "300 calls at one per second");
        s.waiting_s = 1000.0;
        assert_eq!(recent.left(&s).as_deref(), Some("about 17 min left"));
    }

    #[test]
    fn times_are_rounded_to_what_is_known() {
        let shown = [0.2, 7.4, 33.0, 59.0, 61.0, 125.0, 611.0, 3599.0, 7325.0].map(rough);
        assert_eq!(shown, ["1 s", "7 s", "35 s", "1 min", "1 min", "2 min 10 s", "10 min", "1 h 0 min", "2 h 2 min"]);
    }
}
