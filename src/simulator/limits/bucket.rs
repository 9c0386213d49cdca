//! An exact token bucket in integer arithmetic.
//!
//! The refill over two intervals equals the refill over their union. The frequency of updates
//! therefore never changes how much passes. The bucket never reads the clock.

use std::time::Duration;
use tokio::time::Instant;

/// Units per token. Rates are whole millionths per minute, and times are whole nanoseconds.
const UNIT: i128 = 60_000_000_000 * MICRO;
const MICRO: i128 = 1_000_000;

/// A limit: full at first, then refilled at a steady rate.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: i128,
    capacity: i128,
    level: i128,
    filled: Instant,
}

impl Bucket {
    /// A full bucket. `rate` is per minute.
    pub(super) fn new(rate: f64, capacity: f64, now: Instant) -> Self {
        let capacity = scaled(capacity).saturating_mul(UNIT / MICRO);
        Self { rate: scaled(rate), capacity, level: capacity, filled: now }
    }

    /// Changes rate and capacity. The level stays, and the next refill drops the excess.
    pub(super) fn set(&mut self, rate: f64, capacity: f64, now: Instant) {
        self.fill(now);
        self.rate = scaled(rate);
        self.capacity = scaled(capacity).saturating_mul(UNIT / MICRO);
    }

    /// Refills the bucket up to now.
    pub(super) fn fill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.filled).as_nanos();
        let flowed = self.rate.saturating_mul(i128::try_from(nanos).unwrap_or(i128::MAX));
        self.level = self.level.saturating_add(flowed).min(self.capacity);
        self.filled = self.filled.max(now);
    }

    /// Time until this amount may be taken. A full bucket admits more than its capacity, and then
    /// stays empty for longer.
    pub(super) fn wait(&self, amount: u64) -> Duration {
        self.until(units(amount).min(self.capacity))
    }

    /// Takes an amount; the level may become negative.
    pub(super) fn take(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(units(amount));
    }

    /// Whole tokens available.
    pub(super) fn remaining(&self) -> u64 {
        u64::try_from(self.level / UNIT).unwrap_or(0)
    }

    /// Time until the bucket is full.
    pub(super) fn reset(&self) -> Duration {
        self.until(self.capacity)
    }

    fn until(&self, level: i128) -> Duration {
        let missing = level - self.level;
        if missing <= 0 {
            return Duration::ZERO;
        }
        let nanos = (missing + self.rate - 1) / self.rate.max(1);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn units(amount: u64) -> i128 {
    i128::from(amount) * UNIT
}

/// Converts to millionths.
#[expect(clippy::cast_possible_truncation, reason = "scenarios are checked: quantities are far below 2^53 millionths")]
fn scaled(value: f64) -> i128 {
    (value * MICRO as f64).round() as i128
}
