//! The simulator's behaviour in TOML: speed, limits, cache, prices and faults.
//!
//! The default is a fast server without limits, cache, prices and faults. An unknown key or an
//! impossible value is an error. The caller reads the file.

mod embeddings;
mod faults;
mod terms;

pub(in crate::simulator) use embeddings::MAX_DIMENSIONS;
pub use embeddings::{Embeddings, Quirk, Wording};
pub use faults::{FaultKind, Faults, Poison};
pub use terms::{CacheTerms, Change, Prices, RetryAfter};

use crate::model::{AccountLimit, WaitReason};
use serde::Deserialize;
use serde::de::Error as _;

/// Maximum of any quantity, because the arithmetic of the limits is inexact beyond it.
const MAX_QUANTITY: f64 = 1e9;

/// The behaviour of one simulator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Seed of faults, delays and arbitrary choices. Default 0.
    pub seed: u64,
    /// Duration of every answer in milliseconds. Default 0.
    pub latency_ms: u64,
    /// Milliseconds until a stream begins; the rest of its time is spread over its pieces. By
    /// default a stream begins after `latency_ms` and arrives at once.
    pub first_byte_ms: Option<u64>,
    /// Maximum of a uniform random addition to `latency_ms`, by call and attempt, in milliseconds.
    /// Default 0.
    pub jitter_ms: u64,
    /// Durations of answers in milliseconds, as equidistant quantiles with interpolation. Replaces
    /// `latency_ms` and `jitter_ms`. Default: none.
    pub latency_quantiles_ms: Vec<f64>,
    /// Spread of the lengths of texts: the standard deviation of the logarithm of their words. Texts
    /// then repeat the document up to their length. Default 0: no spread, plain answers.
    pub length_spread: f64,
    /// Rate limit; requests beyond it get a 429. Default 0: no limit.
    pub requests_per_second: f64,
    /// Maximum burst of requests under `requests_per_second`. Default 0: one second's worth, at
    /// least 1.
    pub burst: u32,
    /// Maximum number of requests in progress; others get 529 (Anthropic) or 503. Default 0: no
    /// limit.
    pub concurrency: usize,
    /// Limit of uncached input, charged on arrival. Anthropic and Gemini. Default 0: no limit.
    pub input_tokens_per_minute: u64,
    /// Limit of output, charged as it is produced. While the limit is exceeded, no request is
    /// admitted. Anthropic. Default 0: no limit.
    pub output_tokens_per_minute: u64,
    /// Token limit. A request is charged on arrival with its input or its output limit, if that is
    /// larger. Nothing is refunded. OpenAI. Default 0: no limit.
    pub tokens_per_minute: u64,
    /// Burst of tokens, in seconds' worth (default 60). A larger request passes when the bucket is
    /// full.
    pub burst_s: f64,
    /// Form of the wait in a 429: `seconds`, `ms`, `date` or `none`. Gemini has a form for itself.
    /// Default `seconds`.
    pub retry_after: RetryAfter,
    /// The wait in a 429, in seconds. Default 1. With 0 it is computed from the exceeded limit.
    pub retry_after_s: f64,
    /// Whether responses have rate-limit headers. Default true; Gemini never sends them.
    pub headers: bool,
    /// Changes of the limits during the run.
    pub change: Vec<Change>,
    /// The prompt cache.
    pub cache: CacheTerms,
    /// Prices of tokens.
    pub prices: Prices,
    /// The embeddings route.
    pub embeddings: Embeddings,
    /// Random faults.
    pub faults: Faults,
    /// Accepted model ids. Default empty: the built-in list.
    pub models: Vec<String>,
    /// The key that clients must send. By default any key, or no key, is accepted.
    pub require_key: String,
    /// Requests whose user text contains this take `slow_ms`. Default empty: no request.
    pub slow_marker: String,
    /// Duration of such a request in milliseconds, instead of latency and jitter.
    pub slow_ms: u64,
    /// Milliseconds between the bytes of a response with the fault `drip`. Default 1000.
    pub drip_ms: u64,
    /// Speed of the simulated clock relative to real time. Default 1. For rehearsals; not a key of
    /// scenario files.
    #[serde(skip)]
    pub speed: f64,
    /// Deliberate faults. The first entry with a matching marker applies.
    pub poison: Vec<Poison>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_ms: 0,
            first_byte_ms: None,
            jitter_ms: 0,
            latency_quantiles_ms: Vec::new(),
            length_spread: 0.0,
            requests_per_second: 0.0,
            burst: 0,
            concurrency: 0,
            input_tokens_per_minute: 0,
            output_tokens_per_minute: 0,
            tokens_per_minute: 0,
            burst_s: 60.0,
            retry_after: RetryAfter::default(),
            retry_after_s: 1.0,
            headers: true,
            change: Vec::new(),
            cache: CacheTerms::default(),
            prices: Prices::default(),
            embeddings: Embeddings::default(),
            faults: Faults::default(),
            models: Vec::new(),
            require_key: String::new(),
            slow_marker: String::new(),
            slow_ms: 0,
            drip_ms: 1000,
            speed: 1.0,
            poison: Vec::new(),
        }
    }
}

