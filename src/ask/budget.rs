//! The cap on money: reserves and settles the cost of requests.
//!
//! Promise: spent plus reserved money never exceeds the cap. Therefore the provider's bill does not
//! exceed it either, whatever the outcome of the requests.

use super::day_budget::{DayBudget, DayReached, DayRoom};
use crate::insight::Interval;
use crate::model::{LedgerSum, Money};
use jiff::Timestamp;

/// A cap on money, with the amounts spent and reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    cap: Option<Money>,
    /// Money spent by earlier runs; `None` until it has been looked up.
    before: Option<Used>,
    spent: Used,
    reserved: Money,
    /// The first refused request.
    reached: Option<BudgetReached>,
    /// The cap on the money of each day.
    day: Option<DayBudget>,
    /// Why the first request waits for the next day, if it does.
    waits_for_day: Option<DayReached>,
}

/// Money that counts as spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// All of it.
    pub all: Money,
    /// The part that is a maximum, because the cost of requests is uncertain.
    pub uncertain: Money,
}

impl Used {
    /// A cost that is known.
    pub fn known(all: Money) -> Self {
        Self { all, uncertain: Money::ZERO }
    }

    /// Describes the money.
    pub fn describe(self) -> String {
        let Self { all, uncertain } = self;
        if uncertain == Money::ZERO {
            return format!("{all} spent");
        }
        format!("{all} counts as spent ({} billed, and at most {uncertain} for requests of uncertain cost)", all - uncertain)
    }
}

impl From<LedgerSum> for Used {
    fn from(sum: LedgerSum) -> Self {
        Self { all: sum.counted, uncertain: sum.counted - sum.cost.usd.min(sum.counted) }
    }
}

/// The budget has no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {cap} (budget.max_usd) has no room for another request: {}, and the next may cost up to {needed}", .spent.describe())]
pub struct BudgetReached {
    /// The cap.
    pub cap: Money,
    /// Money spent, earlier runs included.
    pub spent: Used,
    /// Maximum cost of the request.
    pub needed: Money,
}

/// The expected cost of the documents that a run has left.
#[derive(Debug, Clone, Copy)]
pub struct CostOfRest {
    /// In US dollars.
    pub cost: Interval,
    /// The maximum cost of its dearest request.
    pub dearest: Money,
    /// The maximum cost of all its requests, in US dollars.
    pub most: f64,
}

/// Which budget has no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    Total(BudgetReached),
    Day(DayReached),
}

/// Text before the suggested cap in [`BudgetReached::message`].
const LARGER: &str = "--max-usd ";

impl BudgetReached {
    /// Says why the run stops, and suggests to run the same command with a larger cap.
    ///
    /// The suggested cap covers the cost of the rest and its dearest request. If they are unknown, the cap
    /// is twice the old one, with room for ten requests.
    pub fn message(&self, rest: Option<CostOfRest>) -> String {
        let (spent, one) = (self.spent.all.usd(), self.needed.usd());
        // If the server reports no usable usage, requests will count with their maximum again.
        let counts_most = self.spent.uncertain > self.spent.all - self.spent.uncertain;
        let rest =
            rest.map(|rest| if counts_most { CostOfRest { cost: Interval { low: rest.most, high: rest.most }, ..rest } } else { rest });
        let cap = match rest {
            None => (2.0 * self.cap.usd()).max(spent + 10.0 * one),
            Some(CostOfRest { cost, dearest, .. }) => spent + cost.high + dearest.usd().max(one),
        };
        // The cap has two significant digits, rounded up.
        let step = 10_f64.powf(cap.log10().floor() - 1.0);
        let decimals = if step < 1.0 { -step.log10().round() } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few digits")]
        let decimals = decimals as usize;
        let rest = rest.map(|rest| rest.cost).filter(|cost| cost.high > 0.0).map_or_else(String::new, |Interval { low, high }| {
            let [low, high] = [low, high].map(|usd| Money::from_usd(usd).to_string());
            match low == high {
                _ if counts_most => format!(" (the rest counts as {high}, because requests without usable usage count with their maximum)"),
                true => format!(" (the rest costs about {high})"),
                false => format!(" (the rest costs about {low} to {high})"),
            }
        });
        let cap = (cap / step).ceil() * step;
        format!("{self}. To continue, run the same command with a larger cap, such as {LARGER}{cap:.decimals$}{rest}")
    }

    /// Says why the run stops if `outer` leaves it less than its own cap.
    pub fn message_of(&self, outer: &OuterCap) -> String {
        let OuterCap { name, leaves, may_grow } = outer;
        let next = if *may_grow {
            "The run goes on when others have given money back".to_owned()
        } else {
            format!("To continue, raise {name}, then resume the run")
        };
        // The run itself knows only the part that it has got so far.
        let budget = leaves.unwrap_or(self.cap);
        let (spent, needed) = (self.spent.describe(), self.needed);
        format!(
            "the budget of {budget} is what {name} leaves. It has no room for another request: {spent}, and the next may cost up to \
             {needed}. {next}"
        )
    }
}

/// A cap of the caller of a run that leaves it less than its own cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OuterCap {
    /// The cap in words: `the cap of $5 of key ci`.
    pub name: String,
    /// What it leaves the run, with what the run has spent; `None` if that is unknown.
    pub leaves: Option<Money>,
    /// Whether other runs may give money back.
    pub may_grow: bool,
}

