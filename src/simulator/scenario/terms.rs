//! What the account of a simulator may do and pays: limits that change, waits, the prompt cache, prices.

use serde::Deserialize;

/// How a 429 tells when to come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `retry-after` in seconds: whole ones, rounded up, if they are computed.
    #[default]
    Seconds,
    /// `retry-after-ms`, rounded up.
    Ms,
    /// `retry-after` as an HTTP date, rounded up to a second.
    Date,
    /// Not at all.
    None,
}

/// New limits in mid-run. Keys that are left out stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// So many requests reach the limits, refused ones included, before the change.
    pub after_requests: u64,
    /// See [`Scenario::requests_per_second`](super::Scenario::requests_per_second).
    pub requests_per_second: Option<f64>,
    /// See [`Scenario::burst`](super::Scenario::burst).
    pub burst: Option<u32>,
    /// See [`Scenario::concurrency`](super::Scenario::concurrency).
    pub concurrency: Option<usize>,
    /// See [`Scenario::input_tokens_per_minute`](super::Scenario::input_tokens_per_minute).
    pub input_tokens_per_minute: Option<u64>,
    /// See [`Scenario::output_tokens_per_minute`](super::Scenario::output_tokens_per_minute).
    pub output_tokens_per_minute: Option<u64>,
    /// See [`Scenario::tokens_per_minute`](super::Scenario::tokens_per_minute).
    pub tokens_per_minute: Option<u64>,
    /// See [`Scenario::burst_s`](super::Scenario::burst_s).
    pub burst_s: Option<f64>,
}

/// The prompt cache. Of about 65,000 prefixes, those used last are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheTerms {
    /// Whether there is one. Default false: marks mean nothing.
    pub enabled: bool,
    /// Shorter prefixes are not cached, without a word. Tokens; default 512.
    pub min_tokens: u64,
    /// From the first byte of the first reply until others can read what its request has written, in milliseconds.
    /// Default 0.
    pub readable_after_ms: u64,
    /// Prefixes that are not used for so long are forgotten, in seconds. Default 300, as with providers.
    pub ttl_s: u64,
}

impl Default for CacheTerms {
    fn default() -> Self {
        Self { enabled: false, min_tokens: 512, readable_after_ms: 0, ttl_s: 300 }
    }
}

/// US dollars per million tokens, for every model. Default 0: free.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Input that neither came from the cache nor went into it.
    pub input: f64,
    /// Input from the cache.
    pub cache_read: f64,
    /// Input that went into the cache.
    pub cache_write: f64,
    /// Output.
    pub output: f64,
}
