//! What the headers of a reply say about a limit.
//!
//! They are old when they arrive: the provider has counted when the request came, or when its reply left, and requests
//! were sent since. So they say that what is left now lies between two bounds. Only what is outside of these bounds is
//! corrected: below, because somebody else uses the account too or estimates are too low; above, because the provider
//! has given back what it had reserved. Remaining amounts are rounded down; that only delays the first requests.

use super::super::dialect::RateLimitHeader;
use super::bucket::Bucket;
use super::configured::ConfiguredLimits;
use super::limits::{Limit, Limits, Source, Taken};

/// Seconds' worth that a bucket is believed to hold when headers do not tell what is left, or after a refusal.
pub(super) const UNSEEN_S: f64 = 5.0;

impl Limits {
    /// What the headers of a reply say.
    pub fn observe(&mut self, taken: &Taken, header: &RateLimitHeader, given: &ConfiguredLimits, now: f64) {
        let meter = header.meter;
        let per_second = header.per_minute * self.ramp_share(now) / 60.0;
        if !per_second.is_finite() || per_second <= 0.0 {
            return;
        }
        let known = self.by_meter[meter as usize].filter(|limit| limit.source != Source::Learned);
        let since = self.sent.of(meter) - taken.sent.of(meter);
        let flowed = per_second * (now - taken.at);
        // What is left now if all that was sent since is missing in the headers, and if none is.
        let bounds = header.remaining.map(|left| (left - (since - flowed).max(0.0), left + (flowed - since).max(0.0)));
        // A limit of the settings that is lower stays as it is. The account may still be used up.
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
        // So much has been in the provider's bucket, this request included.
        let seen = header.remaining.map_or(UNSEEN_S * per_second, |left| (left + taken.amounts.of(meter)).min(60.0 * per_second));
        let before = known.map(|limit| (limit, limit.holds() * (per_second / limit.bucket.per_second()).min(1.0)));
        let holds = before.map_or(seen, |(_, before)| if doubted { before } else { before.max(seen) });
        let least = self.learner.largest(meter);
        let capacity = holds.min(given.burst_s * per_second).max(least);
        // The rest is left alone, for estimates that are wrong and for others.
        let reserve = (holds - capacity).max(0.0);
        let mut bucket = known.map_or_else(|| Bucket::new(per_second, capacity, capacity, now), |known| known.bucket);
        bucket.resize(per_second, capacity, now);
        if let Some((low, high)) = bounds {
            bucket.lower_to(if known.is_some() { high } else { low }, now);
            if !doubted {
                // Without a reserve nothing makes up for requests that were under way before and are missing in the headers:
                // about as many as were sent since.
                let missing = if reserve > 0.0 { reserve } else { since.max(0.0) };
                bucket.raise_to(low - missing, now);
            }
        }
        self.by_meter[meter as usize] = Some(Limit { source: Source::Declared { holds }, bucket });
    }
}
