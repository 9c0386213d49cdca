//! Finds the bottleneck of a run and the setting that relieves it.
//!
//! Each resource has a minimum time for the run's work:
//!
//! - a stage: its work divided by its slots
//! - a limit: the amount used divided by its rate
//! - the CPU: computing time divided by cores
//!
//! The resource with the largest minimum time binds. The start of the run and the slowest document
//! at its end add to this time. To predict the effect of a setting, the module changes the time of
//! its resource. Then it determines the resource that binds.
//!
//! There is a result only if one resource accounts for a large share of the run. The result names a
//! setting only if this setting would shorten the run.

mod bounds;
mod change;
mod sentence;
#[cfg(test)]
mod situations;
#[cfg(test)]
mod tests;

use crate::model::{AccountLimit, Bottleneck, Limit, StageUse, WaitReason};
use bounds::Bounds;

/// Measurements of a run that concern its speed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Situation {
    /// Duration in seconds.
    pub wall_s: f64,
    /// Number of documents processed.
    pub documents: u64,
    /// Number of requests.
    pub requests: u64,
    /// Number of requests that repeated an earlier one.
    pub retries: u64,
    /// Shortest time of a document's consecutive requests, in seconds. No setting makes a run
    /// shorter than this.
    pub chain_s: f64,
    /// Mean duration of a request, in seconds.
    pub latency_s: f64,
    /// Mean duration of requests alone in flight, in seconds; 0 without any.
    pub lone_s: f64,
    /// Duration of the longest request, in seconds.
    pub longest_s: f64,
    /// Seconds without any response while calls waited for a response or retry.
    pub silent_s: f64,
    /// Time shares of each stage's slots.
    pub stages: Vec<StageUse>,
    /// Known limits of the account.
    pub rates: Vec<Rate>,
    /// CPU time of this process and its children, in seconds.
    pub cpu_s: f64,
    /// Number of CPU cores.
    pub cores: usize,
    /// Median time of a commit, in milliseconds.
    pub commit_ms: f64,
    /// Whether the run store is on disk, and not in memory.
    pub on_disk: bool,
    /// The end of the run, if only one document was in progress.
    pub tail: Option<Tail>,
    /// Whether `llm.hedge` is on.
    pub hedge: bool,
    /// Maximum number of documents in progress, if the settings limit it.
    pub window: Option<usize>,
    /// Sum of the weights of all servers. `llm.concurrency` holds for a weight of 1.
    pub servers: usize,
    /// Whether settings changed during the run. The totals then mix several settings.
    pub changed: bool,
}

/// A limit of the account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The kind of limit.
    pub meter: WaitReason,
    /// Source of the limit.
    pub known: Known,
    /// Refill per second.
    pub per_second: f64,
    /// Maximum amount that is available at once.
    pub burst: f64,
    /// Amount used by the run.
    pub used: f64,
}

impl From<&Rate> for AccountLimit {
    fn from(rate: &Rate) -> Self {
        Self { meter: rate.meter, per_minute: 60.0 * rate.per_second, at_once: rate.burst }
    }
}

/// Source of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The settings, as an amount per minute.
    Set(u32),
    /// The settings of another active run on this account.
    SetElsewhere,
    /// Response headers.
    Declared,
    /// Refusals.
    Measured,
}

/// The end of a run with only one document in progress.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tail {
    /// Name of the last document.
    pub document: String,
    /// Seconds between the end of all other documents and its end.
    pub alone_s: f64,
    /// Seconds of its longest request.
    pub request_s: f64,
    /// Sum of the durations of its requests, in seconds.
    pub work_s: f64,
    /// Whether any of its requests was a retry.
    pub retried: bool,
    /// Seconds of the longest request of the other documents.
    pub others_s: f64,
    /// Its longest answer relative to the mean of the others. 0 if unknown.
    pub answer_ratio: f64,
}

/// Minimum share of a bottleneck in the time of the run.
const MIN_SHARE: f64 = 0.6;
/// Minimum share of a straggler or an outage. Both extend the run beyond its other work.
const MIN_EXTRA_SHARE: f64 = 0.2;
/// Minimum speed-up that is worth a change.
const MIN_SPEED_UP: f64 = 1.1;
/// Minimum duration of a run for an analysis, in seconds.
const MIN_WALL_S: f64 = 0.5;