impl Scenario {
    /// Parses and checks a scenario.
    pub fn parse(toml_text: &str) -> Result<Self, toml::de::Error> {
        let scenario: Self = toml::from_str(toml_text)?;
        match scenario.problem() {
            Some(problem) => Err(toml::de::Error::custom(problem)),
            None => Ok(scenario),
        }
    }

    /// The limits for a client of the Anthropic dialect.
    pub fn limits(&self) -> Vec<AccountLimit> {
        let per_second = self.requests_per_second;
        let burst = if self.burst > 0 { f64::from(self.burst) } else { per_second.max(1.0) };
        let of_tokens = |meter, per_minute: u64| (meter, per_minute as f64, per_minute as f64 / 60.0 * self.burst_s);
        let limits = [
            (WaitReason::Requests, 60.0 * per_second, burst),
            of_tokens(WaitReason::InputTokens, self.input_tokens_per_minute),
            of_tokens(WaitReason::OutputTokens, self.output_tokens_per_minute),
        ];
        let there = limits.into_iter().filter(|(_, per_minute, _)| *per_minute > 0.0);
        there.map(|(meter, per_minute, at_once)| AccountLimit { meter, per_minute, at_once }).collect()
    }

    /// A message about the first impossible value.
    pub(super) fn problem(&self) -> Option<String> {
        let quantities = [
            ("requests_per_second", self.requests_per_second),
            ("retry_after_s", self.retry_after_s),
            ("length_spread", self.length_spread),
            ("burst_s", self.burst_s),
            ("prices.input", self.prices.input),
            ("prices.cache_read", self.prices.cache_read),
            ("prices.cache_write", self.prices.cache_write),
            ("prices.output", self.prices.output),
            ("embeddings.ms_per_input", self.embeddings.ms_per_input),
        ];
        let changes = self.change.iter().flat_map(|change| {
            let named = [("change.requests_per_second", change.requests_per_second), ("change.burst_s", change.burst_s)];
            named.into_iter().filter_map(|(name, value)| Some((name, value?)))
        });
        let quantiles = self.latency_quantiles_ms.iter().map(|ms| ("latency_quantiles_ms", *ms));
        for (name, value) in quantities.into_iter().chain(changes).chain(quantiles) {
            if !(0.0..=MAX_QUANTITY).contains(&value) {
                return Some(format!("{name} = {value}: must be a number from 0 to {MAX_QUANTITY}"));
            }
            if name.ends_with("burst_s") && value == 0.0 {
                return Some(format!("{name} = 0 lets no request pass; expected a positive number"));
            }
        }
        if !(1..=MAX_DIMENSIONS).contains(&self.embeddings.dimensions) {
            return Some(format!("embeddings.dimensions: must be from 1 to {MAX_DIMENSIONS}"));
        }
        if !self.latency_quantiles_ms.is_sorted() {
            return Some("latency_quantiles_ms: must not go down".to_owned());
        }
        if !self.change.is_sorted_by_key(|change| change.after_requests) {
            return Some("change: after_requests must not go down".to_owned());
        }
        let mut sum = 0.0;
        for (kind, share) in self.faults.shares() {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("faults: the share of {kind:?} is {share}: must be from 0 to 1"));
            }
            sum += share;
        }
        if sum > 1.0 + 1e-9 {
            return Some(format!("faults: the shares add up to {sum}; expected at most 1"));
        }
        if self.poison.iter().any(|poison| poison.marker.is_empty()) {
            return Some("poison: an empty marker would hit every request".to_owned());
        }
        None
    }
}
