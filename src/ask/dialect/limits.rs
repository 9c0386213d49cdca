//! stub until the real one lands
use std::time::Duration;
/// What a provider counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Requests.
    Requests,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Input and output tokens together.
    Tokens,
}
/// What headers say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Which.
    pub meter: Meter,
    /// Limit.
    pub per_minute: f64,
    /// Left.
    pub remaining: Option<f64>,
    /// Until full.
    pub reset: Option<Duration>,
}
