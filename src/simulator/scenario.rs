//! How the simulator behaves: speed, limits and faults, written as TOML.
//!
//! Promises: the default is a fast server without faults; an unknown key or an impossible value is an error.
//! Never reads a file: the caller brings the text.

use serde::Deserialize;
use serde::de::Error as _;

/// The script of one simulator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// All answers, faults and delays derive from it. Default 0.
    pub seed: u64,
    /// How long every answer takes, in milliseconds. Default 0.
    pub latency_ms: u64,
    /// At most this much is added to `latency_ms`, uniformly, by call and attempt. Default 0.
    pub jitter_ms: u64,
    /// Requests beyond this rate get a 429. Default 0: no limit.
    pub requests_per_second: f64,
    /// How many requests may come at once under `requests_per_second`. Default 0: one second's worth, at least 1.
    pub burst: u32,
    /// Requests in work beyond this number get 529 (Anthropic) or 503 (OpenAI). Default 0: no limit.
    pub concurrency: usize,
    /// The `retry-after` header of a 429, in seconds. Default 1.
    pub retry_after_s: f64,
    /// What goes wrong at random.
    pub faults: Faults,
    /// The accepted model ids. Default empty: the known ones.
    pub models: Vec<String>,
    /// The key that clients must send. Default empty: any or none.
    pub require_key: String,
    /// A request whose user text contains this takes `slow_ms`. Default empty: none.
    pub slow_marker: String,
    /// How long such a request takes, in milliseconds, instead of latency and jitter.
    pub slow_ms: u64,
    /// What goes wrong on purpose. The first entry whose marker occurs is used.
    pub poison: Vec<Poison>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_ms: 0,
            jitter_ms: 0,
            requests_per_second: 0.0,
            burst: 0,
            concurrency: 0,
            retry_after_s: 1.0,
            faults: Faults::default(),
            models: Vec::new(),
            require_key: String::new(),
            slow_marker: String::new(),
            slow_ms: 0,
            poison: Vec::new(),
        }
    }
}

/// Shares (0 to 1) of attempts that go wrong, one field per [`FaultKind`]. Together at most 1.
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
    /// A call that had this many of these faults is served from then on. Default 1000: as good as no cap.
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
            faults_per_call: 1000,
        }
    }
}

impl Faults {
    /// Every kind with its share, in a fixed order.
    pub(super) fn shares(&self) -> [(FaultKind, f64); 10] {
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
        ]
    }
}

/// What can go wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 400: the request itself is at fault. Only by poison.
    Rejected,
    /// 429 with `retry-after`.
    RateLimited,
    /// 500.
    ServerError,
    /// 529 (Anthropic) or 503 (OpenAI).
    Overloaded,
    /// The connection is reset (RST) instead of a reply.
    Reset,
    /// No reply until the client leaves.
    Hang,
    /// The body ends in its middle and the connection closes.
    TruncatedBody,
    /// 200 with a page of HTML.
    Garbage,
    /// 200 with the dialect's refusal.
    Refusal,
    /// 200 with half an answer, stopped by the token limit.
    Cut,
    /// 200 with JSON that breaks the schema.
    Invalid,
}

/// A fault that certain requests always get, whatever `faults_per_call` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// The user text which brings it about.
    pub marker: String,
    /// What happens.
    pub fault: FaultKind,
}

impl Scenario {
    /// Reads a scenario and checks it.
    pub fn parse(toml_text: &str) -> Result<Self, toml::de::Error> {
        let scenario: Self = toml::from_str(toml_text)?;
        match scenario.problem() {
            Some(problem) => Err(toml::de::Error::custom(problem)),
            None => Ok(scenario),
        }
    }

    /// The first impossible value, in words.
    pub(super) fn problem(&self) -> Option<String> {
        let quantities = [("requests_per_second", self.requests_per_second), ("retry_after_s", self.retry_after_s)];
        for (name, value) in quantities {
            if !value.is_finite() || value < 0.0 {
                return Some(format!("{name} = {value}: must be a number from 0 up"));
            }
        }
        let mut sum = 0.0;
        for (kind, share) in self.faults.shares() {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("faults: the share of {kind:?} is {share}: must be from 0 to 1"));
            }
            sum += share;
        }
        if sum > 1.0 + 1e-9 {
            return Some(format!("faults: the shares add up to {sum}: at most 1"));
        }
        if self.poison.iter().any(|poison| poison.marker.is_empty()) {
            return Some("poison: an empty marker would hit every request".to_owned());
        }
        None
    }
}
