//! The command line arguments.

mod after;
mod before;
mod budget;
mod inner;
mod number;
mod servers;
mod shards;
mod shell;
mod watch;

pub(super) use after::{
    CancelArgs, ExportArgs, ExportFormat, PruneArgs, ReportArgs, RequeueArgs, RunsArgs, SearchArgs, SetArgs, StatusArgs, VectorsArgs,
};
pub(super) use before::{CompareArgs, DoctorArgs, InitArgs, InspectArgs, PlanArgs, RehearseArgs, TrustArgs, TuneArgs};
pub(super) use budget::{BudgetArgs, BudgetCommand, BudgetServeArgs, BudgetStatusArgs};
pub(super) use inner::{ReadDocumentsArgs, ReadSheetArgs, ReadTableArgs, UnpackArgs};
pub(super) use servers::{ServeArgs, SimulateArgs};
pub(super) use shards::{ManifestArgs, MergeArgs, ShardsArgs, ShardsCommand, ShardsPlanArgs};
pub(super) use shell::{CompletionsArgs, ManArgs, McpArgs, SchemaArgs, SchemaOf, SkillArgs};
pub(super) use watch::WatchArgs;

use crate::engine::{READ_DOCUMENTS, Sample, Selection};
use crate::read::{READ_SHEET, READ_TABLE, UNPACK};
use crate::shards::ShardChoice;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// make for documents and models: runs a language-model job over a directory and writes ordered,
/// typed results.
#[derive(Debug, Parser)]
#[command(name = "docmill", version, max_term_width = 100)]
#[command(after_help = crate::manual::topics())]
pub(super) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write settings and a job file, and try them on three documents
    Init(InitArgs),
    /// Run a job over documents, or bring its results up to date
    Run(RunArgs),
    /// Run a job over documents as they arrive, until it is stopped
    Watch(WatchArgs),
    /// Predict documents, calls, cost and time of a run, and send nothing
    Plan(PlanArgs),
    /// Run the whole job against the built-in server instead of the provider
    Rehearse(RehearseArgs),
    /// Find good settings with a few documents, and keep their answers
    Tune(TuneArgs),
    /// Show what a run would send for a document
    Inspect(InspectArgs),
    /// List the documents of a run on many machines, and freeze the list
    Manifest(ManifestArgs),
    /// Divide a run into shards for many machines
    Shards(ShardsArgs),
    /// Put the results of all shards together, in order
    Merge(MergeArgs),
    /// Show what is done, failed, pending and in doubt, and the command to continue
    Status(StatusArgs),
    /// Find the passages nearest to a text, in documents that a job has embedded
    Search(SearchArgs),
    /// Write the vectors of embedded documents into Parquet, PostgreSQL or Qdrant
    Vectors(VectorsArgs),
    /// Write result files from the run store, in any format
    Export(ExportArgs),
    /// Check run store, result files, inputs and bill against each other
    Verify(StoreArgs),
    /// Compare jobs, models and prompts, or parallel against sequential processing
    Compare(CompareArgs),
    /// Pause the active run
    Pause(StoreArgs),
    /// Resume a paused run
    Resume(StoreArgs),
    /// Change a setting of the active run: llm.concurrency, llm.documents, llm.limits.*,
    /// budget.max_usd, budget.max_usd_per_day
    Set(SetArgs),
    /// Make the active run read its settings file again
    Reload(StoreArgs),
    /// Cancel documents in the active run
    Cancel(CancelArgs),
    /// Make the next run ask again about documents
    Requeue(RequeueArgs),
    /// List past runs, and mark those that are worse than usual
    Runs(RunsArgs),
    /// Write a page about a run: report.html
    Report(ReportArgs),
    /// Drop answers that no result uses
    Prune(PruneArgs),
    /// List the built-in jobs, or print one to start from
    Jobs(JobsArgs),
    /// Show the price table
    Prices(PricesArgs),
    /// Show the settings in force
    Config(ConfigArgs),
    /// Print the JSON Schema of settings or job files
    Schema(SchemaArgs),
    /// Check disk, limits, kernel, key, provider, clock and prices before a run
    Doctor(DoctorArgs),
    /// Trust the settings file of a directory: its addresses, headers and commands
    Trust(TrustArgs),
    /// Serve a queue of runs to clients: submit, follow, fetch results
    Serve(ServeArgs),
    /// Let agents plan, run and read results, by the Model Context Protocol
    Mcp(McpArgs),
    /// Print how a coding agent uses docmill, or install that as a skill
    Skill(SkillArgs),
    /// Share limits and money between docmill processes on many machines
    Budget(BudgetArgs),
    /// Print the script that completes docmill's commands in a shell
    Completions(CompletionsArgs),
    /// Write pages for man into a directory
    Man(ManArgs),
    /// Run the built-in model server alone
    Simulate(SimulateArgs),
    /// Read documents for another docmill process
    #[command(hide = true, name = READ_DOCUMENTS)]
    ReadDocuments(ReadDocumentsArgs),
    /// Read a sheet for another docmill process
    #[command(hide = true, name = READ_SHEET)]
    ReadSheet(ReadSheetArgs),
    /// Decode a table for another docmill process
    #[command(hide = true, name = READ_TABLE)]
    ReadTable(ReadTableArgs),
    /// Unpack files for another docmill process
    #[command(hide = true, name = UNPACK)]
    Unpack(UnpackArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit codes:
  0    all rows are ok
  1    internal error
  2    wrong arguments, settings or input
  3    finished with failed rows (--accept-failed names codes that are no failure)
  4    stopped early (signal, full disk, server out of reach); run the same command again
  5    refused by the provider (key, model, credit)
  6    another docmill is at work in the output directory; wait until it ends
  64   with --run or --shard: wrong arguments or settings, or refused; do not start it again
  75   with --shard: stopped early; start it again later
  76   with --shard: another attempt has claimed the shard
  130  ended at once by a second Ctrl-C
  143  ended at once by a second SIGTERM")]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub some: SomeArgs,
    /// Stream answers and show them while they arrive (llm.stream)
    #[arg(long)]
    pub stream: bool,
    /// Also retry permanent failures, such as refused or too_long: all, or those with one code.
    /// Transient failures, such as timed_out, are always retried
    #[arg(long, value_name = "CODE", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub retry_failed: Option<String>,
    #[command(flatten)]
    pub conduct: ConductArgs,
    /// Run one shard of this shared run: a directory or s3://BUCKET/PREFIX (gs, az)
    #[arg(long, value_name = "RUN", requires = "shard", conflicts_with_all = ["output", "limit", "sample", "add", "replace"])]
    pub run: Option<String>,
    /// The shard, such as 3/24 (counted from 0), or auto: the number of the task in Kubernetes, Slurm or
    /// AWS Batch, or DOCMILL_SHARD
    #[arg(long, value_name = "N/COUNT|auto", requires = "run")]
    pub shard: Option<ShardChoice>,
}

