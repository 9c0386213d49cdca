//! Distinguishes random refusals from those of a rate limit.
//!
//! A rate limit accepts the same number of requests a second at any sending rate. A server that
//! refuses at random accepts more at a higher rate. Therefore, after some refusals, the governor
//! probes with a higher rate. If more requests are answered than the limit allows, refusals count
//! as random until their share grows too large.

use serde::{Deserialize, Serialize};

/// The search for refusals at random, and its result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RandomRefusals {
    /// Refusals since the last trial, and the number that starts the next one.
    refusals: u32,
    next: u32,
    trial: Option<Trial>,
    /// Share of recent requests that were refused; `None` while refusals do not count as random.
    share: Option<f64>,
}

/// A trial: the governor sends faster than the learned rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Trial {
    /// Start of the trial. A bucket of the provider is empty at this time.
    from: f64,
    /// The learned rate, in requests a second.
    per_second: f64,
    answered: f64,
    refusals: u32,
}

/// Refusals before the first trial.
const FIRST: u32 = 6;
/// Additional refusals before each further trial.
const MORE: u32 = 2;
/// Rate of a trial, as a multiple of the learned rate.
const FASTER: f64 = 5.0;
/// Answers beyond those that a limit could accept, after which refusals count as random.
const WON: f64 = 5.0;
/// Refusals that end a trial without a result.
const LOST: u32 = 2;
/// Share of refusals above which they no longer count as random.
const TOO_MANY: f64 = 0.25;
/// Number of recent requests in the share.
const RECENT: f64 = 32.0;

impl RandomRefusals {
    pub fn new() -> Self {
        Self { refusals: 0, next: FIRST, trial: None, share: None }
    }

    /// Records an answer. Returns whether it disproves the learned limit.
    pub fn answered(&mut self, sent_at: f64, now: f64) -> bool {
        if let Some(share) = &mut self.share {
            *share -= *share / RECENT;
        }
        let Some(trial) = self.trial.as_mut().filter(|trial| sent_at >= trial.from) else { return false };
        trial.answered += 1.0;
        let won = trial.answered - trial.per_second * (now - trial.from) >= WON;
        if won {
            *self = Self { share: Some(0.0), ..Self::new() };
        }
        won
    }

    /// Records a refusal. Returns whether it counts as random.
    pub fn takes(&mut self) -> bool {
        let Some(share) = &mut self.share else { return false };
        *share += (1.0 - *share) / RECENT;
        let believed = *share <= TOO_MANY;
        if !believed {
            self.share = None;
        }
        believed
    }

    /// Records a refusal that gives the rate `per_second`. Returns the rate to use.
    pub fn refused(&mut self, per_second: f64, now: f64) -> f64 {
        self.refusals += 1;
        if let Some(trial) = &mut self.trial {
            trial.refusals += 1;
            if trial.refusals < LOST {
                return trial.per_second * FASTER;
            }
            (self.trial, self.refusals, self.next) = (None, 0, self.next.saturating_add(MORE));
        } else if self.refusals >= self.next {
            self.trial = Some(Trial { from: now, per_second, answered: 0.0, refusals: 0 });
            return per_second * FASTER;
        }
        per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_trial() -> RandomRefusals {
        let mut chance = RandomRefusals::new();
        assert!((1..FIRST).all(|_| chance.refused(10.0, 100.0) < 11.0));
        assert!(chance.refused(10.0, 100.0) > 49.0);
        chance
    }

    #[test]
    fn a_limit_lets_no_more_through_however_fast_one_asks() {
        let mut chance = on_trial();
        // Ten a second, gathered for five seconds.
        assert!((0..50).all(|_| !chance.answered(105.0, 105.0)));
        assert_eq!([0; 2].map(|_| chance.refused(10.0, 105.0) > 49.0), [true, false]);
        // The next trial starts after more refusals.
        assert!((1..FIRST + MORE).all(|_| chance.refused(10.0, 110.0) < 11.0));
        assert!(chance.refused(10.0, 110.0) > 49.0);
    }

    #[test]
    fn more_than_a_limit_lets_through_is_none_until_too_many_are_refused() {
        let mut chance = on_trial();
        // Requests sent before the trial do not count.
        assert!(!chance.takes() && (0..100).all(|_| !chance.answered(99.0, 101.0)));
        assert_eq!((0..100).position(|_| chance.answered(101.0, 101.0)), Some(14));
        // One refusal in ten requests, for any time.
        assert!((0..1000).all(|n| if n % 10 == 0 { chance.takes() } else { !chance.answered(102.0, 102.0) }));
        assert!((0..100).any(|_| !chance.takes()));
    }
}
