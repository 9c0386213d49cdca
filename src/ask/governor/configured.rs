//! Limits that the settings give, among those that are known otherwise.
//!
//! Processes on one account keep to each other's, and only as long as somebody is at work who has them: a cap for one run
//! must not hold back the next.

use super::super::settings::LimitSettings;
use super::bucket::Bucket;
use super::limits::{Limit, Limits, Source};
use super::need::{Amounts, LIMIT_KINDS};

/// What the settings say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ConfiguredLimits {
    /// Limits for a minute, by meter; 0 where there is none.
    pub per_minute: Amounts,
    /// Seconds' worth of a limit that may be used at once.
    pub burst_s: f64,
    /// Whether to begin with few requests.
    pub slow_start: bool,
}

/// Who has not been heard of for so many seconds has been killed.
const GONE_S: f64 = 60.0;

impl ConfiguredLimits {
    /// As the settings have it.
    pub fn new(limits: &LimitSettings, slow_start: bool) -> Self {
        let per_minute =
            [limits.requests_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute, limits.tokens_per_minute];
        Self { per_minute: Amounts::from(per_minute.map(f64::from)), burst_s: limits.burst_s, slow_start }
    }

    /// As limits, by meter.
    pub fn limits(&self, now: f64) -> [Option<Limit>; LIMIT_KINDS.len()] {
        LIMIT_KINDS.map(|meter| {
            let per_minute = self.per_minute.of(meter);
            // A second's worth at once, which is taken off the rest of the minute: no minute has more than it may.
            let capacity = (per_minute / 60.0 * self.burst_s.min(1.0)).max(1.0);
            let per_second = (per_minute - capacity.min(per_minute / 2.0)) / 60.0;
            let bucket = Bucket::new(per_second, capacity, capacity, now);
            (per_minute > 0.0).then_some(Limit { source: Source::Given { at: now }, bucket })
        })
    }
}

impl Source {
    /// Whether whoever has given it is not at work any more.
    fn is_gone(self, now: f64) -> bool {
        matches!(self, Self::Given { at } if now - at >= GONE_S)
    }
}

impl Limits {
    /// Settings hold also where the state is shared with other processes: to be called before each look at it.
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
                // Somebody else at work has a lower one.
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

    /// Takes over what `known` knows about the account, as if nothing was used of it at the time 0. What refusals have taught
    /// counts as declared: a forecast refuses nobody, so a learned limit would grow without end.
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

    /// Settings do not hold any more.
    pub fn unpin(&mut self, given: &ConfiguredLimits, now: f64) {
        for (limit, own) in self.by_meter.iter_mut().zip(given.limits(now)) {
            if let (Some(Limit { source: Source::Given { .. }, bucket }), Some(own)) = (&limit, own)
                && bucket.per_second().total_cmp(&own.bucket.per_second()).is_eq()
            {
                *limit = None;
            }
        }
    }

    /// Other settings hold from now on. What was used of a limit stays used, so a change gives nothing away.
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
                // One that was learned is none of the settings' business, and one that is given no more is learned again.
                (_, None) if old.per_minute.of(meter) == 0.0 => {}
                (_, own) => *limit = own,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::dialect::LimitKind;

    #[test]
    fn the_lowest_holds_of_those_who_are_at_work() {
        let given =
            |per_minute| ConfiguredLimits { per_minute: Amounts::from([per_minute, 0.0, 0.0, 0.0]), burst_s: 1.0, slow_start: false };
        let (low, high, none) = (given(60.0), given(600.0), given(0.0));
        let mut limits = Limits::new(&low, 0.0);
        let mut rate = |given: &ConfiguredLimits, now| {
            limits.pin(given, now);
            limits.by_meter[LimitKind::Requests as usize].map(|limit| (limit.bucket.per_second() * 60.0).round())
        };
        assert_eq!([rate(&high, 50.0), rate(&none, 50.0), rate(&low, 50.0)], [Some(59.0); 3]);
        // Whoever has the low one has been killed.
        assert_eq!(
            [rate(&high, 100.0), rate(&high, 111.0), rate(&none, 170.0), rate(&none, 172.0)],
            [Some(59.0), Some(590.0), Some(590.0), None]
        );
    }
}
