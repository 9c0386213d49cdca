//! The money that may be spent: reserved before a request leaves, settled when it has ended.
//!
//! Promises: what is spent and what is reserved never exceed the cap together, so what the provider bills does not
//! either, whatever becomes of the requests.

use crate::model::Money;

/// A cap on money, and what is used of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    cap: Option<Money>,
    spent: Money,
    reserved: Money,
}

/// There is no money for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {cap} (budget.max_usd) has no room for another request: {spent} are spent and the next one may cost up to {needed}")]
pub struct BudgetReached {
    /// The cap.
    pub cap: Money,
    /// What was spent, earlier runs included.
    pub spent: Money,
    /// What the request may cost.
    pub needed: Money,
}

impl Budget {
    /// A cap, of which `spent` is used already. `None` is no cap.
    pub fn new(cap: Option<Money>, spent: Money) -> Self {
        Self { cap, spent, reserved: Money::ZERO }
    }

    /// Reserves what a request may cost. `Ok(false)`: not now, but perhaps when others have been settled.
    pub(super) fn reserve(&mut self, at_most: Option<Money>) -> Result<bool, BudgetReached> {
        let Some(cap) = self.cap else { return Ok(true) };
        // Without a known price there is no bound, and a run with a cap does not begin; see `cli::run`.
        let needed = at_most.unwrap_or(Money::MAX);
        if self.spent + self.reserved + needed <= cap {
            self.reserved += needed;
            return Ok(true);
        }
        if self.reserved == Money::ZERO { Err(BudgetReached { cap, spent: self.spent, needed }) } else { Ok(false) }
    }

    /// A request ended and cost so much; `None`: it may have cost all that was reserved.
    pub(super) fn settle(&mut self, at_most: Option<Money>, cost: Option<Money>) {
        if self.cap.is_some() {
            let reserved = at_most.unwrap_or(Money::MAX);
            self.reserved = self.reserved - reserved;
            self.spent += cost.unwrap_or(reserved);
        }
    }
}
