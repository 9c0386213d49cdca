//! The bill of a request.
//!
//! Amounts are integers, so that sums stay exact. Only prices are rounded, to a millionth of a
//! dollar per million tokens.

use super::scenario::Prices;
use crate::model::Money;
use std::ops::AddAssign;

/// Tokens by price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) fresh: u64,
    pub(super) cache_read: u64,
    pub(super) cache_write: u64,
    pub(super) output: u64,
}

impl Tokens {
    /// All input tokens.
    pub(super) fn input(self) -> u64 {
        self.fresh + self.cache_read + self.cache_write
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.fresh += other.fresh;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.output += other.output;
    }
}

/// The prices of a scenario, in millionths of a dollar per million tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates([u64; 4]);

impl Rates {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scenarios are checked: prices are from 0 to 10^9")]
    pub(super) fn of(prices: &Prices) -> Self {
        Self([prices.input, prices.cache_read, prices.cache_write, prices.output].map(|usd| (usd * 1e6).round() as u64))
    }

    pub(super) fn cost(self, tokens: Tokens) -> Money {
        let counts = [tokens.fresh, tokens.cache_read, tokens.cache_write, tokens.output];
        counts.into_iter().zip(self.0).map(|(count, rate)| Money::of_tokens(count, rate)).sum()
    }
}
