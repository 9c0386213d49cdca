//! Finds the setting that would relieve a bottleneck.

use super::bounds::Bounds;
use super::{Known, Situation};
use crate::model::{Change, Limit};

/// Maximum growth of a setting in one step. Predictions do not hold far from the measured state.
const MAX_GROWTH: f64 = 8.0;

impl Situation {
    /// Finds the setting that relieves a limit. Also returns the resulting time of that limit, in
    /// seconds. `None` if no setting relieves the limit.
    pub(super) fn change(&self, limit: Limit, seconds: f64, bounds: &Bounds) -> Option<(Change, f64)> {
        // The growth after which the next limit binds.
        let enough = (seconds / bounds.beside(limit).max(f64::MIN_POSITIVE)).min(MAX_GROWTH);
        let grown = |key: &'static str, from: usize, most: u64| {
            let to = round_up(from as f64 * enough).min(most);
            let change = Change { key, from: from.to_string(), to: to.to_string() };
            (to > from as u64).then(|| (change, seconds * from as f64 / to as f64, to))
        };
        let without_number = |(change, shorter, _)| (change, shorter);
        match limit {
            Limit::Concurrency if self.is_crowded() || self.is_kept_back() => None,
            // Requests come in waves, and the last wave takes as long as a full one.
            Limit::Concurrency => {
                grown("llm.concurrency", self.slots("ask") / self.servers.max(1), self.requests).map(|(change, shorter, to)| {
                    (change, shorter.max(self.requests.div_ceil(to * self.servers.max(1) as u64) as f64 * self.latency_s))
                })
            }
            Limit::Reading => grown("read.concurrency", self.slots("read"), self.documents).map(without_number),
            Limit::Preparation => grown("prepare.workers", self.slots("prepare"), self.cores as u64).map(without_number),
            Limit::Documents => grown("llm.documents", self.window?, self.documents).map(without_number),
            Limit::Straggler => self.hedged(),
            Limit::Held(hold) => {
                let rate = self.rate(hold)?;
                // A setting raises only a limit that comes from this run's settings.
                let Known::Set(set) = rate.known else { return None };
                let to = round_up(f64::from(set) * enough.min(2.0));
                let times = to as f64 / f64::from(set);
                let flows = (rate.used - rate.burst * times).max(0.0) / (rate.per_second * times);
                Some((Change { key: hold.key()?, from: set.to_string(), to: to.to_string() }, flows))
            }
            Limit::Cores | Limit::Commits | Limit::Writing | Limit::Latency | Limit::Server => None,
        }
    }

    /// Predicts the effect of `llm.hedge`. `None` if `llm.hedge` is already on. Also `None` if the
    /// document is inherently slow: its answer is long, or it has many calls.
    fn hedged(&self) -> Option<(Change, f64)> {
        let tail = self.tail.as_ref().filter(|tail| !self.hedge && tail.request_s > 0.5 * tail.alone_s)?;
        if tail.answer_ratio >= 0.5 * tail.request_s / self.latency_s.max(f64::MIN_POSITIVE) {
            return None;
        }
        // The hedge delay begins when the request is sent, which was before the other documents
        // ended.
        let before = (tail.request_s - tail.alone_s).max(0.0);
        let with_hedge = ((3.0 * self.latency_s).max(0.5) + self.latency_s - before).max(0.0);
        let change = Change { key: "llm.hedge", from: "false".into(), to: "true".into() };
        Some((change, with_hedge.min(tail.alone_s)))
    }
}

/// Rounds up to at most two significant digits.
pub(super) fn round_up(number: f64) -> u64 {
    let unit = 10_f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of slots")]
    let rounded = ((number / unit - 1e-9).ceil() * unit) as u64;
    rounded
}
