//! A clock that may run faster than the one on the wall: for rehearsals.

use std::time::Duration;
use tokio::time::Instant;

/// The time of a server. Limits, waits and the times of answers are in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    started: Instant,
    speed: f64,
}

impl Pace {
    /// So many times as fast as the clock on the wall.
    pub(super) fn new(speed: f64) -> Self {
        Self { started: Instant::now(), speed }
    }

    pub(super) fn now(&self) -> Instant {
        self.started + self.started.elapsed().mul_f64(self.speed)
    }

    /// What a time takes on the wall.
    pub(super) fn on_the_wall(&self, time: Duration) -> Duration {
        time.div_f64(self.speed)
    }
}
