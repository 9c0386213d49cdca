//! What holds a run back, by how much, and which setting would change it.
//!
//! Each resource has a least time that it takes for the run's work: a stage's work divided by its slots, what was used of
//! a limit divided by its rate, computing time divided by cores. The largest of these times is what binds. A run takes
//! that, and what is around it: the start, and the slowest document at the end. So the effect of a setting is predicted by
//! changing its time and looking what binds then.

mod sentence;
#[cfg(test)]
mod tests;

use crate::model::{Bottleneck, Change, Hold, Limit, StageUse};

/// What a run did, as far as its speed goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Situation {
    /// How long it took, in seconds.
    pub wall_s: f64,
    /// Documents that were worked on.
    pub documents: u64,
    /// Requests sent.
    pub requests: u64,
    /// The shortest time from a prepared document to its row, in seconds: no setting makes a run shorter.
    pub chain_s: f64,
    /// Mean time of a request, in seconds.
    pub latency_s: f64,
    /// Time of the longest one.
    pub longest_s: f64,
    /// What the slots of each stage did.
    pub stages: Vec<StageUse>,
    /// Limits of the account that are known.
    pub rates: Vec<Rate>,
    /// Computing time of this process and its children, in seconds.
    pub cpu_s: f64,
    /// Cores of this machine.
    pub cores: usize,
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
    pub meter: Hold,
    /// What flows in.
    pub per_second: f64,
    /// What may be used at once.
    pub burst: f64,
    /// What the run has used.
    pub used: f64,
}

/// The end of a run that one document had to itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// The document that was the last.
    pub document: String,
    /// Seconds from the end of the others to its end.
    pub alone_s: f64,
    /// Seconds of its longest request.
    pub request_s: f64,
}

/// No setting is advised to grow by more than this at once: what is true now need not be true far from here.
const STEP: f64 = 8.0;
/// An effect smaller than this is not worth a change.
const WORTH: f64 = 1.1;
/// A document at the end that takes less than this share of the run is no straggler.
const TAIL: f64 = 0.2;
/// Runs of less work than this say nothing.
const LEAST_WALL_S: f64 = 0.5;

/// The least time that each resource takes, in seconds.
type Bounds = Vec<(Limit, f64)>;

