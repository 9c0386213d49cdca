//! The clock of an account.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A monotonic clock in seconds since 1970, comparable between processes.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    base: f64,
    started: Instant,
    /// Factor relative to real time; 1 outside of rehearsals.
    pub speed: f64,
}

impl Clock {
    pub fn new() -> Self {
        let base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { base, started: Instant::now(), speed: 1.0 }
    }

    #[must_use]
    pub fn at_speed(self, speed: f64) -> Self {
        Self { speed, ..self }
    }

    pub fn now(&self) -> f64 {
        self.base + self.speed * self.started.elapsed().as_secs_f64()
    }

    pub fn instant(&self, at: f64) -> Instant {
        self.started + Duration::try_from_secs_f64((at - self.base) / self.speed).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::dialect::Dialect;
    use super::super::super::settings::{LimitSettings, SlowStart};
    use super::super::accounts::SharedAccount;
    use super::super::configured::ConfiguredLimits;
    use super::super::{Budget, Ending, Governor, GovernorSettings, Need, Ticket};
    use super::*;
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    /// Returns the send times of requests, in the account's seconds.
    async fn departures(speed: f64) -> Vec<f64> {
        let limits = LimitSettings {
            requests_per_minute: 60,
            input_tokens_per_minute: 0,
            output_tokens_per_minute: 0,
            tokens_per_minute: 0,
            burst_s: 1.0,
            slow_start: SlowStart::Off,
        };
        let settings = GovernorSettings {
            concurrency: 8,
            limits: &limits,
            slow_start: false,
            budget: Budget::new(None, None),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
        };
        let given = ConfiguredLimits::new(&limits, false);
        let account = SharedAccount::in_memory(&given, Clock::new().at_speed(speed));
        let governor = Governor::new(Arc::new(account), settings);
        let started = Instant::now();
        let mut times = Vec::new();
        for document in 0..30 {
            let need = Need { input: 10.0, images: 0.0, output: 5.0, max_output: 10.0, dialect: Dialect::ANTHROPIC };
            let permit = governor.admit(&Ticket { document, need, at_most: None }).await.expect("it is admitted");
            times.push(governor.passed(started.elapsed()).as_secs_f64());
            permit.end(&Ending::default());
            governor.pause(Duration::from_millis(100)).await.expect("it is not stopped");
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn at_any_speed_requests_are_sent_at_the_same_times_of_the_account() {
        let usual = departures(1.0).await;
        assert!(*usual.last().expect("some") > 25.0, "{usual:?}");
        for speed in [0.5, 20.0, 400.0] {
            for (time, other) in usual.iter().zip(departures(speed).await) {
                // Timers have a resolution of one millisecond.
                assert!((time - other).abs() < 0.002 * 30.0 * f64::max(speed, 1.0), "{speed}: {time} {other}");
            }
        }
    }
}
