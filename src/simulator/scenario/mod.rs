//! How the simulator behaves: speed, limits, cache, prices and faults, written as TOML.
//!
//! Promises: the default is a fast server without limits, cache, prices and faults; an unknown key or an impossible value is an error.
//! Never reads a file: the caller brings the text.

mod faults;
mod terms;

pub use faults::{FaultKind, Faults, Poison};
pub use terms::{CacheTerms, Change, Prices, RetryAfter};

use crate::model::{AccountLimit, WaitReason};
use serde::Deserialize;
use serde::de::Error as _;

/// The most of anything: beyond it the arithmetic of the limits would not be exact.
const MOST: f64 = 1e9;

/// The script of one simulator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// All answers, faults and delays derive from it. Default 0.
    pub seed: u64,
    /// How long every answer takes, in milliseconds. Default 0.
    pub latency_ms: u64,
    /// Until a stream begins, in milliseconds; the rest of its time is spread over its pieces. Default: not before
    /// `latency_ms` is over, and then all at once.
    pub first_byte_ms: Option<u64>,
    /// At most this much is added to `latency_ms`, uniformly, by call and attempt. Default 0.
    pub jitter_ms: u64,
    /// How long answers take, in milliseconds, as quantiles at equal distances: an answer takes as long as one of these, or something
    /// between two. Replaces `latency_ms` and `jitter_ms`. Default: none.
    pub latency_quantiles_ms: Vec<f64>,
    /// How much texts in answers differ in length: the standard deviation of the logarithm of their words. Default 0: they are alike.
    pub length_spread: f64,
    /// Requests beyond this rate get a 429. Default 0: no limit.
    pub requests_per_second: f64,
    /// How many requests may come at once under `requests_per_second`. Default 0: one second's worth, at least 1.
    pub burst: u32,
    /// Requests in work beyond this number get 529 (Anthropic) or 503 (others). Default 0: no limit.
    pub concurrency: usize,
    /// Input that does not come from the cache, charged on arrival. Anthropic and Gemini. Default 0: no limit.
    pub input_tokens_per_minute: u64,
    /// Output, charged as it is produced: nothing is let in while more was produced than allowed. Anthropic.
    /// Default 0: no limit.
    pub output_tokens_per_minute: u64,
    /// The output limit of a request or its input, whichever is more, charged on arrival and never given back. OpenAI.
    /// Default 0: no limit.
    pub tokens_per_minute: u64,
    /// How many seconds' worth of tokens may come at once. A request for more than that passes when all of it is
    /// there. Default 60.
    pub burst_s: f64,
    /// In which form a 429 tells when to come back: `seconds`, `ms`, `date` or `none`. Gemini has its own. Default
    /// `seconds`.
    pub retry_after: RetryAfter,
    /// The wait that a 429 tells, in seconds. Default 1. 0: computed from the limit that was in the way.
    pub retry_after_s: f64,
    /// Whether replies tell the limits in their headers. Default true; Gemini never does.
    pub headers: bool,
    /// New limits in mid-run.
    pub change: Vec<Change>,
    /// The prompt cache.
    pub cache: CacheTerms,
    /// What tokens cost.
    pub prices: Prices,
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
    /// Between the bytes of a reply with the fault `drip`, in milliseconds. Default 1000.
    pub drip_ms: u64,
    /// How many times as fast as the clock on the wall all times are. Default 1. For rehearsals: no key of a scenario file.
    #[serde(skip)]
    pub speed: f64,
    /// What goes wrong on purpose. The first entry whose marker occurs is used.
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
    /// Reads a scenario and checks it.
    pub fn parse(toml_text: &str) -> Result<Self, toml::de::Error> {
        let scenario: Self = toml::from_str(toml_text)?;
        match scenario.problem() {
            Some(problem) => Err(toml::de::Error::custom(problem)),
            None => Ok(scenario),
        }
    }

    /// The limits that a client of Anthropic's dialect meets.
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

    /// The first impossible value, in words.
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
        ];
        let changes = self.change.iter().flat_map(|change| {
            let named = [("change.requests_per_second", change.requests_per_second), ("change.burst_s", change.burst_s)];
            named.into_iter().filter_map(|(name, value)| Some((name, value?)))
        });
        let quantiles = self.latency_quantiles_ms.iter().map(|ms| ("latency_quantiles_ms", *ms));
        for (name, value) in quantities.into_iter().chain(changes).chain(quantiles) {
            if !(0.0..=MOST).contains(&value) {
                return Some(format!("{name} = {value}: must be a number from 0 to {MOST}"));
            }
            if name.ends_with("burst_s") && value == 0.0 {
                return Some(format!("{name} = 0: nothing would ever pass"));
            }
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
            return Some(format!("faults: the shares add up to {sum}: at most 1"));
        }
        if self.poison.iter().any(|poison| poison.marker.is_empty()) {
            return Some("poison: an empty marker would hit every request".to_owned());
        }
        None
    }
}
