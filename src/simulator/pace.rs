//! A clock that may run faster than real time, for rehearsals.

use std::time::Duration;
use tokio::time::Instant;

/// The time of a server, for its limits, waits and latencies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    started: Instant,
    speed: f64,
}

impl Pace {
    /// Creates a clock with this speed relative to real time.
    pub(super) fn new(speed: f64) -> Self {
        Self { started: Instant::now(), speed }
    }

    pub(super) fn now(&self) -> Instant {
        self.started + self.started.elapsed().mul_f64(self.speed)
    }

    /// Converts simulated time to real time.
    pub(super) fn on_the_wall(&self, time: Duration) -> Duration {
        time.div_f64(self.speed)
    }
}
