//! The state that all connections share.

use super::bill::Rates;
use super::cache::Cache;
use super::ledger::Ledger;
use super::limits::Limits;
use super::looks::Gallery;
use super::pace::Pace;
use super::scenario::Scenario;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The models that a scenario without `models` accepts.
const KNOWN_MODELS: [&str; 13] = [
    "simulated-small",
    "simulated-embedding",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
    "gpt-6-luna",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
    "gemini-3.8-flash",
    "gemini-3.5-flash-lite",
    "text-embedding-3-small",
    "text-embedding-3-large",
];

/// State shared by all connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) scenario: Scenario,
    pub(super) models: Vec<String>,
    pub(super) limits: Limits,
    pub(super) cache: Cache,
    pub(super) ledger: Arc<Ledger>,
    pub(super) pace: Pace,
    pub(super) next_id: AtomicU64,
    pub(super) gallery: Gallery,
}

impl Shared {
    pub(super) fn new(scenario: Scenario) -> Self {
        let models = if scenario.models.is_empty() { KNOWN_MODELS.map(str::to_owned).to_vec() } else { scenario.models.clone() };
        let pace = Pace::new(scenario.speed);
        let now = pace.now();
        let limits = Limits::new(&scenario, now);
        let cache = Cache::new(&scenario.cache);
        let ledger = Arc::new(Ledger::new(Rates::of(&scenario.prices), now));
        Self { scenario, models, limits, cache, ledger, pace, next_id: AtomicU64::new(1), gallery: Gallery::default() }
    }

    /// Whether the request has the required key.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let key = self.scenario.require_key.as_bytes();
        let api_key = headers.get("x-api-key").map(HeaderValue::as_bytes);
        let bearer = headers.get("authorization").and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let goog_key = headers.get("x-goog-api-key").map(HeaderValue::as_bytes);
        key.is_empty() || goog_key == Some(key) || api_key == Some(key) || bearer == Some(key)
    }
}
