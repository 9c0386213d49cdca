//! The arguments.

mod after;
mod before;

pub(super) use after::{CancelArgs, ExportArgs, ExportFormat, PruneArgs, ReportArgs, RequeueArgs, RunsArgs, SetArgs, StatusArgs};
pub(super) use before::{CompareArgs, InspectArgs, PlanArgs, RehearseArgs, TuneArgs};

use crate::engine::READ_DOCUMENTS;
use crate::read::READ_SHEET;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// make for documents and models: runs a language-model job over a directory and writes ordered, typed results.
#[derive(Debug, Parser)]
#[command(name = "docmill", version, max_term_width = 100)]
#[command(after_help = crate::manual::topics())]
pub(super) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a job over documents, or bring its results up to date
    Run(RunArgs),
    /// Tell what a run would do, cost and take, without doing it
    Plan(PlanArgs),
    /// Run the whole job against the built-in server instead of the provider
    Rehearse(RehearseArgs),
    /// Try settings with a few documents, and tell which are best
    Tune(TuneArgs),
    /// Show what would be sent of a document, without sending it
    Inspect(InspectArgs),
    /// Tell what is done, what remains, what is in doubt, and how to go on
    Status(StatusArgs),
    /// Make result files of the run store, in any format
    Export(ExportArgs),
    /// Check store, result files, inputs and bill against each other
    Verify(StoreArgs),
    /// Measure sequential against parallel, or compare jobs, models and prompts on the same documents
    Compare(CompareArgs),
    /// Let the run at work send nothing for now
    Pause(StoreArgs),
    /// Let a paused run go on
    Resume(StoreArgs),
    /// Change a setting of the run at work: llm.concurrency, llm.documents, llm.limits.*, budget.max_usd
    Set(SetArgs),
    /// Let the run at work read its settings file again
    Reload(StoreArgs),
    /// Let the run at work give documents up
    Cancel(CancelArgs),
    /// Let documents be asked about again by the next run
    Requeue(RequeueArgs),
    /// List past runs, and point out those that are worse than usual
    Runs(RunsArgs),
    /// Make a page that shows what a run did: report.html
    Report(ReportArgs),
    /// Drop what no result is made of any more
    Prune(PruneArgs),
    /// List the built-in jobs, or print one to start from
    Jobs(JobsArgs),
    /// Show what models cost, as far as docmill knows
    Prices(PricesArgs),
    /// Show the settings in force
    Config(ConfigArgs),
    /// Run the built-in model server by itself
    Simulate(SimulateArgs),
    /// Read documents for another docmill
    #[command(hide = true, name = READ_DOCUMENTS)]
    ReadDocuments(ReadDocumentsArgs),
    /// Read a sheet for another docmill
    #[command(hide = true, name = READ_SHEET)]
    ReadSheet(ReadSheetArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit codes: 0 all rows ok; 1 internal error; 2 wrong arguments, settings or input; 3 finished with failed
rows; 4 stopped early (signal, full disk, server out of reach), the same command goes on; 5 refused by the
provider (key, model, credit); 130, 143 ended at once by a second Ctrl-C or SIGTERM.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Show an answer while it comes: llm.stream
    #[arg(long)]
    pub stream: bool,
    /// Try failures again that would end the same way, such as refused or too_long: all, or those of one code.
    /// Others, such as timed_out, are tried again anyway
    #[arg(long, value_name = "CODE", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub retry_failed: Option<String>,
    /// What becomes of calls that were in flight when a run died, and may have been billed
    #[arg(long, value_enum, default_value_t = InDoubt::Resend)]
    pub in_doubt: InDoubt,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Show nothing but failures
    #[arg(long, short)]
    pub quiet: bool,
    /// Every event as a line of JSON to this file, or - for stdout [default: report.events]
    #[arg(long, value_name = "FILE|-")]
    pub events: Option<String>,
    /// Metrics for Prometheus on http://ADDR/metrics; a port alone is on 127.0.0.1 [default: report.metrics]
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Traces for OpenTelemetry to the collector at URL, by OTLP over HTTP [default: report.traces]
    #[arg(long, value_name = "URL")]
    pub traces: Option<String>,
}

