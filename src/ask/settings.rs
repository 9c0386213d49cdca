//! The settings of the `[llm]` section.

use super::dialect::Dialect;
use super::servers::{ServerSetting, read_servers};
use crate::model::WaitReason;
use serde::Deserialize;

/// `[llm]`: the model, its server, and how docmill sends requests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "settings that people switch on and off")]
pub struct LlmSettings {
    /// Name of the provider.
    pub provider: String,
    /// Model id; empty for the provider's default.
    pub model: String,
    /// Servers; none for the provider's default.
    #[serde(deserialize_with = "read_servers")]
    pub base_url: Vec<ServerSetting>,
    /// Environment variable with the API key; empty for the provider's default.
    pub api_key_env: String,
    /// File with the API key; empty for none.
    pub api_key_file: String,
    /// Command that prints the API key; empty for none.
    pub api_key_command: Vec<String>,
    /// Model used when `model` is unavailable or stays overloaded; empty for none.
    pub fallback: String,
    /// Maximum requests in flight, at each server that has no limit of its own.
    pub concurrency: usize,
    /// Maximum active documents; 0 to derive it from the concurrency.
    pub documents: usize,
    /// Timeout of one attempt, in seconds.
    pub timeout_s: u64,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Whether slow requests are sent again at the end of a run.
    pub hedge: bool,
    /// Timeout until a streamed answer begins, in seconds.
    pub first_byte_s: u64,
    /// Timeout between two parts of a streamed answer, in seconds.
    pub silence_s: u64,
    /// Header that carries the key; empty for the dialect's default.
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
    /// Whether calls on a document share its start in the prompt cache.
    pub prime: bool,
    /// The provider's service tier; empty for the default.
    pub service_tier: String,
    /// Seconds that requests in flight have to finish after a signal.
    pub drain_s: u64,
    /// Whether identical calls on different documents are sent once.
    pub share_identical_calls: bool,
    /// Whether the first call of each task is sent alone.
    pub preflight: bool,
    /// Whether a call fails if the server has silently truncated its prompt.
    pub check_prompt_cut: bool,
    /// Output tokens added for thinking; 0 for the provider's default.
    pub thinking_tokens: u32,
    /// Thinking effort in the provider's terms; empty for the model's default.
    pub effort: String,
    /// `[llm.limits]`.
    pub limits: LimitSettings,
    /// `[llm.retry]`.
    pub retry: RetrySettings,
    /// `[llm.pack]`.
    pub pack: PackingSettings,
}

/// `[llm.pack]`: how many texts travel in one request for vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackingSettings {
    /// How long a text waits for others, in milliseconds.
    pub wait_ms: u64,
    /// Maximum texts of a request; 0 for the provider's limit.
    pub max_items: usize,
    /// Maximum tokens of a request; 0 for the provider's limit.
    pub max_tokens: u64,
}

impl LlmSettings {
    /// The setting that names a file or a command with the key; `None` without such a setting.
    pub fn key_source(&self) -> Option<&'static str> {
        let file = (!self.api_key_file.is_empty()).then_some("llm.api_key_file");
        file.or_else(|| (!self.api_key_command.is_empty()).then_some("llm.api_key_command"))
    }

    /// Maximum requests in flight at all servers together.
    pub fn places(&self) -> usize {
        let places = self.base_url.iter().map(|server| server.places(self.concurrency));
        if self.base_url.is_empty() { self.concurrency } else { places.sum() }
    }

    /// Tokens added to the output limit of each request for thinking.
    pub fn room_to_think(&self, dialect: Dialect) -> u32 {
        if self.thinking_tokens > 0 { self.thinking_tokens } else { dialect.thinking_tokens }
    }

    /// Fields that the settings add to the body of each request.
    pub fn body_fields(&self, dialect: Dialect) -> serde_json::Map<String, serde_json::Value> {
        let mut body: serde_json::Map<String, serde_json::Value> =
            self.body.iter().map(|(field, value)| (field.clone(), serde_json::to_value(value).unwrap_or_default())).collect();
        if !self.service_tier.is_empty() {
            body.insert(dialect.tiers.field.to_owned(), (dialect.tiers.spelled)(&self.service_tier).into());
        }
        body
    }

    /// Maximum active documents, if each has `calls` calls.
    ///
    /// The derived number is for 256 calls at least. More documents would take memory and finish no
    /// sooner:
    ///
    /// - With one call each, documents have calls for one and a half times the concurrency. A third
    ///   of the documents may wait for commits or back off while all permits are in use.
    /// - With several calls each, they have calls for four times the concurrency. Permits go to the
    ///   calls of other documents while a document waits for its slowest call.
    pub fn documents(&self, calls: usize) -> usize {
        let enough = if calls > 1 { 4 * self.concurrency } else { self.concurrency + self.concurrency / 2 };
        if self.documents > 0 { self.documents } else { enough.max(256).div_ceil(calls.max(1)) }
    }
}

/// `[llm.limits]`: rate limits of the account; 0 means learned from the provider.
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
    /// Maximum burst, as seconds of a limit.
    pub burst_s: f64,
    /// Whether to start with one request and send more after each answer.
    pub slow_start: SlowStart,
}

impl LimitSettings {
    /// The configured limit per minute for `meter`, if any.
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

/// When a run starts with a single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowStart {
    /// Only if the account may have limits.
    ///
    /// This excludes the simulator, and servers on this machine without a key.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[budget]`: the caps on money, and the service that shares limits between machines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    /// Cap for the output directory in US dollars; 0 for no cap.
    ///
    /// It includes the cost of earlier runs.
    pub max_usd: f64,
    /// Cap for the output directory on each day (UTC), in US dollars; 0 for no cap.
    pub max_usd_per_day: f64,
    /// Address of the budget service; empty for none.
    pub service: String,
    /// Token of the budget service, as `env:VARIABLE` or `file:PATH`.
    pub token: String,
    /// Seconds that a process without a lease waits for the service.
    pub service_wait_s: u64,
}

/// `[llm.retry]`: when to retry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// Maximum HTTP requests for one call.
    pub max_attempts: u32,
    /// Maximum retries of a call after lost replies.
    pub max_ambiguous: u32,
    /// Upper bound of the first wait, in milliseconds.
    pub base_ms: u64,
    /// Maximum wait that a provider may request, in seconds.
    ///
    /// A longer request stops the run.
    pub max_wait_s: u64,
    /// Equal consecutive failures that stop the run; 0 for no limit.
    ///
    /// The failures are counted for each task.
    pub max_consecutive_failures: usize,
}
