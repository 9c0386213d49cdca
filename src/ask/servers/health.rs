//! The state of one of several servers, as the ends of its requests show it.
//!
//! - A server begins on trial: it gets one request at a time until it has answered one.
//! - A lost connection sets it aside at once. So do failures in a row. Probes find out when it is
//!   back (`probe`). It is then on trial again.
//! - A refusal with a wait closes it for that time. Overload and timeouts lower its places; full
//!   rounds without them raise it again.
//! - If it has not answered for much longer than usual, it gets no further requests.
//!
//! The state is pure: the caller passes the time in seconds.

use crate::model::ServerState;

/// What the end of a request shows about its server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::ask) enum Sign {
    /// The server works. The answer may still be unusable.
    Answered,
    /// The server refused because it has too much to do, or named a wait in seconds.
    Busy(Option<f64>),
    /// No answer came in time.
    TimedOut,
    /// The server reported an error of its own, or its answer is not readable.
    Failed,
    /// The connection was refused or broke, or the server cannot do what the job asks for.
    Gone,
    /// Nothing: the request was abandoned.
    Unknown,
}

/// The state of one server.
#[derive(Debug)]
pub(super) struct Health {
    weight: f64,
    /// Maximum requests in flight by the settings.
    limit: usize,
    /// Requests that have a place.
    pub in_flight: usize,
    /// Those that were sent. Others wait for their admission.
    sent: usize,
    is_away: bool,
    is_on_trial: bool,
    /// Whether it has ever answered.
    pub has_answered: bool,
    /// When it last came back. Failures of requests that were sent earlier say nothing new.
    back_at: f64,
    /// Maximum requests in flight as refusals and timeouts have shown.
    ceiling: f64,
    /// When `ceiling` was last lowered. Refusals of requests sent before do not lower it again.
    lowered_at: f64,
    /// Share of recent requests that were refused or timed out.
    refused: f64,
    /// No request is sent before this time.
    opens_at: f64,
    /// Its last answer, or the first request after a time without requests.
    last_sign: f64,
    /// The longest recent answer in seconds.
    longest: f64,
    failures_in_row: u32,
    /// How often it failed on trial, or at a probe, since its last answer.
    setbacks: u32,
    pub requests: u64,
    pub failures: u64,
    pub moved: u64,
}

/// Failures in a row that set a server aside.
const FAILURES: u32 = 3;
const TIMEOUTS: u32 = 2;
const REFUSALS: u32 = 20;
/// Share of refused requests above which the ceiling is lowered.
const OVERLOADED: f64 = 0.2;
/// A server is slow if no answer has come for this multiple of its longest recent answer, and this
/// many seconds more.
const SLOW: f64 = 3.0;
const SLOW_S: f64 = 2.0;
/// Pause after a refusal that names no wait, on trial.
const PAUSE_S: f64 = 0.5;
/// First and longest wait before a probe, in seconds. A server that answers probes and fails at calls
/// waits longer.
const FIRST_PROBE_S: f64 = 0.25;
const PROBE_S: f64 = 1.0;
const LONGEST_S: f64 = 60.0;

