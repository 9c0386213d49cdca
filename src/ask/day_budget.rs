//! The cap on the money of one day. Days are those of UTC.

use crate::model::Money;
use jiff::Timestamp;
use std::time::Duration;

const DAY_S: i64 = 24 * 60 * 60;

/// A cap on the money of each day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayBudget {
    cap: Money,
    /// The day to which `spent` belongs, counted from 1970.
    day: i64,
    /// Money spent on that day, earlier runs included.
    spent: Money,
    /// Whether requests wait for the next day. Otherwise the run stops.
    waits: bool,
    /// Whether the cap was changed during the run.
    is_changed: bool,
}

/// The budget of the day has no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct DayReached {
    cap: Money,
    spent: Money,
    needed: Money,
}

impl DayReached {
    /// Says why requests wait for the next day.
    pub fn waiting(self) -> String {
        if self.is_too_small() {
            return format!("{}. docmill sends nothing until you raise the budget", self.too_small());
        }
        format!("{}. docmill sends nothing until 00:00 UTC, or until you raise the budget", self.no_room())
    }

    fn no_room(self) -> String {
        let Self { cap, spent, needed } = self;
        format!(
            "today's budget of {cap} (budget.max_usd_per_day) has no room for another request: {spent} spent since 00:00 UTC, and the \
             next may cost up to {needed}"
        )
    }

    fn message(self) -> String {
        if self.is_too_small() {
            return format!("{}. Raise the budget, or lower the limit of output tokens", self.too_small());
        }
        format!("{}. Run the same command again tomorrow, or raise the budget", self.no_room())
    }

    fn is_too_small(self) -> bool {
        self.needed > self.cap
    }

    fn too_small(self) -> String {
        let Self { cap, needed, .. } = self;
        format!("the budget of {cap} for each day (budget.max_usd_per_day) is smaller than one request, which may cost up to {needed}")
    }
}

/// Whether the budget of a day has room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayRoom {
    Now,
    /// After the requests in flight, whose cost may be lower than reserved.
    AfterOthers,
    /// On the next day, which begins after this time.
    Tomorrow(Duration),
}

impl DayBudget {
    /// A cap with the money spent on the day of `now`.
    pub fn new(cap: Money, spent: Money, waits: bool, now: Timestamp) -> Self {
        Self { cap, day: day_of(now), spent, waits, is_changed: false }
    }

    /// The first moment of the day of `now`, in milliseconds since 1970.
    pub fn begin_of_day_ms(now: Timestamp) -> i64 {
        day_of(now) * DAY_S * 1000
    }

    /// The same money spent, with a cap that was changed during the run.
    #[must_use]
    pub(super) fn with_cap(self, cap: Money) -> Self {
        Self { cap, is_changed: true, ..self }
    }

    /// Why a request that may cost `needed` has no room.
    pub(super) fn reached(&self, needed: Money) -> DayReached {
        DayReached { cap: self.cap, spent: self.spent, needed }
    }

    /// Whether there is room for a request that may cost `needed`, beside `reserved` money.
    pub(super) fn room(&mut self, reserved: Money, needed: Money, now: Timestamp) -> Result<DayRoom, DayReached> {
        self.begin(now);
        let is_full = |spent: Money| spent + reserved + needed > self.cap;
        if !is_full(self.spent) {
            return Ok(DayRoom::Now);
        }
        if reserved > Money::ZERO {
            return Ok(DayRoom::AfterOthers);
        }
        // A request that is too large for a whole day would wait for ever. A user who changed
        // the cap during the run can raise it again.
        if !self.waits || (is_full(Money::ZERO) && !self.is_changed) {
            return Err(self.reached(needed));
        }
        let left = (self.day + 1) * DAY_S - now.as_second();
        Ok(DayRoom::Tomorrow(Duration::from_secs(u64::try_from(left).unwrap_or(1).max(1))))
    }

    /// Counts the cost of a request on the day on which it ended.
    pub(super) fn settle(&mut self, cost: Money, now: Timestamp) {
        self.begin(now);
        self.spent += cost;
    }

    fn begin(&mut self, now: Timestamp) {
        let day = day_of(now);
        // A clock that is set back does not bring the money back.
        if day > self.day {
            (self.day, self.spent) = (day, Money::ZERO);
        }
    }
}

fn day_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(DAY_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_day_without_room_waits_for_the_next_one() {
        let usd = Money::from_usd;
        let noon = at("2026-11-30T12:00:00Z");
        assert_eq!(DayBudget::begin_of_day_ms(noon), at("2026-11-30T00:00:00Z").as_millisecond());
        let mut day = DayBudget::new(usd(10.0), usd(4.0), true, noon);
        assert_eq!(day.room(Money::ZERO, usd(6.0), noon), Ok(DayRoom::Now));
        day.settle(usd(3.0), noon);
        assert_eq!(day.room(usd(2.0), usd(2.0), noon), Ok(DayRoom::AfterOthers));
        let evening = at("2026-11-30T23:59:00Z");
        assert_eq!(day.room(Money::ZERO, usd(4.0), evening), Ok(DayRoom::Tomorrow(Duration::from_mins(1))));
        let morning = at("2026-12-01T00:00:00Z");
        assert_eq!(day.room(Money::ZERO, usd(4.0), morning), Ok(DayRoom::Now));
        // The clock was set back.
        day.settle(usd(9.0), evening);
        assert_eq!(day.room(Money::ZERO, usd(4.0), evening), Ok(DayRoom::Tomorrow(Duration::from_mins(24 * 60 + 1))));
    }

    #[test]
    fn a_run_stops_instead_and_so_does_a_request_that_no_day_has_room_for() {
        let (usd, now) = (Money::from_usd, at("2026-11-30T12:00:00Z"));
        let full = |waits, needed| DayBudget::new(usd(1.0), usd(1.0), waits, now).room(Money::ZERO, usd(needed), now);
        assert!(full(false, 0.5).is_err() && full(true, 2.0).is_err() && full(true, 0.5).is_ok());
        let changed = DayBudget::new(usd(9.0), usd(1.0), true, now).with_cap(usd(0.1)).room(Money::ZERO, usd(0.5), now);
        assert!(matches!(changed, Ok(DayRoom::Tomorrow(_))), "the cap was changed during the run: {changed:?}");
        let waiting = DayBudget::new(usd(0.1), usd(1.0), true, now).reached(usd(0.5)).waiting();
        assert!(waiting.contains("smaller than one request") && waiting.ends_with("until you raise the budget"), "{waiting}");
        let says = |needed, text: &str| full(false, needed).unwrap_err().to_string().contains(text);
        assert!(says(0.5, "again tomorrow") && says(2.0, "smaller than one request") && !says(2.0, "tomorrow"));
    }
}
