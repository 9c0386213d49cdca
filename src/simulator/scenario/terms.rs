//! Terms of the simulated account: changing limits, waits, the prompt cache, prices.

use serde::Deserialize;

/// Form of the wait in a 429.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `retry-after` in seconds. A computed wait is rounded up to whole seconds.
    #[default]
    Seconds,
    /// `retry-after-ms`, rounded up.
    Ms,
    /// `retry-after` as an HTTP date, rounded up to a second.
    Date,
    /// No wait is sent.
    None,
}

/// Changes of the limits during a run. Omitted keys keep their values.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Number of requests, including refused ones, that reach the limits before the change.
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

/// The prompt cache. It keeps the 65,000 most recently used prefixes, approximately.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheTerms {
    /// Whether the cache is on. Default false: marks have no effect.
    pub enabled: bool,
    /// Minimum length of a cached prefix in tokens (default 512). Shorter ones are silently not
    /// cached.
    pub min_tokens: u64,
    /// Milliseconds from the first byte of a response until the prefixes of its request are
    /// readable. Default 0.
    pub readable_after_ms: u64,
    /// Seconds until an unused prefix is forgotten. Default 300, as with providers.
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
    /// Uncached input.
    pub input: f64,
    /// Input read from the cache.
    pub cache_read: f64,
    /// Input written to the cache.
    pub cache_write: f64,
    /// Output.
    pub output: f64,
}