/// How a run goes on after failures, and what it tells.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct ConductArgs {
    /// Failure codes, separated by commas, of rows that do not cause exit code 3 [default:
    /// output.accept_failed]
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub accept_failed: Vec<String>,
    /// What to do with calls that were in flight when a run died. They may have been billed
    #[arg(long, value_enum, default_value_t = InDoubt::Resend)]
    pub in_doubt: InDoubt,
    /// Format of progress on stderr
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Show only failures, warnings and notes
    #[arg(long, short)]
    pub quiet: bool,
    /// Write every event as a line of JSON to this file, or - for stdout [default: report.events]
    #[arg(long, value_name = "FILE|-")]
    pub events: Option<String>,
    /// Serve Prometheus metrics on http://ADDR/metrics; a port alone is on 127.0.0.1 [default:
    /// report.metrics]
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Send OpenTelemetry traces to the collector at URL, by OTLP over HTTP [default:
    /// report.traces]
    #[arg(long, value_name = "URL")]
    pub traces: Option<String>,
}

/// The documents, the job and the output directory.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct WhatArgs {
    /// Files, directories, s3://BUCKET/PREFIX (gs, az), https://HOST/FILE [default: input.paths]
    pub input: Vec<String>,
    /// Table whose rows are documents: CSV, TSV, JSON, Parquet or BOOK.xlsx#SHEET, also as .gz or
    /// .zst; - is standard input. May be repeated
    #[arg(long, value_name = "TABLE")]
    pub rows: Vec<String>,
    /// Treat a table in INPUT as one document, or its rows as documents [default: input.tables]
    #[arg(long, value_name = "document|rows")]
    pub tables: Option<String>,
    /// Column with the text of a row [default: all columns]
    #[arg(long, value_name = "COLUMN")]
    pub text_column: Option<String>,
    /// Column that names a row in the results [default: its number]
    #[arg(long, value_name = "COLUMN")]
    pub id_column: Option<String>,
    /// Columns to copy into the results, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub keep_columns: Vec<String>,
    /// File with the paths of documents, one per line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<String>,
    /// Cap on the cost of everything in the output directory, earlier runs included [default:
    /// budget.max_usd]
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = number::cap)]
    pub max_usd: Option<f64>,
    /// A built-in job, the path of a job file, or auto [default: job.use]
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
    /// Ask only these tasks of the job, separated by commas [default: job.tasks]
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    pub tasks: Vec<String>,
    /// Output directory [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    /// Keep results of other documents, and add these [default: output.existing]
    #[arg(long, conflicts_with = "replace")]
    pub add: bool,
    /// Remove results of other documents
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// A part of the documents.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(super) struct SomeArgs {
    /// Only the first N documents, in input order
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number::count, conflicts_with = "sample")]
    pub limit: Option<u64>,
    /// Only N documents from all parts of the input; the same ones each time
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number::count)]
    pub sample: Option<u64>,
}

impl SomeArgs {
    /// The selected documents.
    pub fn selection(self) -> Selection {
        let sample = self.sample.map(|documents| Selection::Sample(Sample { documents, seed: 0 }));
        self.limit.map(Selection::First).or(sample).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InDoubt {
    /// Send them again
    Resend,
    /// Do not send them; their documents get the code in_doubt
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

/// The run store.
#[derive(Debug, ClapArgs)]
pub(super) struct StoreArgs {
    /// Output directory [default: output.dir]
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
    /// Check job files, and send nothing
    Check {
        /// Job files, or names of built-in jobs
        #[arg(required = true, value_name = "FILE|NAME")]
        jobs: Vec<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct PricesArgs {
    /// Ids of models [default: all]
    pub models: Vec<String>,
    /// Print JSON to stdout
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
    /// Print every setting with its value and its source
    Show(SettingsArgs),
}
