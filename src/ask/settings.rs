//! The `[llm]` section.

use super::dialect::Dialect;
use crate::model::WaitReason;
use serde::Deserialize;

/// `[llm]`: which model, how to reach it, how many calls at a time.
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
    /// Environment variable that holds the key; empty for the provider's usual one.
    pub api_key_env: String,
    /// Model that is asked when the other one is gone or stays overloaded; empty for none.
    pub fallback: String,
    /// Calls in flight at the most.
    pub concurrency: usize,
    /// Documents under way at the most; 0 for a number derived from the concurrency.
    pub documents: usize,
    /// Seconds that one attempt may take.
    pub timeout_s: u64,
    /// Whether answers come piece by piece.
    pub stream: bool,
    /// Whether stragglers are asked for once more at the end of a run.
    pub hedge: bool,
    /// Seconds until such an answer begins.
    pub first_byte_s: u64,
    /// Seconds that may pass between two pieces.
    pub silence_s: u64,
    /// Name of the header that carries the key; empty for the dialect's usual one.
    pub key_header: String,
    /// Further headers of every request.
    pub headers: toml::Table,
    /// Further parameters of every address.
    pub query: toml::Table,
    /// Further fields of every request.
    pub body: toml::Table,
    /// File of certificates to trust besides the system's, in PEM format; empty for none.
    pub ca_file: String,
    /// Whether the calls on a document share its beginning in the provider's prompt cache.
    pub prime: bool,
    /// The provider's tier of service; empty for the usual one.
    pub service_tier: String,
    /// Seconds that calls in flight may take after a signal.
    pub drain_s: u64,
    /// Whether equal calls on different documents are answered once.
    pub share_identical_calls: bool,
    /// Whether one call of each task goes first, alone.
    pub preflight: bool,
    /// Whether a reply to a prompt that was cut without a word is none.
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
    /// Tokens added to each answer's limit, for thinking.
    pub fn room_to_think(&self, dialect: Dialect) -> u32 {
        if self.thinking_tokens > 0 { self.thinking_tokens } else { dialect.thinking_tokens() }
    }

    /// Documents whose calls may be under way at the same time, when each has `calls`. While one document waits for the
    /// disk, or for its slowest call before the aggregation, the permits must have others to go to: hence calls for
    /// four times the concurrency. Many more would only keep memory and finish no document sooner.
    pub fn documents(&self, calls: usize) -> usize {
        if self.documents > 0 { self.documents } else { (4 * self.concurrency).max(256).div_ceil(calls.max(1)) }
    }
}

/// `[llm.limits]`: what the account allows. 0 is learned from the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests in a minute.
    pub requests_per_minute: u32,
    /// Input tokens in a minute.
    pub input_tokens_per_minute: u32,
    /// Output tokens in a minute.
    pub output_tokens_per_minute: u32,
    /// Tokens of both kinds in a minute.
    pub tokens_per_minute: u32,
    /// Seconds' worth of a limit that may be used at once.
    pub burst_s: f64,
    /// Whether to begin with a single request and with more after each answer.
    pub slow_start: SlowStart,
}

impl LimitSettings {
    /// The limit of a minute that the settings give for what `meter` counts, if they do.
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

/// When a run begins with a single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowStart {
    /// Where there is an account with limits, and not where a server on this machine answers.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[budget]`: what may be spent.
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
    /// HTTP requests for one call at the most.
    pub max_attempts: u32,
    /// Repetitions after a lost reply at the most.
    pub max_ambiguous: u32,
    /// Upper bound of the first wait, in milliseconds.
    pub base_ms: u64,
    /// Longest wait that is obeyed, in seconds.
    pub max_wait_s: u64,
    /// Calls of one task that may fail in a row with one code before the run stops; 0 for any number.
    pub max_consecutive_failures: usize,
}
