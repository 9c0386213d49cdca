//! A token bucket, the usual model of a limit per minute.
//!
//! Times are seconds on a clock shared by all users of the bucket.

use serde::{Deserialize, Serialize};

/// A bucket that refills continuously up to its capacity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    per_second: f64,
    /// Maximum content, which is also the largest burst.
    capacity: f64,
    /// Content at the time `at`. Negative if requests used more than they reserved.
    level: f64,
    at: f64,
}

/// Tolerance for rounding errors.
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

    /// The time when `need` is available.
    ///
    /// A need larger than the capacity is available when the bucket is full. Otherwise it would
    /// wait for ever.
    pub fn ready_at(&self, need: f64, now: f64) -> f64 {
        let missing = need.min(self.capacity) - self.level(now);
        if missing <= GRAIN { now } else { now + missing / self.per_second }
    }

    /// The time when the bucket is full. It may be in the past.
    pub fn full_at(&self) -> f64 {
        self.at + (self.capacity - self.level) / self.per_second
    }

    /// Removes `amount`; a negative amount adds to the content.
    pub fn take(&mut self, amount: f64, now: f64) {
        self.set_level(self.level(now) - amount, now);
    }

    /// Lowers the content to `level` if it is higher.
    pub fn lower_to(&mut self, level: f64, now: f64) {
        self.set_level(self.level(now).min(level), now);
    }

    /// Raises a lower content to `level`, but not above the capacity.
    pub fn raise_to(&mut self, level: f64, now: f64) {
        self.set_level(self.level(now).max(level), now);
    }

    /// Changes the rate and the capacity.
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
