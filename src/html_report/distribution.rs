//! Distributions of values in constant memory.

use serde::Serialize;
use std::collections::BTreeMap;

/// Buckets per doubling of a value. The error of a value is at most 0.3 %.
const PER_DOUBLING: f64 = 256.0;

/// Non-negative values, counted in buckets of equal relative width.
#[derive(Debug)]
pub struct Distribution {
    /// Resolution: all values are multiples of it.
    grain: f64,
    buckets: BTreeMap<i32, u64>,
    count: u64,
    sum: f64,
    max: f64,
}

/// Summary statistics of a distribution.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// Number of values.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum.
    pub max: f64,
}

/// The count of values in a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The lower border.
    pub from: f64,
    /// The upper border.
    pub to: f64,
    /// Number of values.
    pub count: u64,
}

impl Distribution {
    /// Creates an empty distribution for multiples of `grain`.
    pub fn new(grain: f64) -> Self {
        Self { grain, buckets: BTreeMap::new(), count: 0, sum: 0.0, max: 0.0 }
    }

    /// Adds a value. Negative values, caused by clocks that were set back, count as 0.
    pub fn add(&mut self, value: f64) {
        let value = value.max(0.0);
        *self.buckets.entry(bucket(value)).or_default() += 1;
        self.count += 1;
        self.sum += value;
        self.max = self.max.max(value);
    }

    /// The quantile for a share from 0 to 1.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = share * self.count as f64;
        let mut seen = 0;
        for (bucket, n) in &self.buckets {
            seen += n;
            if seen as f64 >= wanted {
                return self.value(*bucket).min(self.max);
            }
        }
        self.max
    }

    /// Summary statistics; `None` if there are no values.
    pub fn spread(&self) -> Option<Spread> {
        let (mean, max) = (self.sum / self.count as f64, self.max);
        let [median, p95, p99] = [0.5, 0.95, 0.99].map(|share| self.quantile(share));
        (self.count > 0).then_some(Spread { count: self.count, mean, median, p95, p99, max })
    }

    /// Counts values in at most `bins` equal ranges from 0 to `top`. Larger values count in the
    /// last range. The width is a multiple of the grain, because narrower ranges would leave gaps.
    pub fn bins(&self, bins: u32, top: f64) -> Vec<Bin> {
        let steps = (top / self.grain).round().max(1.0);
        let bins = (1..=bins).rev().find(|bins| (steps / f64::from(*bins)).fract() == 0.0).unwrap_or(1);
        let width = top / f64::from(bins);
        let mut all: Vec<Bin> = (0..bins).map(|n| Bin { from: f64::from(n) * width, to: f64::from(n + 1) * width, count: 0 }).collect();
        for (bucket, n) in &self.buckets {
            // A value on a border belongs to the upper range, regardless of rounding.
            let value = self.value(*bucket) + self.grain / 2.0;
            let at = all.iter().position(|bin| value < bin.to).unwrap_or(all.len() - 1);
            all[at].count += n;
        }
        all
    }

    /// The value that represents a bucket.
    fn value(&self, bucket: i32) -> f64 {
        if bucket == i32::MIN {
            return 0.0;
        }
        let middle = ((f64::from(bucket) + 0.5) / PER_DOUBLING).exp2();
        (middle / self.grain).round() * self.grain
    }
}

#[expect(clippy::cast_possible_truncation, reason = "logarithms of doubles are small")]
fn bucket(value: f64) -> i32 {
    if value > 0.0 { (value.log2() * PER_DOUBLING).floor() as i32 } else { i32::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_accurate_and_bins_hold_every_value() {
        let mut values = Distribution::new(1.0);
        (1..=1000).for_each(|n| values.add(f64::from(n)));
        values.add(-1.0);
        let Spread { count, median, p95, p99, max, .. } = values.spread().expect("values");
        assert_eq!((count, max), (1001, 1000.0));
        for (found, wanted) in [(median, 500.0), (p95, 950.0), (p99, 990.0)] {
            assert!((found / wanted - 1.0_f64).abs() < 0.01, "{found} for {wanted}");
        }
        let bins = values.bins(10, 500.0);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 1001);
        assert_eq!(values.bins(30, 20.0)[..3].iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 1, 1], "no bar is narrower than a step");
        assert!(bins[9].count > 500, "larger values are in the last bin: {bins:?}");
        assert!(Distribution::new(1.0).spread().is_none());
    }
}
