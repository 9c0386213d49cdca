//! The money that may be spent: reserved before a request leaves, settled when it has ended.
//!
//! Promises: what is spent and what is reserved never exceed the cap together, so what the provider bills does not
//! either, whatever becomes of the requests.

use crate::model::Money;

/// A cap on money, and what is used of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    cap: Option<Money>,
    /// What earlier runs have spent; `None` as long as nobody has wanted to know.
    before: Option<Money>,
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
    /// A cap, of which earlier runs have used `before`, if that is known. `None` is no cap.
    pub fn new(cap: Option<Money>, before: Option<Money>) -> Self {
        Self { cap, before, spent: Money::ZERO, reserved: Money::ZERO }
    }

    /// Another cap. What is spent and reserved stays so, also above it.
    pub(super) fn set_cap(&mut self, cap: Option<Money>, before: Option<Money>) {
        (self.cap, self.before) = (cap, self.before.or(before));
    }

    pub(super) fn knows_earlier_runs(&self) -> bool {
        self.before.is_some()
    }

    /// The cap, and what is spent of it.
    pub(super) fn used(&self) -> Option<(Money, Money)> {
        self.cap.map(|cap| (cap, self.total()))
    }

    fn total(&self) -> Money {
        self.before.unwrap_or_default() + self.spent
    }

    /// Without a known price there is no bound. A cap is not taken then, see `cli::assemble`.
    fn bound(&self, at_most: Option<Money>) -> Money {
        at_most.unwrap_or(if self.cap.is_some() { Money::MAX } else { Money::ZERO })
    }

    /// Reserves what a request may cost. `Ok(false)`: not now, but perhaps when others have been settled.
    pub(super) fn reserve(&mut self, at_most: Option<Money>) -> Result<bool, BudgetReached> {
        let needed = self.bound(at_most);
        if let Some(cap) = self.cap.filter(|cap| self.total() + self.reserved + needed > *cap) {
            return if self.reserved == Money::ZERO { Err(BudgetReached { cap, spent: self.total(), needed }) } else { Ok(false) };
        }
        self.reserved += needed;
        Ok(true)
    }

    /// A request ended and cost so much; `None`: it may have cost all that was reserved.
    pub(super) fn settle(&mut self, at_most: Option<Money>, cost: Option<Money>) {
        let reserved = self.bound(at_most);
        self.reserved = self.reserved - reserved;
        self.spent += cost.unwrap_or(reserved);
    }
}
