//! Arguments of `docmill watch`.

use super::{ConductArgs, RunArgs, SomeArgs, WhatArgs};
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(
    mut_arg("rows", |arg| arg.hide(true)),
    mut_arg("files_from", |arg| arg.hide(true)),
    mut_arg("tables", |arg| arg.hide(true))
)]
#[command(after_help = "\
Exit codes:
  0    stopped by Ctrl-C or SIGTERM, or at the end of standard input with all rows ok
  1    internal error
  2    wrong arguments, settings or input
  3    at the end of standard input, with failed rows
  4    stopped early (full disk, server out of reach, budget); run the same command again
  5    refused by the provider (key, model, credit)
  6    another docmill is at work in the output directory")]
pub(in crate::cli) struct WatchArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    /// With -: lines on stdout in the order in which they are finished, not in that of standard input
    #[arg(long)]
    pub unordered: bool,
    #[command(flatten)]
    pub conduct: ConductArgs,
}

impl WatchArgs {
    /// The same as arguments of `docmill run`.
    pub fn as_run(&self) -> RunArgs {
        RunArgs {
            what: self.what.clone(),
            some: SomeArgs { limit: None, sample: None },
            stream: false,
            retry_failed: None,
            conduct: self.conduct.clone(),
            run: None,
            shard: None,
        }
    }
}
