//! Commands for the time before a run.

use super::{SettingsArgs, WhatArgs};
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Sends nothing and writes nothing, unless --pilot is given. Intervals hold with a confidence of 95 %.")]
pub(in crate::cli) struct PlanArgs {
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

#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Nothing goes to the provider, no key is needed, and results are thrown away. Answers are made up: their number is that of a
run, their length is not.")]
pub(in crate::cli) struct RehearseArgs {
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

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct TuneArgs {
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

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct InspectArgs {
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

#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "\
Everything goes to DIR/compare: a run store for each variant, whose answers are kept and paid once; compare.csv, a line for
each document; compare.json. The user's own results in DIR are not touched; what is answered in DIR is not asked again. A
measuring run is never answered from a store: both runs of --sequential are paid for each time.")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command")]
pub(in crate::cli) struct CompareArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Run the documents one call after another, and then with the settings as they are: what is it worth to be parallel?
    #[arg(long, required_unless_present = "variants", conflicts_with_all = ["variants", "field", "labels", "label_column"])]
    pub sequential: bool,
    /// A job and settings that make a variant, such as 'material llm.model=gpt-6-luna' or mine.toml. To be repeated
    #[arg(long = "variant", value_name = "JOB [KEY=VALUE]...", conflicts_with = "job")]
    pub variants: Vec<String>,
    /// Only so many documents, from all parts of the input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub documents: Option<u64>,
    /// The column that is compared [default: the one best_... that all variants have]
    #[arg(long, value_name = "COLUMN")]
    pub field: Option<String>,
    /// What is right: a CSV file with columns document and label
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// The column of FILE that is the label
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    pub label_column: Option<String>,
    /// Do not ask before money is spent: any with --sequential, more than $1 with --variant
    #[arg(long)]
    pub yes: bool,
    /// Show no progress of the runs
    #[arg(long, short)]
    pub quiet: bool,
    /// As JSON, to stdout
    #[arg(long)]
    pub json: bool,
}
