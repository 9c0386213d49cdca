//! Faults: random by shares, or deliberate by markers.

use serde::Deserialize;

/// Shares (0 to 1) of attempts that fail, one field per [`FaultKind`]. Their sum is at most 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Share of [`FaultKind::RateLimited`].
    pub rate_limited: f64,
    /// Share of [`FaultKind::ServerError`].
    pub server_error: f64,
    /// Share of [`FaultKind::Overloaded`].
    pub overloaded: f64,
    /// Share of [`FaultKind::Reset`].
    pub reset: f64,
    /// Share of [`FaultKind::Hang`].
    pub hang: f64,
    /// Share of [`FaultKind::TruncatedBody`].
    pub truncated_body: f64,
    /// Share of [`FaultKind::Garbage`].
    pub garbage: f64,
    /// Share of [`FaultKind::Refusal`].
    pub refusal: f64,
    /// Share of [`FaultKind::Cut`].
    pub cut: f64,
    /// Share of [`FaultKind::Invalid`].
    pub invalid: f64,
    /// Share of [`FaultKind::StreamError`].
    pub stream_error: f64,
    /// Share of [`FaultKind::Stall`].
    pub stall: f64,
    /// Share of [`FaultKind::Drip`].
    pub drip: f64,
    /// Maximum number of these faults per call. Default 1000: practically unlimited.
    pub faults_per_call: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rate_limited: 0.0,
            server_error: 0.0,
            overloaded: 0.0,
            reset: 0.0,
            hang: 0.0,
            truncated_body: 0.0,
            garbage: 0.0,
            refusal: 0.0,
            cut: 0.0,
            invalid: 0.0,
            stream_error: 0.0,
            stall: 0.0,
            drip: 0.0,
            faults_per_call: 1000,
        }
    }
}

impl Faults {
    /// Every kind with its share, in a fixed order. New kinds go to the end, so that old seeds keep
    /// their faults.
    pub(in crate::simulator) fn shares(&self) -> [(FaultKind, f64); 13] {
        [
            (FaultKind::RateLimited, self.rate_limited),
            (FaultKind::ServerError, self.server_error),
            (FaultKind::Overloaded, self.overloaded),
            (FaultKind::Reset, self.reset),
            (FaultKind::Hang, self.hang),
            (FaultKind::TruncatedBody, self.truncated_body),
            (FaultKind::Garbage, self.garbage),
            (FaultKind::Refusal, self.refusal),
            (FaultKind::Cut, self.cut),
            (FaultKind::Invalid, self.invalid),
            (FaultKind::StreamError, self.stream_error),
            (FaultKind::Stall, self.stall),
            (FaultKind::Drip, self.drip),
        ]
    }
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 400: the request is invalid. Only by poison.
    Rejected,
    /// 429 with `retry-after`.
    RateLimited,
    /// 500.
    ServerError,
    /// 529 (Anthropic) or 503 (others).
    Overloaded,
    /// The connection is reset (RST) instead of a reply.
    Reset,
    /// No response until the client disconnects.
    Hang,
    /// The body or stream ends in the middle, and the connection closes.
    TruncatedBody,
    /// 200 with an HTML page, even if a stream was requested.
    Garbage,
    /// 200 with the dialect's refusal.
    Refusal,
    /// 200 with half an answer, cut at the token limit.
    Cut,
    /// 200 with JSON that violates the schema.
    Invalid,
    /// An error event in the middle of a stream; without a stream, [`FaultKind::Overloaded`].
    StreamError,
    /// Half the body or stream, and then silence until the client disconnects.
    Stall,
    /// The whole body, byte by byte, with `drip_ms` between bytes.
    Drip,
}

/// A fault for all requests with a marker, regardless of `faults_per_call`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// Text that triggers the fault if the user text contains it.
    pub marker: String,
    /// The fault.
    pub fault: FaultKind,
}
