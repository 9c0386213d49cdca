//! Tells random refusals from those of a rate limit.
//!
//! A limit accepts the same number of requests a second however fast they are sent; a server that
//! refuses at random accepts more. After some refusals the governor therefore probes with a higher
//! rate. If more requests are answered than the limit could accept, refusals count as random until
//! a large share of requests is refused.

use serde::{Deserialize, Serialize};

/// Whether refusals come by chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RandomRefusals {
    /// Refusals since the last trial, and how many lead to the next one.
    refusals: u32,
    next: u32,
    trial: Option<Trial>,
    /// The share of recent requests that were refused by chance; `None` while that is not believed.
    share: Option<f64>,
}

/// Asking faster than was learned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Trial {
    /// Since when: the provider's bucket was empty then, if there is one.
    from: f64,
    /// What was learned, in requests a second.
    per_second: f64,
    answered: f64,
    refusals: u32,
}

/// Refusals before the first trial.
const FIRST: u32 = 6;
/// So many more refusals before each further trial.
const MORE: u32 = 2;
/// How much faster than was learned.
const FASTER: f64 = 5.0;
/// A trial is won with so many answers more than a limit could have let through, and lost with so many refusals.
const WON: f64 = 5.0;
const LOST: u32 = 2;
/// A larger share of refusals than this is no chance. Of so many recent requests.
const TOO_MANY: f64 = 0.25;
const RECENT: f64 = 32.0;

impl RandomRefusals {
    pub fn new() -> Self {
        Self { refusals: 0, next: FIRST, trial: None, share: None }
    }

    /// A request that was sent at `sent_at` was answered. Whether that shows that there is no such limit as was learned.
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

    /// Whether a refusal is taken for chance.
    pub fn takes(&mut self) -> bool {
        let Some(share) = &mut self.share else { return false };
        *share += (1.0 - *share) / RECENT;
        let believed = *share <= TOO_MANY;
        if !believed {
            self.share = None;
        }
        believed
    }

    /// A refusal has taught this many requests a second. How many are to be tried.
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
        // Ten a second, which were gathering for five seconds.
        assert!((0..50).all(|_| !chance.answered(105.0, 105.0)));
        assert_eq!([0; 2].map(|_| chance.refused(10.0, 105.0) > 49.0), [true, false]);
        // The next trial needs more refusals.
        assert!((1..FIRST + MORE).all(|_| chance.refused(10.0, 110.0) < 11.0));
        assert!(chance.refused(10.0, 110.0) > 49.0);
    }

    #[test]
    fn more_than_a_limit_lets_through_is_none_until_too_many_are_refused() {
        let mut chance = on_trial();
        // What was sent before says nothing.
        assert!(!chance.takes() && (0..100).all(|_| !chance.answered(99.0, 101.0)));
        assert_eq!((0..100).position(|_| chance.answered(101.0, 101.0)), Some(14));
        // One in ten for as long as you like.
        assert!((0..1000).all(|n| if n % 10 == 0 { chance.takes() } else { !chance.answered(102.0, 102.0) }));
        assert!((0..100).any(|_| !chance.takes()));
    }
}
