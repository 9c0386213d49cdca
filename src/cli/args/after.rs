//! Commands that look at a run store: while a run is at work, and afterwards.

use super::StoreArgs;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct StatusArgs {
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
pub(in crate::cli) struct RunsArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// As JSON, to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SetArgs {
    /// Such as llm.concurrency=64; of several all are set, or none
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
pub(in crate::cli) struct CancelArgs {
    /// Names, as in the results
    #[arg(required = true, value_name = "DOCUMENT")]
    pub documents: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Results stay as they are until there are new answers. A run at work has passed the document already: the next one asks.")]
pub(in crate::cli) struct RequeueArgs {
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
pub(in crate::cli) struct ReportArgs {
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
pub(in crate::cli) struct ExportArgs {
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
    /// Let results with fewer rows take the place of those that are there
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    Csv,
    Jsonl,
    Json,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Dropped are documents that are in no result any more (edited, renamed or deleted since), with their paid answers, and rows
made with settings or jobs of the past. Answers about documents that are there stay, whatever model gave them, and so do
those about documents that only were not part of the last run: it had other inputs.")]
pub(in crate::cli) struct PruneArgs {
    /// Also drop documents that were not part of the last run because it had other inputs
    #[arg(long)]
    pub all: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}
