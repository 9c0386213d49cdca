//! A token bucket: how providers count limits per minute.
//!
//! Times are seconds on a clock that all users of the bucket share.

use serde::{Deserialize, Serialize};

/// A bucket that refills continuously up to its capacity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    per_second: f64,
    /// The most that it holds: the largest burst.
    capacity: f64,
    /// Its content at the time `at`; below zero if more was used than foreseen.
    level: f64,
    at: f64,
}

/// Smaller missing amounts are rounding errors.
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

    /// The time when `need` can be taken out.
    ///
    /// A need larger than the capacity can be taken when the bucket is full; otherwise it would
    /// wait for ever.
    pub fn ready_at(&self, need: f64, now: f64) -> f64 {
        let missing = need.min(self.capacity) - self.level(now);
        if missing <= GRAIN { now } else { now + missing / self.per_second }
    }

    /// The time since when it is full, or when it will be full.
    pub fn full_at(&self) -> f64 {
        self.at + (self.capacity - self.level) / self.per_second
    }

    /// Takes out `amount`, or puts it back if it is negative.
    pub fn take(&mut self, amount: f64, now: f64) {
        self.set_level(self.level(now) - amount, now);
    }

    /// Lowers the content to `level` if it is higher.
    pub fn lower_to(&mut self, level: f64, now: f64) {
        self.set_level(self.level(now).min(level), now);
    }

    /// Raises the content to `level`, at most to the capacity, if it is lower.
    pub fn raise_to(&mut self, level: f64, now: f64) {
        self.set_level(self.level(now).max(level), now);
    }

    /// Changes its rate and capacity.
    pub fn resize(&mut self, per_second: f64, capacity: f64, now: f64) {
        let level = self.level(now);
        *self = Self::new(per_second, capacity, level, now.max(self.at));
    }

    /// Changes may arrive late. What has flowed in since is there already.
    fn set_level(&mut self, level: f64, now: f64) {
        self.level = level.min(self.capacity);
        self.at = now.max(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_at_its_rate_up_to_its_capacity() {
        let mut bucket = Bucket::new(2.0, 10.0, 10.0, 0.0);
        bucket.take(8.0, 0.0);
        assert_eq!((bucket.ready_at(2.0, 0.0), bucket.ready_at(4.0, 0.0)), (0.0, 1.0));
        assert_eq!((bucket.level(3.0), bucket.level(100.0)), (8.0, 10.0));
    }

    #[test]
    fn a_change_that_arrives_late_lets_nothing_flow_in_twice() {
        let mut bucket = Bucket::new(2.0, 10.0, 0.0, 0.0);
        bucket.take(1.0, 2.0);
        bucket.take(-1.0, 1.0);
        let level = bucket.level(2.0);
        bucket.resize(2.0, 20.0, 1.0);
        assert_eq!((level, bucket.level(2.0)), (4.0, 4.0));
    }

    #[test]
    fn a_need_larger_than_the_bucket_goes_when_it_is_full_and_leaves_a_debt() {
        let mut bucket = Bucket::new(2.0, 10.0, 0.0, 0.0);
        assert!((4.9..5.1).contains(&bucket.ready_at(30.0, 0.0)));
        bucket.take(30.0, 5.0);
        assert_eq!((bucket.level(5.0), bucket.ready_at(0.0, 5.0), bucket.ready_at(1.0, 5.0)), (-20.0, 15.0, 15.5));
    }
}
