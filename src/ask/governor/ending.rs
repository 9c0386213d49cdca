//! The parts of a request's result that concern limits.

use super::super::dialect::{LimitKind, RateLimitHeader};
use super::super::fault::Pressure;
use crate::model::{Money, Usage};
use std::time::Duration;

/// The parts of a request's result that concern limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending<'e> {
    /// Usage of the request, if known.
    pub usage: Option<Usage>,
    /// Cost of the request. If `None`, the whole reservation counts as spent.
    pub cost: Option<Money>,
    /// The rate limits in the reply's headers.
    pub rate_limits: &'e [RateLimitHeader],
    /// The refusal, if it was refused.
    pub refused: Option<Refusal>,
}

/// A refusal that also concerns other requests.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Why the provider refused.
    pub pressure: Pressure,
    /// The limit named in the refusal, if any.
    pub meter: Option<LimitKind>,
    /// Wait before the next request.
    pub wait: Duration,
    /// Whether the provider named this wait.
    pub named: bool,
}