impl Situation {
    /// What holds the run back; `None` if nothing was asked, it was over at once, or settings were changed meanwhile.
    pub fn bottleneck(&self) -> Option<Bottleneck> {
        if self.wall_s < LEAST_WALL_S || self.requests == 0 || self.changed {
            return None;
        }
        let bounds = self.bounds();
        let (limit, seconds) = largest(&bounds)?;
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
            sentence: String::new(),
        };
        found.sentence = sentence::of(&found, self);
        Some(found)
    }

    fn bounds(&self) -> Bounds {
        let share = |name: &str, of: fn(&StageUse) -> f64| self.stage(name).map_or(0.0, of);
        let seconds = |name: &str| share(name, |stage| stage.busy) * self.wall_s;
        // A permit is taken while its attempt is written to the ledger.
        let ledger = share("ask", |ask| ask.held.get(&Hold::Ledger).copied().unwrap_or(0.0)) * self.wall_s;
        let cores = if self.cores == 0 { 0.0 } else { self.cpu_s / self.cores as f64 };
        let mut bounds = vec![
            (Limit::Concurrency, seconds("ask") + ledger),
            (Limit::Reading, seconds("read")),
            (Limit::Preparation, seconds("prepare")),
            (Limit::Cores, cores.min(self.wall_s)),
            (Limit::Commits, seconds("commit")),
            (Limit::Writing, seconds("write")),
            (Limit::Latency, self.chain_s),
            (Limit::Documents, if self.window.is_some() { share("ask", |ask| ask.blocked) * self.wall_s } else { 0.0 }),
        ];
        let tail = self.tail.as_ref().map_or(0.0, |tail| tail.alone_s);
        bounds.push((Limit::Straggler, if tail >= TAIL * self.wall_s { tail } else { 0.0 }));
        let held = self.stage("ask").map(|ask| &ask.held).into_iter().flatten().filter(|(hold, _)| **hold != Hold::Ledger);
        bounds.extend(held.map(|(hold, share)| {
            let rate = self.rates.iter().find(|rate| rate.meter == *hold);
            // A limit of which all was used binds for as long as that took to flow in.
            let flowed = rate.map(|rate| ((rate.used - rate.burst) / rate.per_second).clamp(0.0, self.wall_s));
            (Limit::Held(*hold), flowed.unwrap_or(share * self.wall_s))
        }));
        bounds
    }

    /// The setting that relieves a limit, and what its time becomes.
    fn change(&self, limit: Limit, seconds: f64, bounds: &Bounds) -> Option<(Change, f64)> {
        let others = bounds.iter().filter(|(other, _)| *other != limit).map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        // Just so much that the next limit binds.
        let enough = (seconds / others.max(f64::MIN_POSITIVE)).min(STEP);
        let grown = |key: &'static str, from: usize, most: u64| {
            let to = round_up(from as f64 * enough).min(most);
            let change = Change { key, from: from.to_string(), to: to.to_string() };
            (to > from as u64).then(|| (change, seconds * from as f64 / to as f64, to))
        };
        let without_number = |(change, shorter, _)| (change, shorter);
        let slots = |name: &str| self.stage(name).map_or(1, |stage| stage.slots);
        match limit {
            // Requests come in waves: the last one takes as long as a full one.
            Limit::Concurrency => grown("llm.concurrency", slots("ask"), self.requests)
                .map(|(change, shorter, to)| (change, shorter.max(self.requests.div_ceil(to) as f64 * self.latency_s))),
            Limit::Reading => grown("read.concurrency", slots("read"), self.documents).map(without_number),
            Limit::Preparation => grown("prepare.workers", slots("prepare"), self.cores as u64).map(without_number),
            Limit::Documents => grown("llm.documents", self.window?, self.documents).map(without_number),
            Limit::Straggler => {
                let tail = self.tail.as_ref().filter(|tail| !self.hedge && tail.request_s > 0.5 * tail.alone_s)?;
                // It is waited for from when it was sent, and that was before the others had ended.
                let before = (tail.request_s - tail.alone_s).max(0.0);
                let with_hedge = ((3.0 * self.latency_s).max(0.5) + self.latency_s - before).max(0.0);
                let change = Change { key: "llm.hedge", from: "false".into(), to: "true".into() };
                Some((change, with_hedge.min(tail.alone_s)))
            }
            Limit::Held(hold) => {
                let rate = self.rates.iter().find(|rate| rate.meter == hold)?;
                let minute = 60.0 * rate.per_second + rate.burst;
                let to = round_up(minute * enough.min(2.0));
                let times = to as f64 / minute;
                let flows = (rate.used - rate.burst * times).max(0.0) / (rate.per_second * times);
                Some((Change { key: hold.key()?, from: format!("{minute:.0}"), to: to.to_string() }, flows))
            }
            Limit::Cores | Limit::Commits | Limit::Writing | Limit::Latency => None,
        }
    }

    /// How long the run takes when the time of `limit` is only `shorter`, and what binds then.
    fn after(&self, limit: Limit, shorter: f64, bounds: &Bounds) -> (f64, Limit) {
        let before = largest(bounds).map_or(0.0, |(_, seconds)| seconds);
        let bounds: Bounds = bounds.iter().map(|(other, seconds)| (*other, if *other == limit { shorter } else { *seconds })).collect();
        let (then, after) = largest(&bounds).unwrap_or((limit, before));
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
}

fn largest(bounds: &Bounds) -> Option<(Limit, f64)> {
    bounds.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1))
}

/// Up to two digits that people would choose.
fn round_up(number: f64) -> u64 {
    let unit = 10_f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of slots")]
    let rounded = ((number / unit - 1e-9).ceil() * unit) as u64;
    rounded
}