impl Health {
    pub fn new(weight: f64, limit: usize, now: f64) -> Self {
        Self {
            weight,
            limit,
            in_flight: 0,
            sent: 0,
            is_away: false,
            is_on_trial: true,
            has_answered: false,
            back_at: f64::MIN,
            ceiling: f64::MAX,
            lowered_at: f64::MIN,
            refused: 0.0,
            opens_at: 0.0,
            last_sign: now,
            longest: 0.0,
            failures_in_row: 0,
            setbacks: 0,
            requests: 0,
            failures: 0,
            moved: 0,
        }
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Maximum requests in flight now.
    pub fn places(&self) -> usize {
        if self.is_on_trial { 1 } else { self.usual_places() }
    }

    /// Maximum requests in flight when the server is not on trial.
    pub fn usual_places(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ceiling is at least one")]
        let ceiling = self.ceiling.min(1e9) as usize;
        self.limit.min(ceiling).max(1)
    }

    /// Whether it gets another request now.
    pub fn has_place(&self, now: f64) -> bool {
        self.in_flight < self.places() && self.state(now).takes_requests()
    }

    /// Requests in flight relative to the weight, with one more.
    pub fn load(&self) -> f64 {
        (self.in_flight + 1) as f64 / self.weight
    }

    /// All requests so far relative to the weight.
    pub fn work(&self) -> f64 {
        self.requests as f64 / self.weight
    }

    pub fn is_away(&self) -> bool {
        self.is_away
    }

    pub fn state(&self, now: f64) -> ServerState {
        match () {
            () if self.is_away => ServerState::Away,
            () if self.opens_at > now => ServerState::Paused,
            () if self.slow_at() <= now => ServerState::Slow,
            () if self.is_on_trial => ServerState::Trial,
            () => ServerState::Up,
        }
    }

    /// When it counts as slow if no answer comes.
    fn slow_at(&self) -> f64 {
        let is_known = self.sent > 0 && self.longest > 0.0;
        if is_known { self.last_sign + SLOW * self.longest + SLOW_S } else { f64::MAX }
    }

    /// The next time at which its state changes without a request.
    pub fn changes_at(&self, now: f64) -> Option<f64> {
        [self.opens_at, self.slow_at()].into_iter().filter(|at| *at > now && *at < f64::MAX).reduce(f64::min)
    }

    /// How long it stays closed; zero if it is open.
    pub fn closed_for(&self, now: f64) -> f64 {
        if self.is_away { f64::MAX } else { (self.opens_at - now).max(0.0) }
    }

    /// Gives a place to a request.
    pub fn begin(&mut self) {
        self.in_flight += 1;
    }

    /// A request with a place is sent now.
    pub fn sent(&mut self, now: f64) {
        if self.sent == 0 {
            self.last_sign = now;
        }
        self.sent += 1;
    }

    /// A request with a place is not sent.
    pub fn not_sent(&mut self) {
        self.in_flight -= 1;
    }

    /// Records the end of a request that was sent at `sent_at`. Returns whether the server is set aside
    /// now.
    pub fn end(&mut self, sign: Sign, sent_at: f64, now: f64) -> bool {
        let was_full = self.in_flight as f64 >= self.ceiling.min(self.limit as f64) - 1.0;
        self.in_flight -= 1;
        self.sent = self.sent.saturating_sub(1);
        if sign == Sign::Unknown {
            return false;
        }
        self.requests += 1;
        let is_refused = matches!(sign, Sign::Busy(_) | Sign::TimedOut);
        self.refused += 0.1 * (f64::from(u8::from(is_refused)) - self.refused);
        if sign == Sign::Answered {
            self.answered(now - sent_at, was_full, now);
            return false;
        }
        self.failures += 1;
        if sent_at < self.back_at {
            return false;
        }
        self.failures_in_row += 1;
        if is_refused {
            self.lower(sent_at, now);
        }
        let most = match sign {
            Sign::Busy(wait) => {
                let pause = wait.or(self.is_on_trial.then_some(PAUSE_S));
                self.opens_at = self.opens_at.max(now + pause.unwrap_or(0.0));
                REFUSALS
            }
            _ if self.is_on_trial => 1,
            Sign::TimedOut => TIMEOUTS,
            Sign::Failed => FAILURES,
            _ => 1,
        };
        let is_new = self.failures_in_row >= most && !self.is_away;
        if is_new {
            self.setbacks += u32::from(self.is_on_trial);
            self.is_away = true;
        }
        is_new
    }

    fn answered(&mut self, seconds: f64, was_full: bool, now: f64) {
        self.has_answered = true;
        // An answer to a request of before says nothing about a server that has gone since.
        if !self.is_away {
            (self.is_on_trial, self.setbacks) = (false, 0);
        }
        self.failures_in_row = 0;
        self.last_sign = now;
        self.longest = seconds.max(0.9 * self.longest);
        if was_full && self.ceiling < f64::MAX {
            self.ceiling += 1.0 / self.ceiling;
            if self.ceiling >= self.limit as f64 {
                self.ceiling = f64::MAX;
            }
        }
    }

    fn lower(&mut self, sent_at: f64, now: f64) {
        if self.refused > OVERLOADED && sent_at > self.lowered_at {
            let in_flight = (self.in_flight + 1) as f64;
            self.ceiling = (0.7 * self.ceiling.min(in_flight)).max(1.0);
            self.lowered_at = now;
        }
    }

    /// Seconds until the next probe, after `probes` failed probes.
    pub fn probe_wait(&self, probes: u32) -> f64 {
        let probing = (FIRST_PROBE_S * f64::from(1_u32 << probes.min(8))).min(PROBE_S);
        let failing = if self.setbacks > 1 { (PROBE_S * f64::from(1_u32 << self.setbacks.min(8))).min(LONGEST_S) } else { 0.0 };
        probing.max(failing)
    }

    /// Whether it has failed on trial more than once since its last answer.
    pub fn is_known_bad(&self) -> bool {
        self.setbacks > 1
    }

    /// A probe was answered: the server is on trial.
    pub fn back(&mut self, now: f64) {
        (self.is_away, self.is_on_trial, self.back_at) = (false, true, now);
        (self.failures_in_row, self.opens_at, self.refused) = (0, 0.0, 0.0);
    }
}
