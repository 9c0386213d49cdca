//! The arguments.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// make for documents and models: runs a language-model job over a directory and writes ordered, typed results.
#[derive(Debug, Parser)]
#[command(name = "docmill", version, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a job over documents
    Run(RunArgs),
    /// List the built-in jobs, or print one to start from
    Jobs(JobsArgs),
    /// Show the settings in force
    Config(ConfigArgs),
    /// Run the built-in model server by itself
    Simulate(SimulateArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit codes: 0 all rows ok; 1 internal error; 2 wrong arguments, settings or input; 3 finished with failed rows;
4 stopped early, the same command goes on; 5 refused by the provider (key, model, credit); 130 second Ctrl-C.")]
pub(super) struct RunArgs {
    /// Files and directories [default: input.paths]
    pub input: Vec<String>,
    /// A built-in job, the path of a job file, or auto [default: job.use]
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
    /// Where results go [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Show nothing but failures
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SettingsArgs {
    /// Settings file [default: pipeline.toml in the current directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, such as llm.concurrency=200; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// Moving bars
    Bars,
    /// A plain line every report.interval_s seconds
    Lines,
    /// Every event as a line of JSON
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    pub command: JobsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List the built-in jobs
    List,
    /// Print a built-in job file
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every setting with its value and where it comes from
    Show(SettingsArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The server speaks Anthropic Messages (POST /v1/messages) and OpenAI Chat Completions (POST /v1/chat/completions) on
127.0.0.1. GET /ledger tells what it has served. Answers fit the schema asked for and are marked [simulated].")]
pub(super) struct SimulateArgs {
    /// Port; 0 for any free one
    #[arg(long, default_value_t = 8400)]
    pub port: u16,
    /// Scenario file (TOML); the options below go on top of it
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Other seed, other answers and faults
    #[arg(long)]
    pub seed: Option<u64>,
    /// Milliseconds until a reply
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// At most so much more, at random
    #[arg(long, value_name = "MS")]
    pub jitter_ms: Option<u64>,
    /// Requests beyond this rate get a 429
    #[arg(long, value_name = "RATE")]
    pub requests_per_second: Option<f64>,
    /// Seconds in the retry-after header of a 429
    #[arg(long, value_name = "S")]
    pub retry_after_s: Option<f64>,
    /// Requests in work beyond this number are refused as overload
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Key that clients must send
    #[arg(long, value_name = "KEY")]
    pub require_key: Option<String>,
    /// Share of attempts that go wrong, such as server_error=0.05; may be repeated. Kinds: rate_limited, server_error,
    /// overloaded, reset, hang, truncated_body, garbage, refusal, cut, invalid
    #[arg(long = "fault", value_name = "KIND=SHARE")]
    pub faults: Vec<String>,
}
