//! Combines configured limits with limits from other sources.
//!
//! Runs on one account also obey the limits in each other's settings, but only while the run with
//! those settings is active. So the limit of one run does not slow the next one.

use super::bucket::Bucket;
use super::configured::ConfiguredLimits;
use super::limit::{Limit, Source};
use super::limits::Limits;
use super::need::LIMIT_KINDS;

impl Limits {
    /// Applies the settings to limits that may be shared with other processes.
    ///
    /// Call it before each use.
    pub fn pin(&mut self, given: &ConfiguredLimits, now: f64) {
        for (meter, (limit, own)) in LIMIT_KINDS.into_iter().zip(self.by_meter.iter_mut().zip(given.limits(now))) {
            let (Some(known), Some(own)) = (&mut *limit, own) else {
                if own.is_some() || limit.is_some_and(|limit| limit.source.is_gone(now)) {
                    *limit = own;
                }
                continue;
            };
            let (rate, own_rate) = (known.bucket.per_second(), own.bucket.per_second());
            match known.source {
                // Another running process has a lower limit.
                Source::Given { .. } if rate < own_rate && !known.source.is_gone(now) => {}
                Source::Given { .. } => {
                    known.source = own.source;
                    if rate.total_cmp(&own_rate).is_ne() {
                        known.bucket.resize(own_rate, own.bucket.capacity(), now);
                    }
                }
                Source::Declared { .. } | Source::Learned if rate <= given.per_minute.of(meter) / 60.0 => {}
                Source::Declared { .. } | Source::Learned => known.bucket.resize(own_rate, own.bucket.capacity(), now),
            }
        }
    }

    /// Adds the limits of `known`, with full buckets at the time 0.
    ///
    /// Learned limits become declared ones. A forecast has no refusals, so a learned limit would
    /// grow without end.
    pub fn add_known(&mut self, known: &Self) {
        for (limit, known) in self.by_meter.iter_mut().zip(known.by_meter) {
            let known = known.filter(|known| !matches!(known.source, Source::Given { .. }));
            let lower = |known: &Limit| limit.is_none_or(|own| known.bucket.per_second() < own.bucket.per_second());
            if let Some(Limit { bucket, .. }) = known.filter(lower) {
                let source = Source::Declared { holds: bucket.capacity() };
                *limit = Some(Limit { source, bucket: Bucket::new(bucket.per_second(), bucket.capacity(), bucket.capacity(), 0.0) });
            }
        }
    }

    /// Removes the limits that come from these settings.
    pub fn unpin(&mut self, given: &ConfiguredLimits, now: f64) {
        for (limit, own) in self.by_meter.iter_mut().zip(given.limits(now)) {
            if let (Some(Limit { source: Source::Given { .. }, bucket }), Some(own)) = (&limit, own)
                && bucket.per_second().total_cmp(&own.bucket.per_second()).is_eq()
            {
                *limit = None;
            }
        }
    }

    /// Replaces the settings. Used amounts stay used, so a change grants no extra requests.
    pub fn change(&mut self, old: &ConfiguredLimits, new: &ConfiguredLimits, now: f64) {
        for (meter, (limit, own)) in LIMIT_KINDS.into_iter().zip(self.by_meter.iter_mut().zip(new.limits(now))) {
            if (old.per_minute.of(meter), old.burst_s) == (new.per_minute.of(meter), new.burst_s) {
                continue;
            }
            match (&mut *limit, own) {
                (Some(limit), Some(own)) => {
                    limit.bucket.resize(own.bucket.per_second(), own.bucket.capacity(), now);
                    if matches!(limit.source, Source::Given { .. }) {
                        limit.source = own.source;
                    }
                }
                // A limit that was not configured before stays. A limit that is no longer
                // configured is learned again.
                (_, None) if old.per_minute.of(meter) == 0.0 => {}
                (_, own) => *limit = own,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::need::Amounts;
    use super::*;
    use crate::ask::dialect::LimitKind;

    #[test]
    fn the_lowest_limit_of_all_running_processes_holds() {
        let given =
            |per_minute| ConfiguredLimits { per_minute: Amounts::from([per_minute, 0.0, 0.0, 0.0]), burst_s: 1.0, slow_start: false };
        let (low, high, none) = (given(60.0), given(600.0), given(0.0));
        let mut limits = Limits::new(&low, 0.0);
        let mut rate = |given: &ConfiguredLimits, now| {
            limits.pin(given, now);
            limits.by_meter[LimitKind::Requests as usize].map(|limit| (limit.bucket.per_second() * 60.0).round())
        };
        assert_eq!([rate(&high, 50.0), rate(&none, 50.0), rate(&low, 50.0)], [Some(59.0); 3]);
        // The process with the low limit was killed.
        assert_eq!(
            [rate(&high, 100.0), rate(&high, 111.0), rate(&none, 170.0), rate(&none, 172.0)],
            [Some(59.0), Some(590.0), Some(590.0), None]
        );
    }
}
