//! The `[llm]` section.

use super::dialect::Dialect;
use crate::model::WaitReason;
use serde::Deserialize;

/// `[llm]`: the model, how to reach it, how many calls at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "settings that people switch on and off")]
pub struct LlmSettings {
    /// Name of the provider.
    pub provider: String,
    /// Model id; empty for the provider's default.
    pub model: String,
    /// Address of the server; empty for the provider's own.
    pub base_url: String,
    /// Environment variable with the API key; empty for the provider's usual one.
    pub api_key_env: String,
    /// Model to use when the other one is gone or stays overloaded; empty for none.
    pub fallback: String,
    /// Maximum requests in flight.
    pub concurrency: usize,
    /// Maximum documents in work; 0 for a number derived from the concurrency.
    pub documents: usize,
    /// Timeout of one attempt, in seconds.
    pub timeout_s: u64,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Whether slow requests are sent a second time at the end of a run.
    pub hedge: bool,
    /// Timeout until a streamed answer begins, in seconds.
    pub first_byte_s: u64,
    /// Timeout between two parts of a streamed answer, in seconds.
    pub silence_s: u64,
    /// Name of the header that carries the key; empty for the dialect's usual one.
    pub key_header: String,
    /// Headers added to every request.
    pub headers: toml::Table,
    /// Query parameters added to every address.
    pub query: toml::Table,
    /// Fields added to the body of every request.
    pub body: toml::Table,
    /// Whether a key may go to another machine over plain HTTP.
    pub allow_http: bool,
    /// PEM file with certificates to trust besides the system's; empty for none.
    pub ca_file: String,
    /// Whether calls on a document share its beginning in the provider's prompt cache.
    pub prime: bool,
    /// The provider's service tier; empty for the default one.
    pub service_tier: String,
    /// Seconds that requests in flight may take after a signal.
    pub drain_s: u64,
    /// Whether identical calls on different documents are sent once.
    pub share_identical_calls: bool,
    /// Whether the first call of each task goes alone.
    pub preflight: bool,
    /// Whether a call fails if the server has silently cut its prompt.
    pub check_prompt_cut: bool,
    /// Tokens added to the answer's limit for thinking; 0 for the provider's usual room.
    pub thinking_tokens: u32,
    /// How hard to think, in the provider's words; empty for the model's default.
    pub effort: String,
    /// `[llm.limits]`.
    pub limits: LimitSettings,
    /// `[llm.retry]`.
    pub retry: RetrySettings,
}

impl LlmSettings {
    /// Tokens added to each answer's limit for thinking.
    pub fn room_to_think(&self, dialect: Dialect) -> u32 {
        if self.thinking_tokens > 0 { self.thinking_tokens } else { dialect.thinking_tokens }
    }

    /// Maximum documents in work at a time, if each has `calls` calls.
    ///
    /// The derived number gives calls for four times the concurrency. While one document waits for
    /// the disk, or for its slowest call before the aggregation, permits go to the calls of others.
    /// More documents would take memory and finish no sooner.
    pub fn documents(&self, calls: usize) -> usize {
        if self.documents > 0 { self.documents } else { (4 * self.concurrency).max(256).div_ceil(calls.max(1)) }
    }
}

/// `[llm.limits]`: rate limits of the account; 0 to learn one from the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests per minute.
    pub requests_per_minute: u32,
    /// Input tokens per minute.
    pub input_tokens_per_minute: u32,
    /// Output tokens per minute.
    pub output_tokens_per_minute: u32,
    /// Input and output tokens per minute.
    pub tokens_per_minute: u32,
    /// Seconds' worth of a limit that may be used at once.
    pub burst_s: f64,
    /// Whether to start with a single request and send more after each answer.
    pub slow_start: SlowStart,
}

impl LimitSettings {
    /// The limit per minute in the settings for `meter`, if there is one.
    pub fn of(&self, meter: WaitReason) -> Option<u32> {
        let given = match meter {
            WaitReason::Requests => self.requests_per_minute,
            WaitReason::InputTokens => self.input_tokens_per_minute,
            WaitReason::OutputTokens => self.output_tokens_per_minute,
            WaitReason::Tokens => self.tokens_per_minute,
            _ => 0,
        };
        Some(given).filter(|given| *given > 0)
    }
}

/// Whether a run starts with a single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowStart {
    /// If the account may have limits: not for the simulator, nor for a server on this machine
    /// without a key.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[budget]`: the cap on money.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    /// US dollars for everything in the output directory, earlier runs included; 0 for no cap.
    pub max_usd: f64,
}

/// `[llm.retry]`: when to try again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// Maximum HTTP requests for one call.
    pub max_attempts: u32,
    /// Maximum retries after lost replies.
    pub max_ambiguous: u32,
    /// Upper bound of the first wait, in milliseconds.
    pub base_ms: u64,
    /// Longest wait that a provider may ask for, in seconds; a longer one stops the run.
    pub max_wait_s: u64,
    /// Consecutive calls of a task with the same failure that stop the run; 0 for no limit.
    pub max_consecutive_failures: usize,
}
