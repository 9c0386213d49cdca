//! Arguments of commands that use a run store, during and after a run.

use super::{SettingsArgs, StoreArgs};
use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::{Args as ClapArgs, ValueEnum};
use std::ffi::OsStr;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print JSON to stdout; with --watch, a line for each event
    #[arg(long)]
    pub json: bool,
    /// Follow the active run until it ends
    #[arg(long)]
    pub watch: bool,
    /// A shared run: a directory or s3://BUCKET/PREFIX (gs, az)
    #[arg(long, value_name = "RUN", conflicts_with_all = ["watch", "output"])]
    pub run: Option<String>,
    /// Only these shards of --run, separated by commas; with --json
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires_all = ["run", "json"])]
    pub shards: Vec<u32>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RunsArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Print JSON to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "The provider of the settings makes the vector of the text, with the model and prefix of the run. \
    This request is not in the run store.")]
pub(in crate::cli) struct SearchArgs {
    /// Output directory of a run that embedded its documents
    #[arg(value_name = "DIR")]
    pub directory: String,
    /// What to look for
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Number of documents
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub top: usize,
    /// Job whose vectors are searched [default: that of the newest run with vectors]
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Task whose vectors are searched [default: the first by name]
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// Print a line of JSON for each document, with its best passage
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "A file has the columns document, chunk, page, text and vector: a list of 32-bit numbers of fixed size.\n\n\
    A database becomes equal to the chunks in the run store: new and changed chunks are written, vanished ones removed. \
    Repeat the command after each run.")]
pub(in crate::cli) struct VectorsArgs {
    /// A file such as vectors.parquet, a database (env:DATABASE_URL), or a collection of Qdrant
    /// (http://localhost:6333/collections/NAME; its key is in QDRANT_API_KEY)
    #[arg(value_name = "FILE|DATABASE|COLLECTION")]
    pub target: String,
    /// Table of the database; {job} and {dir} stand for the job and the output directory
    #[arg(long, value_name = "NAME", default_value = "docmill_{job}_vectors")]
    pub table: String,
    /// Replaces a table that has other results of docmill
    #[arg(long)]
    pub replace: bool,
    /// Job whose vectors are written [default: that of the newest run with vectors]
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Task whose vectors are written [default: the first by name]
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SetArgs {
    /// Settings, such as llm.concurrency=64; docmill sets all of them or none
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Output directory [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    /// Settings file [default: pipeline.toml in the current directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Calls in flight finish, and docmill keeps their answers. The row gets the code cancelled. \
    Later runs ask about the document again only after `docmill requeue` or with --retry-failed=cancelled.")]
pub(in crate::cli) struct CancelArgs {
    /// Names, as in the results
    #[arg(required = true, value_name = "DOCUMENT")]
    pub documents: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "The next run asks again, and results stay unchanged until then. A run that is active now \
    may have passed the document.")]
pub(in crate::cli) struct RequeueArgs {
    /// Names, as in the results
    #[arg(required = true, value_name = "DOCUMENT")]
    pub documents: Vec<String>,
    /// Repeat all calls, and pay again for those with an answer; otherwise only failed calls
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "The page is one file that needs no network. The command only reads the run store, even during \
    a run, and sends nothing.")]
pub(in crate::cli) struct ReportArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// File for the page [default: report.html in the output directory]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Number of the run [default: the newest]
    #[arg(long, value_name = "N")]
    pub run: Option<i64>,
    /// Print the figures of the page as JSON to stdout, and write no page
    #[arg(long, conflicts_with = "to")]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ExportArgs {
    /// Only this job's results
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Formats, separated by commas: csv, jsonl, json, parquet, arrow, xlsx [default: output.formats]; or
    /// postgres, alone: writes missing rows to the database of output.postgres
    #[arg(long, value_parser = FormatParser, value_delimiter = ',', value_name = "FORMAT")]
    pub format: Vec<ExportFormat>,
    /// Another directory, or - for stdout (one job and one format)
    #[arg(long, value_name = "DIR|-")]
    pub to: Option<String>,
    /// Export the newest run even if it is incomplete and an earlier one is complete
    #[arg(long)]
    pub partial: bool,
    /// Replace existing results without asking, even by fewer rows
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
    Parquet,
    Arrow,
    Xlsx,
    Postgres,
}

/// Reads a format with blanks around it, as in `csv, xlsx`.
#[derive(Clone)]
struct FormatParser;

impl TypedValueParser for FormatParser {
    type Value = ExportFormat;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<ExportFormat, clap::Error> {
        let bare = value.to_str().map_or(value, |text| OsStr::new(text.trim()));
        EnumValueParser::<ExportFormat>::new().parse_ref(command, arg, bare)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(ExportFormat::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Drops documents that no result contains any more (edited, renamed or deleted since), with \
    their paid answers. Drops rows of earlier settings or jobs, too. Keeps all answers about documents in results. \
    Keeps documents that were not part of the last run because it had other inputs.")]
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
