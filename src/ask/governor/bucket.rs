//! A bucket that refills all the time: what providers mean by so many a minute.
//!
//! Times are seconds on a clock that all who share the bucket share.

use serde::{Deserialize, Serialize};

/// One budget of an account.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    per_second: f64,
    /// The most that it holds: how large a burst may be.
    capacity: f64,
    /// What was in it at the time `at`; below zero if more was used than foreseen.
    level: f64,
    at: f64,
}

/// Levels are sums of fractions: what is missing by less than this is not missing.
const GRAIN: f64 = 1e-6;

impl Bucket {
    pub fn new(per_second: f64, capacity: f64, level: f64, now: f64) -> Self {
        Self { per_second, capacity, level: level.min(capacity), at: now }
    }

    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    pub fn capacity(&self) -> f64 {
        self.capacity
    }

    pub fn level(&self, now: f64) -> f64 {
        (self.level + (now - self.at).max(0.0) * self.per_second).min(self.capacity)
    }

    /// When `need` can be taken out. What is larger than the bucket may go when the bucket is full, or it would wait for
    /// ever.
    pub fn ready_at(&self, need: f64, now: f64) -> f64 {
        let missing = need.min(self.capacity) - self.level(now);
        if missing <= GRAIN { now } else { now + missing / self.per_second }
    }

    /// Since when it is full, or when it will be.
    pub fn full_at(&self) -> f64 {
        self.at + (self.capacity - self.level) / self.per_second
    }

    /// Takes out `amount`; puts back, if it is negative.
    pub fn take(&mut self, amount: f64, now: f64) {
        self.set_level(self.level(now) - amount, now);
    }

    /// There is no more in it than `level`.
    pub fn lower_to(&mut self, level: f64, now: f64) {
        self.set_level(self.level(now).min(level), now);
    }

    /// There is at least `level` in it, or all that it holds.
    pub fn raise_to(&mut self, level: f64, now: f64) {
        self.set_level(self.level(now).max(level), now);
    }

    /// From now on it refills at this rate and holds this much.
    pub fn resize(&mut self, per_second: f64, capacity: f64, now: f64) {
        let level = self.level(now);
        *self = Self::new(per_second, capacity, level, now);
    }

    fn set_level(&mut self, level: f64, now: f64) {
        self.level = level.min(self.capacity);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_comes_back_at_the_rate_up_to_the_capacity() {
        let mut bucket = Bucket::new(2.0, 10.0, 10.0, 0.0);
        bucket.take(8.0, 0.0);
        assert_eq!((bucket.ready_at(2.0, 0.0), bucket.ready_at(4.0, 0.0)), (0.0, 1.0));
        assert_eq!((bucket.level(3.0), bucket.level(100.0)), (8.0, 10.0));
    }

    #[test]
    fn what_is_larger_than_the_bucket_goes_when_it_is_full_and_leaves_a_debt() {
        let mut bucket = Bucket::new(2.0, 10.0, 0.0, 0.0);
        assert!((4.9..5.1).contains(&bucket.ready_at(30.0, 0.0)));
        bucket.take(30.0, 5.0);
        assert_eq!((bucket.level(5.0), bucket.ready_at(0.0, 5.0), bucket.ready_at(1.0, 5.0)), (-20.0, 15.0, 15.5));
    }
}
