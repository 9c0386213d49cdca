//! Rate limits from the settings of a run.

use super::super::settings::LimitSettings;
use super::bucket::Bucket;
use super::limit::{Limit, Source};
use super::need::{Amounts, LIMIT_KINDS};

/// The limits in the settings of one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ConfiguredLimits {
    /// Limits per minute, by kind; 0 for no limit.
    pub per_minute: Amounts,
    /// Maximum burst, as seconds of a limit.
    pub burst_s: f64,
    /// Whether to start with a single request.
    pub slow_start: bool,
}

impl ConfiguredLimits {
    /// Reads the limits from the settings.
    pub fn new(limits: &LimitSettings, slow_start: bool) -> Self {
        let per_minute =
            [limits.requests_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute, limits.tokens_per_minute];
        Self { per_minute: Amounts::from(per_minute.map(f64::from)), burst_s: limits.burst_s, slow_start }
    }

    /// Converts the limits to buckets, by kind.
    pub fn limits(&self, now: f64) -> [Option<Limit>; LIMIT_KINDS.len()] {
        LIMIT_KINDS.map(|meter| {
            let per_minute = self.per_minute.of(meter);
            // The burst is deducted from the rate, so that no minute exceeds its limit.
            let capacity = (per_minute / 60.0 * self.burst_s.min(1.0)).max(1.0);
            let per_second = (per_minute - capacity.min(per_minute / 2.0)) / 60.0;
            let bucket = Bucket::new(per_second, capacity, capacity, now);
            (per_minute > 0.0).then_some(Limit { source: Source::Given { at: now }, bucket })
        })
    }
}
