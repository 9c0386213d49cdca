//! The two limits: a token bucket for requests per second and a number of seats for requests in work.
//!
//! Promises: never lets more pass than the scenario says. Never waits: what does not pass is refused.

use super::scenario::Scenario;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The limits of one simulator.
#[derive(Debug)]
pub(super) struct Limits {
    rate: f64,
    burst: f64,
    bucket: Mutex<Bucket>,
    seats: usize,
    taken: AtomicUsize,
}

/// The state of the bucket, for the rate-limit headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Requests per minute.
    pub(super) limit: f64,
    /// Requests that would pass right now.
    pub(super) remaining: f64,
    /// Until the bucket is full.
    pub(super) reset: Duration,
}

/// A place among the requests in work; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limits {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let rate = scenario.requests_per_second;
        let burst = if scenario.burst == 0 { rate.max(1.0) } else { f64::from(scenario.burst) };
        Self {
            rate,
            burst,
            bucket: Mutex::new(Bucket { tokens: burst, filled: Instant::now() }),
            seats: scenario.concurrency,
            taken: AtomicUsize::new(0),
        }
    }

    /// Takes one request out of the bucket: whether it may pass, and the state after it (none without a limit).
    pub(super) fn take(&self) -> (bool, Option<Standing>) {
        if self.rate <= 0.0 {
            return (true, None);
        }
        let now = Instant::now();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = now.saturating_duration_since(bucket.filled).as_secs_f64() * self.rate;
        bucket.tokens = (bucket.tokens + fresh).min(self.burst);
        bucket.filled = bucket.filled.max(now);
        let passes = bucket.tokens >= 1.0;
        if passes {
            bucket.tokens -= 1.0;
        }
        let missing = (self.burst - bucket.tokens) / self.rate;
        let standing = Standing {
            limit: (self.rate * 60.0).ceil(),
            remaining: bucket.tokens.floor(),
            reset: Duration::try_from_secs_f64(missing).unwrap_or_default(),
        };
        (passes, Some(standing))
    }

    /// Takes a seat, or `None` if all are taken.
    pub(super) fn sit(&self) -> Option<Seat<'_>> {
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        let seat = Seat(&self.taken);
        (self.seats == 0 || before < self.seats).then_some(seat)
    }
}
