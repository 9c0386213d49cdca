//! How a request ended, as far as limits are concerned.

use super::super::dialect::{LimitKind, RateLimitHeader};
use super::super::fault::Pressure;
use crate::model::{Money, Usage};
use std::time::Duration;

/// How a request ended, as far as limits are concerned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending<'e> {
    /// Its usage, if known.
    pub usage: Option<Usage>,
    /// Its cost; if `None`, the whole reservation counts as spent.
    pub cost: Option<Money>,
    /// The rate limits in the headers.
    pub rate_limits: &'e [RateLimitHeader],
    /// The refusal, if it was refused.
    pub refused: Option<Refusal>,
}

/// A refusal for reasons that concern other requests too.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Why the provider refused.
    pub pressure: Pressure,
    /// The limit that the refusal names.
    pub meter: Option<LimitKind>,
    /// The wait before the next request.
    pub wait: Duration,
    /// Whether the provider named the wait.
    pub named: bool,
}
