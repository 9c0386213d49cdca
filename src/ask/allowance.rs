//! Money that a run gets in shares.
//!
//! Runs and requests of several clients may spend under one cap. Each run then holds a share of it,
//! and asks for more when a request has no room.

use crate::model::Money;
use tokio::sync::watch;

/// The shares of one run.
#[derive(Debug)]
pub struct Allowance {
    granted: watch::Sender<Granted>,
    /// The cap that the next request needs; zero until one needs more than was granted.
    wanted: watch::Sender<Money>,
}

/// What the run may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    /// The cap, with what earlier runs in the same directory have spent.
    pub cap: Money,
    /// A larger cap that was refused.
    refused: Option<Money>,
}

impl Allowance {
    /// Begins with this cap.
    pub fn new(cap: Money) -> Self {
        Self { granted: watch::Sender::new(Granted { cap, refused: None }), wanted: watch::Sender::new(Money::ZERO) }
    }

    /// Raises the cap. Requests that wait for it try again.
    pub fn grant(&self, cap: Money) {
        self.granted.send_modify(|granted| *granted = Granted { cap: granted.cap.max(cap), refused: None });
    }

    /// Refuses a cap. The request waits until others of the run have ended and it needs less. Without
    /// other requests, the run stops.
    pub fn refuse(&self, cap: Money) {
        self.granted.send_modify(|granted| granted.refused = Some(cap));
    }

    /// Waits until a request needs a larger cap. Returns the cap that it needs.
    pub async fn wanted(&self) -> Money {
        let mut wanted = self.wanted.subscribe();
        let needed = wanted.wait_for(|wanted| self.granted.borrow().may_become(*wanted)).await;
        // The sender belongs to `self`, so it is never closed.
        needed.map_or(Money::ZERO, |needed| *needed)
    }

    /// Asks for a larger cap. Returns whether an answer follows.
    pub(super) fn ask(&self, cap: Money) -> bool {
        let follows = self.granted.borrow().may_become(cap);
        if follows {
            self.wanted.send_replace(cap);
        }
        follows
    }

    /// The cap so far.
    pub(super) fn granted(&self) -> Money {
        self.granted.borrow().cap
    }

    /// What was granted, and what follows.
    pub(super) fn grants(&self) -> watch::Receiver<Granted> {
        self.granted.subscribe()
    }
}

impl Granted {
    /// Whether `cap` is more than was granted, and less than was refused.
    fn may_become(self, cap: Money) -> bool {
        cap > self.cap && self.refused.is_none_or(|refused| cap < refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_smaller_share_may_follow_a_refused_one() {
        let usd = Money::from_usd;
        let allowance = Allowance::new(usd(1.0));
        assert!(allowance.ask(usd(5.0)) && allowance.wanted().await == usd(5.0));
        allowance.refuse(usd(5.0));
        assert!(!allowance.ask(usd(5.0)) && !allowance.ask(usd(6.0)));
        assert!(allowance.ask(usd(2.0)) && allowance.wanted().await == usd(2.0));
        allowance.grant(usd(3.0));
        assert_eq!(allowance.granted(), usd(3.0));
        assert!(allowance.ask(usd(5.0)), "another request has ended meanwhile");
    }
}
