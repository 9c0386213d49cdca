//! The cap on money: reserves and settles the cost of requests.
//!
//! Promise: spent plus reserved money never exceeds the cap. Therefore the provider's bill does not
//! exceed it either, whatever the outcome of the requests.

use crate::model::Money;

/// A cap on money, with the amounts spent and reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    cap: Option<Money>,
    /// Money spent by earlier runs; `None` until it has been looked up.
    before: Option<Money>,
    spent: Money,
    reserved: Money,
}

/// The budget has no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {cap} (budget.max_usd) has no room for another request: {spent} spent, and the next may cost up to {needed}")]
pub struct BudgetReached {
    /// The cap.
    pub cap: Money,
    /// Money spent, earlier runs included.
    pub spent: Money,
    /// Maximum cost of the request.
    pub needed: Money,
}

/// Text before the suggested cap in [`BudgetReached::advice`].
const LARGER: &str = "--max-usd ";

impl BudgetReached {
    /// Suggests to run the same command with a larger cap.
    ///
    /// The cap is twice the old one, and at least the spent money plus ten requests.
    pub fn advice(&self) -> String {
        let cap = (self.cap.usd() * 2.0).max(self.spent.usd() + 10.0 * self.needed.usd());
        // The cap has two significant digits, rounded up.
        let step = 10_f64.powf(cap.log10().floor() - 1.0);
        let decimals = if step < 1.0 { -step.log10().round() } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few digits")]
        let decimals = decimals as usize;
        format!("run the same command with a larger cap, such as {LARGER}{:.decimals$}", (cap / step).ceil() * step)
    }
}

/// Extracts the suggested cap from a stop reason made by [`BudgetReached::advice`].
pub fn larger_cap(reason: &str) -> Option<&str> {
    reason.split_once(LARGER)?.1.split_whitespace().next()
}

impl Budget {
    /// Creates a budget, unlimited without `cap`.
    ///
    /// `before` is the money spent by earlier runs, if known.
    pub fn new(cap: Option<Money>, before: Option<Money>) -> Self {
        Self { cap, before, spent: Money::ZERO, reserved: Money::ZERO }
    }

    /// Changes the cap. Amounts spent and reserved stay, even if they exceed it.
    pub(super) fn set_cap(&mut self, cap: Option<Money>, before: Option<Money>) {
        (self.cap, self.before) = (cap, self.before.or(before));
    }

    pub(super) fn knows_earlier_runs(&self) -> bool {
        self.before.is_some()
    }

    /// The cap and the money spent, earlier runs included.
    ///
    /// `None` without a cap.
    pub(super) fn used(&self) -> Option<(Money, Money)> {
        self.cap.map(|cap| (cap, self.total()))
    }

    fn total(&self) -> Money {
        self.before.unwrap_or_default() + self.spent
    }

    /// The amount to reserve for a request with maximum cost `at_most`.
    ///
    /// If the maximum is unknown and a cap is set, the amount is [`Money::MAX`]. Then the request
    /// is refused. A run with a cap needs known prices, see `setup::assemble`.
    fn bound(&self, at_most: Option<Money>) -> Money {
        at_most.unwrap_or(if self.cap.is_some() { Money::MAX } else { Money::ZERO })
    }

    /// Reserves the maximum cost of a request.
    ///
    /// `Ok(false)` means that the caller should try again when another request is settled.
    pub(super) fn reserve(&mut self, at_most: Option<Money>) -> Result<bool, BudgetReached> {
        let needed = self.bound(at_most);
        if let Some(cap) = self.cap.filter(|cap| self.total() + self.reserved + needed > *cap) {
            return if self.reserved == Money::ZERO { Err(BudgetReached { cap, spent: self.total(), needed }) } else { Ok(false) };
        }
        self.reserved += needed;
        Ok(true)
    }

    /// Replaces a reservation by the cost of the request.
    ///
    /// If the cost is unknown, the whole reservation counts as spent.
    pub(super) fn settle(&mut self, at_most: Option<Money>, cost: Option<Money>) {
        let reserved = self.bound(at_most);
        self.reserved = self.reserved - reserved;
        self.spent += cost.unwrap_or(reserved);
    }
}
