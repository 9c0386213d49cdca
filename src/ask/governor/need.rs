//! The amounts that a request takes from the limits of its account.

use super::super::dialect::{Dialect, Expected, LimitKind};
use crate::model::Usage;
use serde::{Deserialize, Serialize};

/// One number for each [`LimitKind`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Amounts([f64; 4]);

pub(super) const LIMIT_KINDS: [LimitKind; 4] = [LimitKind::Requests, LimitKind::InputTokens, LimitKind::OutputTokens, LimitKind::Tokens];

impl From<[f64; 4]> for Amounts {
    fn from(amounts: [f64; 4]) -> Self {
        Self(amounts)
    }
}

impl Amounts {
    pub fn of(&self, meter: LimitKind) -> f64 {
        self.0[meter as usize]
    }

    /// The amounts that count when a request is sent. Output is not included.
    pub fn when_sent(&self) -> Self {
        let mut amounts = *self;
        amounts.0[LimitKind::OutputTokens as usize] = 0.0;
        amounts
    }

    /// Raises each amount to that of `other` if the latter is larger.
    pub fn raise(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine = mine.max(other);
        }
    }

    pub fn add(&mut self, other: &Self, times: f64) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine += times * other;
        }
    }
}

/// The expected usage of one request.
///
/// Providers differ in the amounts that they count at arrival and correct afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// Estimated input tokens, images included.
    pub input: f64,
    /// Estimated image tokens.
    pub images: f64,
    /// Expected output tokens.
    pub output: f64,
    /// Maximum output tokens.
    pub max_output: f64,
    /// Wire format. The rules of its provider apply.
    pub dialect: Dialect,
}

impl Need {
    /// The amounts that the provider counts when the request arrives.
    pub(super) fn amounts(&self) -> Amounts {
        let expected = Expected { input: self.input, output: self.output, max_output: self.max_output };
        let tokens = (self.dialect.limits.reserved)(expected);
        Amounts([1.0, self.input, self.output, tokens])
    }

    /// Seconds of steady rate that the provider requires after a ramp refusal.
    pub(super) fn steady_s(&self) -> f64 {
        self.dialect.limits.steady_s
    }

    /// The amounts once the usage is known.
    ///
    /// A provider that reserves the output limit is not expected to return the unused part. If it
    /// does, its headers show that.
    pub(super) fn settled(&self, used: Usage) -> Amounts {
        let cached = if self.dialect.limits.cached_counts { used.cache_read as f64 } else { 0.0 };
        let input = used.uncached_input as f64 + used.cache_write as f64 + cached;
        Self { input, output: used.output as f64, ..*self }.amounts()
    }
}
