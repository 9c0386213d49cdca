//! What holds a run back, by how much, and which setting would change it.
//!
//! Each resource has a least time that it takes for the run's work: a stage's work divided by its slots, what was used of
//! a limit divided by its rate, computing time divided by cores. The largest of these times is what binds. A run takes
//! that, and what is around it: the start, and the slowest document at the end. So the effect of a setting is predicted by
//! changing its time and looking what binds then.
//!
//! A resource is named only if it accounts for most of the run by measurement, and a setting only if it decides something in this
//! run. Otherwise nothing is said.

mod bounds;
mod change;
mod sentence;
#[cfg(test)]
mod situations;
#[cfg(test)]
mod tests;

use crate::model::{Bottleneck, Limit, StageUse, WaitReason};
use bounds::Bounds;

/// What a run did, as far as its speed goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Situation {
    /// How long it took, in seconds.
    pub wall_s: f64,
    /// Documents that were worked on.
    pub documents: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// The shortest time that requests about a document took one after another, in seconds: no setting makes a run shorter.
    pub chain_s: f64,
    /// Mean time of a request, in seconds.
    pub latency_s: f64,
    /// Mean time of requests that had the server to themselves, in seconds; 0 if there was none.
    pub lone_s: f64,
    /// Time of the longest one.
    pub longest_s: f64,
    /// Seconds without any reply while calls were waiting for one, or to be repeated.
    pub silent_s: f64,
    /// What the slots of each stage did.
    pub stages: Vec<StageUse>,
    /// Limits of the account that are known.
    pub rates: Vec<Rate>,
    /// Computing time of this process and its children, in seconds.
    pub cpu_s: f64,
    /// Cores of this machine.
    pub cores: usize,
    /// Median time of a commit, in milliseconds.
    pub commit_ms: f64,
    /// Whether the run store is on a disk, and not in memory.
    pub on_disk: bool,
    /// What went on when almost everything was done.
    pub tail: Option<Tail>,
    /// Whether stragglers are asked for once more.
    pub hedge: bool,
    /// Documents under way at the most, if the settings say so.
    pub window: Option<usize>,
    /// Whether settings were changed meanwhile: then figures of the whole say nothing about any of them.
    pub changed: bool,
}

/// A limit of the account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Which one.
    pub meter: WaitReason,
    /// Where it is known from.
    pub known: Known,
    /// What flows in.
    pub per_second: f64,
    /// What may be used at once.
    pub burst: f64,
    /// What the run has used.
    pub used: f64,
}

/// Where a limit is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The settings state it, for a minute.
    Set(u32),
    /// The settings of another run at work on this account state it.
    SetElsewhere,
    /// Headers of replies state it.
    Declared,
    /// Refusals have shown it.
    Measured,
}

/// The end of a run that one document had to itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tail {
    /// The document that was the last.
    pub document: String,
    /// Seconds from the end of the others to its end.
    pub alone_s: f64,
    /// Seconds of its longest request.
    pub request_s: f64,
    /// Seconds of all its requests, one after another.
    pub work_s: f64,
    /// Whether requests about it were repeated.
    pub retried: bool,
    /// Seconds of the longest request about any other document.
    pub others_s: f64,
    /// How many times as long as that of the others its longest answer was; 0 if that is not known.
    pub answer_ratio: f64,
}

/// A resource that accounts for less of the run than this is not what holds it back.
const MOST: f64 = 0.5;
/// The same for what comes on top of everything else: a document at the end, a server that was away.
const ON_TOP: f64 = 0.2;
/// An effect smaller than this is not worth a change.
const WORTH: f64 = 1.1;
/// Runs of less work than this say nothing.
const LEAST_WALL_S: f64 = 0.5;

impl Situation {
    /// What holds the run back; `None` if nothing does by measurement, or settings were changed meanwhile.
    pub fn bottleneck(&self) -> Option<Bottleneck> {
        if self.wall_s < LEAST_WALL_S || self.requests == 0 || self.changed {
            return None;
        }
        let bounds = self.bounds();
        let (limit, seconds) = bounds.measured()?;
        let least = if matches!(limit, Limit::Straggler | Limit::Server) { ON_TOP } else { MOST };
        if seconds < least * self.wall_s {
            return None;
        }
        let change = self.change(limit, seconds, &bounds);
        let (after, then) = match &change {
            Some((_, shorter)) => self.after(limit, *shorter, &bounds),
            None => (self.wall_s, limit),
        };
        let speed_up = self.wall_s / after;
        let helps = change.is_some() && speed_up >= WORTH;
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

    /// How long the run takes when the time of `limit` is only `shorter`, and what binds then.
    fn after(&self, limit: Limit, shorter: f64, bounds: &Bounds) -> (f64, Limit) {
        let before = bounds.measured().map_or(0.0, |(_, seconds)| seconds);
        let (then, after) = bounds.with(limit, shorter).largest().unwrap_or((limit, before));
        // What is around the binding resource stays: the start, the first document's way, the last one's end.
        let around = (self.wall_s - before).max(0.0);
        // A straggler comes on top of everything else, and with any other setting it stays what it is.
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

    /// Requests at a time that would have done as much in the same time.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
    fn would_do(&self) -> u64 {
        (self.requests as f64 / self.wall_s * self.latency_s).ceil().max(1.0) as u64
    }

    /// Whether the server takes longer the more requests it has: then more of them only wait there.
    fn is_crowded(&self) -> bool {
        /// How many times as long.
        const LONGER: f64 = 1.8;
        self.lone_s > 0.0 && self.latency_s >= LONGER * self.lone_s
    }

    /// Whether the server has kept requests back for a part of the time that counts.
    fn is_kept_back(&self) -> bool {
        /// Share of the time.
        const COUNTS: f64 = 0.05;
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
        held.filter(|(hold, _)| of_the_server(hold)).map(|(_, share)| share).sum::<f64>() >= COUNTS
    }
}
