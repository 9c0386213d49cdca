//! A token bucket that is exact: it counts in whole numbers.
//!
//! Promises: what flows in over two spans is what flows in over both together, so that no sequence of looks at the
//! clock lets more or less pass than the rate says. Never looks at the clock itself.

use std::time::Duration;
use tokio::time::Instant;

/// Rates are whole millionths per minute, and time is whole nanoseconds, so one unit of what is metered is this many.
const UNIT: i128 = 60_000_000_000 * MICRO;
const MICRO: i128 = 1_000_000;

/// One meter: full at first, then filled at a steady rate.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: i128,
    capacity: i128,
    level: i128,
    filled: Instant,
}

impl Bucket {
    /// A full one. `rate` per minute.
    pub(super) fn new(rate: f64, capacity: f64, now: Instant) -> Self {
        let capacity = scaled(capacity).saturating_mul(UNIT / MICRO);
        Self { rate: scaled(rate), capacity, level: capacity, filled: now }
    }

    /// Another rate and capacity from now on. What is there stays; the next fill drops what does not fit.
    pub(super) fn set(&mut self, rate: f64, capacity: f64, now: Instant) {
        self.fill(now);
        self.rate = scaled(rate);
        self.capacity = scaled(capacity).saturating_mul(UNIT / MICRO);
    }

    /// Brings it up to date.
    pub(super) fn fill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.filled).as_nanos();
        let flowed = self.rate.saturating_mul(i128::try_from(nanos).unwrap_or(i128::MAX));
        self.level = self.level.saturating_add(flowed).min(self.capacity);
        self.filled = self.filled.max(now);
    }

    /// Until this much may be taken. More than fits may be taken when it is full: it is empty for longer then.
    pub(super) fn wait(&self, amount: u64) -> Duration {
        self.until(units(amount).min(self.capacity))
    }

    /// Takes it, into the negative if need be.
    pub(super) fn take(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(units(amount));
    }

    /// Whole units that are there.
    pub(super) fn remaining(&self) -> u64 {
        u64::try_from(self.level / UNIT).unwrap_or(0)
    }

    /// Until it is full.
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

/// In millionths.
#[expect(clippy::cast_possible_truncation, reason = "scenarios are checked: quantities are far below 2^53 millionths")]
fn scaled(value: f64) -> i128 {
    (value * MICRO as f64).round() as i128
}
