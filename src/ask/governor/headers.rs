//! Corrects limits by the headers of replies.
//!
//! Headers are out of date when they arrive: the provider counted earlier, and more requests were
//! sent since. Therefore they give two bounds for the amount left now. The governor corrects its
//! count only if the count is outside these bounds:
//!
//! - The count is too high if another client uses the account, or if estimates are too low.
//! - The count is too low if the provider has returned reserved tokens.
//!
//! Remaining amounts are rounded down, which only delays the first requests.

use super::super::dialect::RateLimitHeader;
use super::bucket::Bucket;
use super::configured::ConfiguredLimits;
use super::limit::{Limit, Source, UNSEEN_S};
use super::limits::{Limits, Taken};

impl Limits {
    /// Applies one limit from the headers of a reply.
    pub fn observe(&mut self, taken: &Taken, header: &RateLimitHeader, given: &ConfiguredLimits, now: f64) {
        let meter = header.meter;
        let per_second = header.per_minute * self.ramp_share(now) / 60.0;
        if !per_second.is_finite() || per_second <= 0.0 {
            return;
        }
        let known = self.by_meter[meter as usize].filter(|limit| limit.source != Source::Learned);
        let since = self.sent.of(meter) - taken.sent.of(meter);
        let flowed = per_second * (now - taken.at);
        // Bounds of the amount left now. The lower bound assumes that the headers include no
        // request sent since. The upper bound assumes that they include all of them.
        let bounds = header.remaining.map(|left| (left - (since - flowed).max(0.0), left + (flowed - since).max(0.0)));
        // A lower limit in the settings stays in force. The headers may still show that the account
        // is used up.
        let own = given.limits(now)[meter as usize].filter(|own| own.bucket.per_second() <= per_second);
        let own =
            own.or_else(|| known.filter(|known| matches!(known.source, Source::Given { .. }) && known.bucket.per_second() <= per_second));
        if let Some(own) = own {
            let mut bucket = known.map_or(own.bucket, |known| known.bucket);
            bucket.resize(own.bucket.per_second(), own.bucket.capacity(), now);
            if let Some((_, high)) = bounds {
                bucket.lower_to(high, now);
            }
            self.by_meter[meter as usize] = Some(Limit { source: own.source, bucket });
            return;
        }
        let doubted = now < self.doubted_until;
        // The content of the provider's bucket, including this request.
        let seen = header.remaining.map_or(UNSEEN_S * per_second, |left| (left + taken.amounts.of(meter)).min(60.0 * per_second));
        let before = known.map(|limit| (limit, limit.holds() * (per_second / limit.bucket.per_second()).min(1.0)));
        let holds = before.map_or(seen, |(_, before)| if doubted { before } else { before.max(seen) });
        let least = self.learner.largest(meter);
        let capacity = holds.min(given.burst_s * per_second).max(least);
        // The rest is a reserve for estimation errors and for other clients.
        let reserve = (holds - capacity).max(0.0);
        let mut bucket = known.map_or_else(|| Bucket::new(per_second, capacity, capacity, now), |known| known.bucket);
        bucket.resize(per_second, capacity, now);
        if let Some((low, high)) = bounds {
            bucket.lower_to(if known.is_some() { high } else { low }, now);
            if !doubted {
                // Headers may miss requests that were in flight: about as many as were sent since.
                // Without a reserve, the count must allow for them.
                let missing = if reserve > 0.0 { reserve } else { since.max(0.0) };
                bucket.raise_to(low - missing, now);
            }
        }
        self.by_meter[meter as usize] = Some(Limit { source: Source::Declared { holds }, bucket });
    }
}