/// Extracts the suggested cap from a stop reason made by [`BudgetReached::message`].
pub fn larger_cap(reason: &str) -> Option<&str> {
    reason.split_once(LARGER)?.1.split_whitespace().next()
}

impl Budget {
    /// Creates a budget, unlimited without `cap`.
    ///
    /// `before` is the money spent by earlier runs, if known.
    pub fn new(cap: Option<Money>, before: Option<Used>) -> Self {
        Self { cap, before, ..Self::default() }
    }

    /// Adds a cap on the money of each day.
    #[must_use]
    pub fn with_day(self, day: Option<DayBudget>) -> Self {
        Self { day, ..self }
    }

    /// Why requests wait for the next day, if they do.
    pub(super) fn over_day(&self) -> Option<DayReached> {
        self.waits_for_day
    }

    /// Whether there is a cap on the money of each day.
    pub(super) fn has_day(&self) -> bool {
        self.day.is_some()
    }

    /// Changes the cap on the money of each day. `new` applies if there was none.
    pub(super) fn set_day(&mut self, cap: Option<Money>, new: Option<DayBudget>) {
        self.day = cap.and_then(|cap| Some(self.day.or(new)?.with_cap(cap)));
        self.waits_for_day = None;
    }

    /// Changes the cap. Amounts spent and reserved stay, even if they exceed it.
    pub(super) fn set_cap(&mut self, cap: Option<Money>, before: Option<Used>) {
        (self.cap, self.before, self.reached) = (cap, self.before.or(before), None);
    }

    /// Raises the cap, if there is one.
    pub(super) fn raise_cap(&mut self, cap: Money) {
        self.cap = self.cap.map(|own| own.max(cap));
    }

    /// What counts as spent, and what is reserved.
    pub(super) fn position(&self) -> (Money, Money) {
        (self.total().all, self.reserved)
    }

    /// The sum that a request with maximum cost `at_most` needs of a purse. An unknown cost needs more
    /// than any purse has.
    pub(super) fn needs(&self, at_most: Option<Money>) -> Money {
        self.total().all + self.reserved + at_most.unwrap_or(Money::MAX)
    }

    /// The cap that a request with maximum cost `at_most` needs, if that is more than the cap.
    pub(super) fn lacks(&self, at_most: Option<Money>) -> Option<Money> {
        let needed = self.total().all + self.reserved + self.bound(at_most);
        self.cap.filter(|cap| needed > *cap).map(|_| needed)
    }

    pub(super) fn knows_earlier_runs(&self) -> bool {
        self.before.is_some()
    }

    /// The cap and the money spent, earlier runs included.
    ///
    /// `None` without a cap.
    pub(super) fn used(&self) -> Option<(Money, Money)> {
        self.cap.map(|cap| (cap, self.total().all))
    }

    /// What the cap has left, without what is spent and reserved.
    pub(super) fn left(&self) -> Option<Money> {
        self.cap.map(|cap| Money::from_pico(cap.pico().saturating_sub((self.total().all + self.reserved).pico())))
    }

    /// The request for which there was no room.
    pub(super) fn reached(&self) -> Option<BudgetReached> {
        self.reached
    }

    fn total(&self) -> Used {
        let before = self.before.unwrap_or_default();
        Used { all: before.all + self.spent.all, uncertain: before.uncertain + self.spent.uncertain }
    }

    /// The amount to reserve for a request with maximum cost `at_most`.
    ///
    /// If the maximum is unknown and a cap is set, the amount is [`Money::MAX`]. Then the request
    /// is refused. A run with a cap needs known prices, see `setup::assemble`.
    fn bound(&self, at_most: Option<Money>) -> Money {
        at_most.unwrap_or(if self.cap.is_some() || self.day.is_some() { Money::MAX } else { Money::ZERO })
    }

    /// Reserves the maximum cost of a request if there is room.
    pub(super) fn reserve(&mut self, at_most: Option<Money>) -> Result<DayRoom, NoRoom> {
        let needed = self.bound(at_most);
        let room = self.day.as_mut().map_or(Ok(DayRoom::Now), |day| day.room(self.reserved, needed, Timestamp::now()));
        let waits = matches!(room, Ok(DayRoom::Tomorrow(_)));
        self.waits_for_day = self.day.filter(|_| waits).map(|day| day.reached(needed));
        match room.map_err(NoRoom::Day)? {
            DayRoom::Now => {}
            later => return Ok(later),
        }
        if let Some(cap) = self.cap.filter(|cap| self.total().all + self.reserved + needed > *cap) {
            if self.reserved > Money::ZERO {
                return Ok(DayRoom::AfterOthers);
            }
            return Err(NoRoom::Total(*self.reached.get_or_insert(BudgetReached { cap, spent: self.total(), needed })));
        }
        self.reserved += needed;
        Ok(DayRoom::Now)
    }

    /// Replaces a reservation by the cost of the request.
    ///
    /// If the cost is unknown, the whole reservation counts as spent.
    pub(super) fn settle(&mut self, at_most: Option<Money>, cost: Option<Money>) {
        let reserved = self.bound(at_most);
        self.reserved = self.reserved - reserved;
        let counted = cost.unwrap_or(reserved);
        self.spent.all += counted;
        self.day.iter_mut().for_each(|day| day.settle(counted, Timestamp::now()));
        self.spent.uncertain += if cost.is_some() { Money::ZERO } else { reserved };
    }
}