impl Situation {
    /// The bottleneck. `None` if measurements show none, or if settings changed during the run.
    pub fn bottleneck(&self) -> Option<Bottleneck> {
        if self.wall_s < MIN_WALL_S || self.requests == 0 || self.changed {
            return None;
        }
        let bounds = self.bounds();
        let (limit, seconds) = bounds.measured()?;
        let least = if matches!(limit, Limit::Straggler | Limit::Server) { MIN_EXTRA_SHARE } else { MIN_SHARE };
        if seconds < least * self.wall_s {
            return None;
        }
        let change = self.change(limit, seconds, &bounds);
        let (after, then) = match &change {
            Some((_, shorter)) => self.after(limit, *shorter, &bounds),
            None => (self.wall_s, limit),
        };
        let speed_up = self.wall_s / after;
        let helps = change.is_some() && speed_up >= MIN_SPEED_UP;
        let mut found = Bottleneck {
            limit,
            share: (seconds / self.wall_s).min(1.0),
            change: change.map(|(change, _)| change).filter(|_| helps),
            predicted_s: helps.then_some(after),
            speed_up: helps.then_some(speed_up),
            then: Some(then).filter(|then| helps && *then != limit),
            enough: self.rate_of(limit).map(|_| self.would_do()),
            sentence: String::new(),
        };
        found.sentence = sentence::of(&found, self);
        Some(found)
    }

    /// Predicts the duration and the binding resource if `limit` takes `shorter` seconds.
    fn after(&self, limit: Limit, shorter: f64, bounds: &Bounds) -> (f64, Limit) {
        let before = bounds.measured().map_or(0.0, |(_, seconds)| seconds);
        let (then, after) = bounds.with(limit, shorter).largest().unwrap_or((limit, before));
        // The time outside the binding resource's work stays the same, such as the start of the
        // run.
        let around = (self.wall_s - before).max(0.0);
        // A straggler extends the run beyond all other work, and other settings do not shorten it.
        if limit == Limit::Straggler {
            return ((shorter + around).max(after), then);
        }
        let wall = (after + around).max(after);
        if self.longest_s > wall { (self.longest_s.min(self.wall_s), Limit::Straggler) } else { (wall, then) }
    }

    fn stage(&self, name: &str) -> Option<&StageUse> {
        self.stages.iter().find(|stage| stage.stage == name)
    }

    fn slots(&self, stage: &str) -> usize {
        self.stage(stage).map_or(1, |stage| stage.slots)
    }

    fn rate(&self, hold: WaitReason) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.meter == hold)
    }

    fn rate_of(&self, limit: Limit) -> Option<&Rate> {
        if let Limit::Held(hold) = limit { self.rate(hold) } else { None }
    }

    /// The lowest concurrency with the same throughput.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
    fn would_do(&self) -> u64 {
        (self.requests as f64 / self.wall_s * self.latency_s).ceil().max(1.0) as u64
    }

    /// Whether the server slows down under load. More requests would then only queue there.
    fn is_crowded(&self) -> bool {
        /// Minimum slow-down as a factor.
        const MIN_SLOW_DOWN: f64 = 1.8;
        self.lone_s > 0.0 && self.latency_s >= MIN_SLOW_DOWN * self.lone_s
    }

    /// Whether the server held requests back for a significant time.
    fn is_kept_back(&self) -> bool {
        /// Minimum share of the time.
        const MIN_HELD_SHARE: f64 = 0.05;
        let of_the_server = |hold: &WaitReason| {
            matches!(
                hold,
                WaitReason::Requests
                    | WaitReason::InputTokens
                    | WaitReason::OutputTokens
                    | WaitReason::Tokens
                    | WaitReason::Refusal
                    | WaitReason::Overload
                    | WaitReason::SlowStart
            )
        };
        let held = self.stage("ask").map(|ask| &ask.held).into_iter().flatten();
        held.filter(|(hold, _)| of_the_server(hold)).map(|(_, share)| share).sum::<f64>() >= MIN_HELD_SHARE
    }
}
