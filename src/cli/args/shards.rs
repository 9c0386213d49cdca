//! Arguments of commands for runs on many machines.

use super::{SettingsArgs, WhatArgs};
use crate::shards::MOST_SHARDS;
use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ManifestArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Where all machines share the run: a directory or s3://BUCKET/PREFIX (gs, az)
    #[arg(long, value_name = "RUN")]
    pub run: String,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ShardsArgs {
    #[command(subcommand)]
    pub command: ShardsCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ShardsCommand {
    /// Freeze shards, job and settings of a shared run
    Plan(ShardsPlanArgs),
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ShardsPlanArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// Where all machines share the run: a directory or s3://BUCKET/PREFIX (gs, az)
    #[arg(long, value_name = "RUN")]
    pub run: String,
    /// Number of shards, at most 10000 [default: one for 500 documents]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)))]
    pub shards: Option<u32>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct MergeArgs {
    /// The shared run: a directory or s3://BUCKET/PREFIX (gs, az)
    #[arg(long, value_name = "RUN")]
    pub run: String,
    /// Output directory [default: output.dir]
    #[arg(long, value_name = "DIR")]
    pub output: Option<String>,
    /// Replace the merged results of another run
    #[arg(long)]
    pub replace: bool,
    /// Merge although shards are missing; exit code 4
    #[arg(long)]
    pub allow_missing: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}
