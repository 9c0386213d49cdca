//! Minimum time of each resource for a run's work, in seconds.

use super::{MIN_EXTRA_SHARE, Situation};
use crate::model::{Limit, StageUse, WaitReason};

/// The minimum time of one resource.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    limit: Limit,
    seconds: f64,
    /// Whether the run waited for this resource. Other bounds may bind after a change.
    seen: bool,
}

/// The minimum times of all resources.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds(Vec<Bound>);

/// Minimum core time per slot time at which slots wait for cores.
const BUSY_CORES: f64 = 0.8;

impl Bounds {
    /// The largest bound among the resources for which the run waited.
    pub fn measured(&self) -> Option<(Limit, f64)> {
        largest(self.0.iter().filter(|bound| bound.seen))
    }

    /// The largest bound of all resources.
    pub fn largest(&self) -> Option<(Limit, f64)> {
        largest(self.0.iter())
    }

    /// The largest bound of all resources except `limit`, in seconds.
    pub fn beside(&self, limit: Limit) -> f64 {
        largest(self.0.iter().filter(|bound| bound.limit != limit)).map_or(0.0, |(_, seconds)| seconds)
    }

    /// A copy with another time for one resource.
    pub fn with(&self, limit: Limit, seconds: f64) -> Self {
        let changed = |bound: &Bound| Bound { seconds: if bound.limit == limit { seconds } else { bound.seconds }, ..*bound };
        Self(self.0.iter().map(changed).collect())
    }
}

fn largest<'b>(bounds: impl Iterator<Item = &'b Bound>) -> Option<(Limit, f64)> {
    bounds.map(|bound| (bound.limit, bound.seconds)).max_by(|one, other| one.1.total_cmp(&other.1))
}

impl Situation {
    pub(super) fn bounds(&self) -> Bounds {
        let share = |name: &str, of: fn(&StageUse) -> f64| self.stage(name).map_or(0.0, of);
        let seconds = |name: &str| share(name, |stage| stage.busy) * self.wall_s;
        let held = |hold: WaitReason| share_of(self, hold) * self.wall_s;
        let cores = if self.cores == 0 { 0.0 } else { (self.cpu_s / self.cores as f64).min(self.wall_s) };
        // Slots that wait for a CPU look busy.
        let by_slots = |seconds: f64| if cores >= BUSY_CORES * seconds { seconds.min(cores) } else { seconds };
        // Requests during an outage say nothing about concurrency.
        let answering = |seconds: f64| (seconds - self.silent_s).max(0.0);
        let window = if self.window.is_some() { share("ask", |ask| ask.blocked) * self.wall_s } else { 0.0 };
        let tail = self.straggler_s();
        let mut bounds = vec![
            // An attempt holds its permit while it is written to the ledger.
            (Limit::Concurrency, answering(seconds("ask") + held(WaitReason::Ledger))),
            (Limit::Documents, answering(window)),
            (Limit::Reading, by_slots(seconds("read"))),
            (Limit::Preparation, seconds("prepare")),
            (Limit::Cores, cores),
            (Limit::Commits, seconds("commit")),
            (Limit::Writing, seconds("write")),
            (Limit::Latency, answering(self.chain_s)),
            (Limit::Server, self.silent_s),
            (Limit::Straggler, if tail >= MIN_EXTRA_SHARE * self.wall_s { tail } else { 0.0 }),
        ]
        .into_iter()
        .map(|(limit, seconds)| Bound { limit, seconds, seen: true })
        .collect::<Vec<_>>();
        for hold in WaitReason::ALL.into_iter().filter(|hold| *hold != WaitReason::Ledger) {
            let rate = self.rate(hold);
            // A limit binds for as long as the used amount takes to refill. It also binds while
            // slots are empty because of it: an earlier run may have used its burst.
            let flowed = rate.map(|rate| ((rate.used - rate.burst) / rate.per_second).clamp(0.0, self.wall_s));
            // These reasons hold requests back until others are answered.
            let until_answered = matches!(hold, WaitReason::SlowStart | WaitReason::Overload | WaitReason::Suspicion);
            let waited = if until_answered { answering(held(hold)) } else { held(hold) };
            bounds.push(Bound {
                limit: Limit::Held(hold),
                seconds: flowed.map_or(waited, |flowed| flowed.max(waited)),
                seen: held(hold) > 0.0,
            });
        }
        Bounds(bounds)
    }

    /// Seconds during which one slow document ran alone. Returns 0 if the document was not slower
    /// than others, was retried, or mostly waited.
    fn straggler_s(&self) -> f64 {
        /// Ratio of a slow request to the longest of other documents.
        const SLOWER: f64 = 2.0;
        let Some(tail) = &self.tail else { return 0.0 };
        let one_slow_request = tail.request_s >= SLOWER * tail.others_s;
        let many_requests = tail.request_s <= 0.5 * tail.alone_s;
        let at_work = tail.work_s >= 0.8 * tail.alone_s;
        if !tail.retried && at_work && (one_slow_request || many_requests) { tail.alone_s } else { 0.0 }
    }
}

/// Share of the time during which slots were empty because of `hold`.
fn share_of(situation: &Situation, hold: WaitReason) -> f64 {
    situation.stage("ask").and_then(|ask| ask.held.get(&hold)).copied().unwrap_or(0.0)
}