/// What is asked about which documents.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct WhatArgs {
    /// Files, directories, s3://BUCKET/PREFIX (gs, az), https://HOST/FILE [default: input.paths]
    pub input: Vec<String>,
    /// A table whose rows are documents: CSV, TSV, JSON, Parquet, BOOK.xlsx#SHEET; .gz and .zst too; - is standard input. May be repeated
    #[arg(long, value_name = "TABLE")]
    pub rows: Vec<String>,
    /// What a table among INPUT is: one document, or rows that are documents [default: input.tables]
    #[arg(long, value_name = "document|rows")]
    pub tables: Option<String>,
    /// The column that is the text of a row [default: all columns]
    #[arg(long, value_name = "COLUMN")]
    pub text_column: Option<String>,
    /// The column that names a row in the results [default: its number]
    #[arg(long, value_name = "COLUMN")]
    pub id_column: Option<String>,
    /// Columns that stand in the results as they are, with commas between
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub keep_columns: Vec<String>,
    /// A file with the paths of documents, a line each; - is standard input
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<String>,
    /// Stop before more than this is spent in the output directory, earlier runs included [default: budget.max_usd]
    #[arg(long, value_name = "USD")]
    pub max_usd: Option<f64>,
    /// A built-in job, the path of a job file, or auto [default: job.use]
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
    /// Where results go [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    /// Keep results of other documents, and add these [default: output.existing]
    #[arg(long, conflicts_with = "replace")]
    pub add: bool,
    /// Let results of other documents go
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InDoubt {
    /// They are sent again
    Resend,
    /// They are not: their documents get the code in_doubt
    Skip,
}

#[derive(Debug, Clone, Default, ClapArgs)]
pub(super) struct SettingsArgs {
    /// Settings file [default: pipeline.toml in the current directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, such as llm.concurrency=200; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReadDocumentsArgs {
    /// Memory that it may take, in megabytes
    pub megabytes: u64,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReadSheetArgs {
    /// Memory that it may take, in megabytes
    pub megabytes: u64,
    /// Computing time that it may take
    pub seconds: u64,
    /// What its reader is called
    pub format: String,
    /// The workbook
    pub file: PathBuf,
    /// The sheet
    pub sheet: Option<String>,
    /// The column that tells its rows apart
    #[arg(long)]
    pub id_column: Option<String>,
}

/// Which run store.
#[derive(Debug, ClapArgs)]
pub(super) struct StoreArgs {
    /// The output directory [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
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
pub(super) struct PricesArgs {
    /// Ids of models [default: all]
    pub models: Vec<String>,
    /// For programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
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
The server speaks Anthropic Messages (POST /v1/messages), OpenAI Chat Completions and Responses (/v1/chat/completions,
/v1/responses) and Gemini (/v1beta/models/MODEL:generateContent) on 127.0.0.1, whole and as streams. GET /ledger tells
what it has served. Answers fit the schema asked for and are marked [simulated]. Token limits, limits that change, the
prompt cache and prices are keys of the scenario file.")]
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
    /// Seconds in the retry-after header of a 429; 0: computed from the limit
    #[arg(long, value_name = "S")]
    pub retry_after_s: Option<f64>,
    /// Requests in work beyond this number are refused as overload
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Key that clients must send
    #[arg(long, value_name = "KEY")]
    pub require_key: Option<String>,
    /// Share of attempts that go wrong, such as server_error=0.05; may be repeated. Kinds: rate_limited, server_error,
    /// overloaded, reset, hang, truncated_body, garbage, refusal, cut, invalid, stream_error, stall, drip
    #[arg(long = "fault", value_name = "KIND=SHARE")]
    pub faults: Vec<String>,
}
