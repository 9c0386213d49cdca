//! The arguments.

use crate::engine::READ_DOCUMENTS;
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
    /// Stop before more than this is spent in the output directory, earlier runs included [default: budget.max_usd]
    #[arg(long, value_name = "USD")]
    pub max_usd: Option<f64>,
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
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Sends nothing and writes nothing, unless --pilot is given. Intervals hold with a confidence of 95 %.")]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Run so many documents first, from all parts of the input; their answers are kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub pilot: Option<u64>,
    /// Begin a pilot that may cost more than $1 without asking
    #[arg(long)]
    pub yes: bool,
    /// As JSON, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Nothing goes to the provider, no key is needed, and results are thrown away. Answers are made up: their number is that of a
run, their length is not.")]
pub(super) struct RehearseArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Only so many documents, from all parts of the input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub documents: Option<u64>,
    /// Milliseconds until a reply [default: as earlier runs have measured it]
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// At most so much more, at random
    #[arg(long, value_name = "MS", requires = "latency_ms")]
    pub jitter_ms: Option<u64>,
    /// So many times as fast: replies and limits; what is told is scaled back
    #[arg(long, value_name = "K", default_value_t = 1.0)]
    pub speed: f64,
    /// As JSON, to stdout
    #[arg(long)]
    pub json: bool,
}

/// What is asked about which documents.
#[derive(Debug, ClapArgs)]
pub(super) struct WhatArgs {
    /// Files, directories, s3://BUCKET/PREFIX (gs, az), https://HOST/FILE [default: input.paths]
    pub input: Vec<String>,
    /// A table whose rows are documents: CSV, TSV, JSON lines or Parquet; - is standard input. May be repeated
    #[arg(long, value_name = "TABLE")]
    pub rows: Vec<String>,
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
    /// A built-in job, the path of a job file, or auto [default: job.use]
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
    /// Where results go [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
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

#[derive(Debug, ClapArgs)]
pub(super) struct TuneArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Documents in each round; their answers are kept
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub documents: u64,
    /// Rounds at the most
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u64,
    /// Write what is recommended to the settings file
    #[arg(long)]
    pub write: bool,
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
pub(super) struct InspectArgs {
    /// The document
    pub file: PathBuf,
    /// A built-in job, the path of a job file, or auto [default: job.use]
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
    /// Show whole calls, prompts and all
    #[arg(long)]
    pub calls: bool,
    /// Write texts and images to this directory as files
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReadDocumentsArgs {
    /// Memory that it may take, in megabytes
    pub megabytes: u64,
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

#[derive(Debug, ClapArgs)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// As JSON, to stdout; with --watch a line each time
    #[arg(long)]
    pub json: bool,
    /// Follow the run at work until it ends
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// As JSON, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SetArgs {
    /// Such as llm.concurrency=64; several are set one after the other
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// The output directory [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    /// Settings file [default: pipeline.toml in the current directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Calls in flight are finished and their answers kept; the row says cancelled. Later runs leave it alone, until `docmill
requeue` or --retry-failed=cancelled.")]
pub(super) struct CancelArgs {
    /// Names, as in the results
    #[arg(required = true, value_name = "DOCUMENT")]
    pub documents: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Results stay as they are until there are new answers. A run at work has passed the document already: the next one asks.")]
pub(super) struct RequeueArgs {
    /// Names, as in the results
    #[arg(required = true, value_name = "DOCUMENT")]
    pub documents: Vec<String>,
    /// All its calls, also those that have an answer, which is paid for again; not only those that failed
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The page is one file that needs no network. It is made of the run store, which is only read: at any time, also while a run
is at work. Nothing is sent.")]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where the page goes [default: report.html in the output directory]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Another run than the newest
    #[arg(long, value_name = "N")]
    pub run: Option<i64>,
    /// The figures of the page as JSON, to stdout, instead of a page
    #[arg(long, conflicts_with = "to")]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExportArgs {
    /// Only this job's results
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Formats, with commas between: csv, jsonl, json [default: output.formats]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT")]
    pub format: Vec<ExportFormat>,
    /// Another directory, or - for stdout (one job and one format)
    #[arg(long, value_name = "DIR|-")]
    pub to: Option<String>,
    /// The newest run as far as it got, also if an earlier one was complete
    #[arg(long)]
    pub partial: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    Csv,
    Jsonl,
    Json,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Everything goes to DIR/compare: a run store for each variant, whose answers are kept and paid once; compare.csv, a line for
each document; compare.json. The user's own results in DIR are neither used nor touched. A measuring run is never answered
from a store: both runs of --sequential are paid for each time.")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command")]
pub(super) struct CompareArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Run the documents one call after another, and then with the settings as they are: what is it worth to be parallel?
    #[arg(long, required_unless_present = "variants", conflicts_with_all = ["variants", "field", "labels", "label_column"])]
    pub sequential: bool,
    /// A job and settings that make a variant, such as 'material llm.model=gpt-6-luna' or mine.toml. To be repeated
    #[arg(long = "variant", value_name = "JOB [KEY=VALUE]...", conflicts_with = "job")]
    pub variants: Vec<String>,
    /// The column that is compared [default: the one best_... that all variants have]
    #[arg(long, value_name = "COLUMN")]
    pub field: Option<String>,
    /// What is right: a CSV file with columns document and label
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// The column of FILE that is the label
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    pub label_column: Option<String>,
    /// Do not ask before --sequential spends money
    #[arg(long)]
    pub yes: bool,
    /// Show no progress of the runs
    #[arg(long, short)]
    pub quiet: bool,
    /// As JSON, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Dropped are documents that are in no result any more (deleted, or edited since), with their paid answers, and rows made
with settings or jobs of the past. Answers about documents that are there stay, whatever model gave them.")]
pub(super) struct PruneArgs {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub store: StoreArgs,
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
