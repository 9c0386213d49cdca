//! Arguments of commands that serve clients.

use super::SettingsArgs;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ServeArgs {
    /// Directory of the queue and all runs (the same as --set serve.dir=DIR)
    #[arg(value_name = "DIR")]
    pub directory: Option<String>,
    /// Listen on this port of 127.0.0.1, or on ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,
    /// Add a key to the key file (serve.keys), print it, and end
    #[arg(long, value_name = "NAME")]
    pub new_key: Option<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The server listens on 127.0.0.1 and speaks these APIs, with and without streaming:
  Anthropic Messages       POST /v1/messages
  OpenAI Chat Completions  POST /v1/chat/completions
  OpenAI Responses         POST /v1/responses
  OpenAI Embeddings        POST /v1/embeddings (without streaming)
  Gemini                   POST /v1beta/models/MODEL:generateContent

GET /ledger returns totals of the served requests. Answers fit the requested schema and are marked [simulated]. \
The scenario file also has keys for token limits, changing limits, the prompt cache and prices.")]
pub(in crate::cli) struct SimulateArgs {
    /// Port; 0 for any free one
    #[arg(long, default_value_t = 8400)]
    pub port: u16,
    /// Scenario file (TOML); the options below override it
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Seed of answers and faults
    #[arg(long)]
    pub seed: Option<u64>,
    /// Milliseconds until a reply
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// Maximum random addition to the latency, in milliseconds
    #[arg(long, value_name = "MS")]
    pub jitter_ms: Option<u64>,
    /// Requests beyond this rate get a 429
    #[arg(long, value_name = "RATE")]
    pub requests_per_second: Option<f64>,
    /// Seconds in the retry-after header of a 429; 0: computed from the limit
    #[arg(long, value_name = "S")]
    pub retry_after_s: Option<f64>,
    /// Refuse requests as overload while this many are in progress
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Key that clients must send
    #[arg(long, value_name = "KEY")]
    pub require_key: Option<String>,
    /// Share of attempts that fail, such as server_error=0.05; may be repeated. Kinds:
    /// rate_limited, server_error, overloaded, reset, hang, truncated_body, garbage, refusal, cut,
    /// invalid, stream_error, stall, drip
    #[arg(long = "fault", value_name = "KIND=SHARE")]
    pub faults: Vec<String>,
}
