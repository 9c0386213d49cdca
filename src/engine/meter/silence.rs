//! Measures time in which the server answers no waiting call.
//!
//! A stretch of silence lasts while calls wait for a response or a retry, and no call ends. A
//! single call that waits for its response is a slow request and not silence. Silence is sampled
//! periodically.
use parking_lot::{Mutex, MutexGuard};

/// Stretches of silence, summed by length.
#[derive(Debug, Default)]
pub struct Silence(Mutex<Stretches>);

#[derive(Debug)]
struct Stretches {
    /// Time of the last sample, in seconds.
    at: f64,
    /// Calls that had ended by then.
    ended: u64,
    /// Length of the current stretch, in seconds.
    now: f64,
    /// Sums of stretches of at least `LEAST_S`, by length in steps of half a doubling.
    sums: [f64; 40],
}

impl Default for Stretches {
    fn default() -> Self {
        Self { at: 0.0, ended: 0, now: 0.0, sums: [0.0; 40] }
    }
}

/// The state of the calls at one time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calls {
    /// Calls that have ended.
    pub ended: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Calls that wait for a response or a retry.
    pub waiting: u64,
    /// Whether something other than the server holds back all calls.
    pub held: bool,
}

/// Minimum length of a stretch, in seconds.
const LEAST_S: f64 = 1.0;
/// Minimum length of a stretch, in usual response times.
const USUAL: f64 = 3.0;

impl Silence {
    /// Samples the calls at the time `at`, in seconds.
    pub fn sample(&self, at: f64, calls: Calls) {
        let mut stretches = self.stretches();
        let passed = at - std::mem::replace(&mut stretches.at, at);
        let went_on = std::mem::replace(&mut stretches.ended, calls.ended) == calls.ended;
        let waits = calls.waiting > 1 || (calls.waiting == 1 && calls.in_flight == 0);
        if waits && went_on && !calls.held {
            stretches.now += passed;
        } else {
            stretches.close();
        }
    }

    /// Seconds of silence so far, if requests usually take `usual_s` seconds.
    pub fn seconds(&self, usual_s: f64) -> f64 {
        let stretches = self.stretches();
        let least = LEAST_S.max(USUAL * usual_s);
        let over = stretches.sums.iter().enumerate().filter(|(step, _)| LEAST_S * f64::exp2((step + 1) as f64 / 2.0) > least);
        over.map(|(_, sum)| sum).sum::<f64>() + if stretches.now >= least { stretches.now } else { 0.0 }
    }

    fn stretches(&self) -> MutexGuard<'_, Stretches> {
        // Sums have no half-written state that a panic elsewhere could leave behind.
        self.0.lock()
    }
}

impl Stretches {
    fn close(&mut self) {
        let length = std::mem::take(&mut self.now);
        if length >= LEAST_S {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of steps")]
            let step = (2.0 * (length / LEAST_S).log2()) as usize;
            self.sums[step.min(self.sums.len() - 1)] += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state of the calls at a tick of 0.1 s.
    type Seen = fn(u64) -> Calls;

    const BUSY: Seen = |tick| Calls { ended: 1000 + tick, in_flight: 8, waiting: 8, held: false };

    fn watch(silence: &Silence, tick: &mut u64, ticks: u64, seen: Seen) {
        for _ in 0..ticks {
            *tick += 1;
            silence.sample(*tick as f64 / 10.0, seen(*tick));
        }
    }

    #[test]
    fn time_is_silent_if_several_calls_wait_and_none_ends() {
        let table: [(&str, Seen, bool); 8] = [
            ("all wait", |_| Calls { ended: 7, in_flight: 8, waiting: 8, held: false }, true),
            ("all wait for a retry", |_| Calls { ended: 7, in_flight: 0, waiting: 8, held: false }, true),
            ("the only one waits for a retry", |_| Calls { ended: 7, in_flight: 0, waiting: 1, held: false }, true),
            ("one slow request", |_| Calls { ended: 7, in_flight: 1, waiting: 1, held: false }, false),
            ("one ends each second", |tick| Calls { ended: tick / 10, in_flight: 8, waiting: 8, held: false }, false),
            ("a limit holds all back", |_| Calls { ended: 7, in_flight: 0, waiting: 8, held: true }, false),
            ("no calls", |_| Calls { ended: 7, ..Calls::default() }, false),
            ("all stand in line", |_| Calls { ended: 7, in_flight: 0, waiting: 0, held: false }, false),
        ];
        for (name, seen, is_silent) in table {
            let (silence, mut tick) = (Silence::default(), 0);
            watch(&silence, &mut tick, 10, BUSY);
            watch(&silence, &mut tick, 200, seen);
            let seconds = silence.seconds(0.5);
            assert_eq!(seconds > 15.0, is_silent, "{name}: {seconds}");
            watch(&silence, &mut tick, 10, BUSY);
            assert!((silence.seconds(0.5) - seconds).abs() < 1.5, "{name}: it stays when it is over");
        }
    }

    #[test]
    fn a_long_wait_is_not_silence_if_requests_usually_take_long() {
        let (silence, mut tick) = (Silence::default(), 0);
        watch(&silence, &mut tick, 200, |_| Calls { ended: 7, in_flight: 8, waiting: 8, held: false });
        assert!(silence.seconds(1.0) > 15.0);
        assert!(silence.seconds(20.0).abs() < f64::EPSILON);
    }
}
