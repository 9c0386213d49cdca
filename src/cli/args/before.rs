//! Arguments of commands for use before a run.

use super::{SettingsArgs, SomeArgs, WhatArgs, number};
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_help = "On a terminal, docmill asks for what the options leave open. It writes pipeline.toml, job.toml and \
    .docmill (schemas for editors), overwrites neither settings nor jobs, and then runs three documents on the simulator. \
    It sends nothing.")]
pub(in crate::cli) struct InitArgs {
    /// Directory for the files [default: the current directory]
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Directory, file or table with the documents
    #[arg(long, value_name = "PATH")]
    pub documents: Option<String>,
    /// The provider: simulated, anthropic, openai, openai-responses, gemini or openai-compatible
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The model [default: the provider's usual one]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Address of an openai-compatible server, such as http://localhost:8000/v1
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// What to ask about each document, in your words
    #[arg(long, value_name = "TEXT", conflicts_with = "job")]
    pub ask: Option<String>,
    /// A built-in job or a job file, instead of --ask
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Sends nothing and writes nothing, unless you pass --pilot. It says how many of ten bills lie within a range.")]
pub(in crate::cli) struct PlanArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub some: SomeArgs,
    /// First run N documents from all parts of the input, and keep their answers
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number::count)]
    pub pilot: Option<u64>,
    /// Start a pilot that may cost more than $1 without asking
    #[arg(long)]
    pub yes: bool,
    /// Print JSON to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Sends nothing to the provider, needs no key, and discards the results. The answers are \
    simulated: a real run has as many, but of other lengths.")]
pub(in crate::cli) struct RehearseArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Use only N documents, from all parts of the input
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number::count)]
    pub documents: Option<u64>,
    /// Milliseconds until a reply [default: as measured in earlier runs]
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// Maximum random addition to --latency-ms, in milliseconds
    #[arg(long, value_name = "MS", requires = "latency_ms")]
    pub jitter_ms: Option<u64>,
    /// Speed up replies and limits K times; reported times are scaled back
    #[arg(long, value_name = "K", default_value_t = 1.0)]
    pub speed: f64,
    /// Print JSON to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct TuneArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Documents in each round; their answers are kept
    #[arg(long, value_name = "N", default_value_t = 30, allow_negative_numbers = true, value_parser = number::count)]
    pub documents: u64,
    /// Maximum number of rounds
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true, value_parser = number::count)]
    pub rounds: u64,
    /// Write the recommended settings to the settings file
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct InspectArgs {
    /// Document to inspect: a file, or a row of a table as TABLE#ID
    pub file: PathBuf,
    /// Column with the text of a row [default: input.text_column, or all columns]
    #[arg(long, value_name = "COLUMN")]
    pub text_column: Option<String>,
    /// Column that names a row [default: input.id_column, or its number]
    #[arg(long, value_name = "COLUMN")]
    pub id_column: Option<String>,
    /// A built-in job, the path of a job file, or auto [default: job.use]
    #[arg(long, value_name = "NAME|FILE")]
    pub job: Option<String>,
    /// Show complete calls with their prompts
    #[arg(long)]
    pub calls: bool,
    /// Show the HTTP request of each call: address, headers and body, without keys and images
    #[arg(long, conflicts_with = "calls")]
    pub request: bool,
    /// Write texts and images as files to this directory
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "docmill writes to DIR/compare: a run store for each variant, compare.csv with a line for each \
    document, and compare.json. The stores keep all answers of variants, so you pay for each once. Results in DIR \
    stay unchanged, and variants reuse its answers. Each --sequential pays for both of its runs, because a \
    measurement never uses stored answers.")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command")]
pub(in crate::cli) struct CompareArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Run the documents one call after another, then with the current settings, and compare the
    /// times
    #[arg(long, conflicts_with_all = ["variants", "field", "labels", "label_column"])]
    pub sequential: bool,
    /// A variant: a job and settings, such as 'material llm.model=gpt-6-luna' or mine.toml. May be
    /// repeated
    #[arg(long = "variant", value_name = "JOB [KEY=VALUE]...", required_unless_present = "sequential", conflicts_with = "job")]
    pub variants: Vec<String>,
    /// Use only N documents, from all parts of the input
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number::count)]
    pub documents: Option<u64>,
    /// Column to compare [default: the only column best_... that all variants have]
    #[arg(long, value_name = "COLUMN")]
    pub field: Option<String>,
    /// Correct answers: a CSV file with columns document and label
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Column of FILE with the labels
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    pub label_column: Option<String>,
    /// Do not ask before spending money: any with --sequential, more than $1 with --variant
    #[arg(long)]
    pub yes: bool,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
    /// Print JSON to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Sends at most one request, for the provider's list of models, which costs nothing. Exit code 0: no \
    problem; 3: problems.")]
pub(in crate::cli) struct DoctorArgs {
    /// Output directory [default: output.dir]
    #[arg(value_name = "DIR")]
    pub directory: Option<String>,
    /// The same as DIR, as other commands take it
    #[arg(long, value_name = "DIR", conflicts_with = "directory")]
    pub output: Option<String>,
    /// Print JSON to stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct TrustArgs {
    /// A settings file, or a directory with a pipeline.toml [default: pipeline.toml]
    pub file: Option<PathBuf>,
}
