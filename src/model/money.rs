//! Money as integers, so that sums over a million calls stay exact.

use super::counted;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

const PICO_PER_DOLLAR: f64 = 1e12;

/// US dollars, counted in trillionths (10^-12). A token of the cheapest model costs 10,000 of them.
/// The largest amount is about 9 million dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The largest amount: the largest integer that SQLite stores.
    pub const MAX: Self = Self(i64::MAX as u64);

    const fn bounded(pico: u64) -> Self {
        if pico > Self::MAX.0 { Self::MAX } else { Self(pico) }
    }

    /// From trillionths of a dollar.
    pub const fn from_pico(pico: u64) -> Self {
        Self::bounded(pico)
    }

    /// Cost of `tokens`. The price is in millionths of a dollar per million tokens: 100,000 for
    /// $0.10.
    pub const fn of_tokens(tokens: u64, micro_usd_per_million: u64) -> Self {
        Self::bounded(tokens.saturating_mul(micro_usd_per_million))
    }

    /// From dollars, as in result files.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "conversion to integers saturates")]
    pub fn from_usd(usd: f64) -> Self {
        Self::bounded((usd * PICO_PER_DOLLAR).round() as u64)
    }

    /// In dollars, for result files and reports. The value is exact to far below a cent.
    pub fn usd(self) -> f64 {
        self.0 as f64 / PICO_PER_DOLLAR
    }

    /// In trillionths of a dollar.
    pub const fn pico(self) -> u64 {
        self.0
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::bounded(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.usd() {
            0.0 => 0,
            usd if usd < 1.0 => 6,
            _ => 2,
        };
        write!(f, "${:.digits$}", self.usd())
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.usd())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = f64::deserialize(deserializer)?;
        Ok(Self::from_usd(usd))
    }
}

/// A sum in which some calls may have no known price. An unknown price never counts as zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// Sum of the priced calls.
    pub usd: Money,
    /// Number of calls without a known price.
    pub unpriced_calls: u64,
}

impl Bill {
    /// Adds one call.
    pub fn add(&mut self, cost: Option<Money>) {
        match cost {
            Some(cost) => self.usd += cost,
            None => self.unpriced_calls += 1,
        }
    }

    /// The sum, if every call has a price.
    pub fn exact(self) -> Option<Money> {
        (self.unpriced_calls == 0).then_some(self.usd)
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unpriced_calls {
            0 => write!(f, "{}", self.usd),
            n => write!(f, "{} + {} of unknown cost", self.usd, counted(n, "call")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_tokens_at_ten_cents_cost_ten_cents() {
        assert_eq!(Money::of_tokens(1_000_000, 100_000).to_string(), "$0.100000");
    }

    #[test]
    fn an_unpriced_call_makes_the_sum_inexact() {
        let mut bill = Bill::default();
        bill.add(Some(Money::of_tokens(1000, 500_000)));
        assert_eq!(bill.exact(), Some(Money::from_pico(500_000_000)));
        bill.add(None);
        assert_eq!(bill.exact(), None);
        assert_eq!(bill.to_string(), "$0.000500 + 1 call of unknown cost");
    }
}
