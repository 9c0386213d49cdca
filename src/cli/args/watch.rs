//! Arguments of `docmill watch`.

use super::{InDoubt, Progress, RunArgs, SomeArgs, WhatArgs};
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
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
    /// Lines on stdout in the order in which they are finished, and not in that of standard input
    #[arg(long)]
    pub unordered: bool,
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

impl WatchArgs {
    /// The same as arguments of `docmill run`.
    pub fn as_run(&self) -> RunArgs {
        RunArgs {
            what: self.what.clone(),
            some: SomeArgs { limit: None, sample: None },
            stream: false,
            retry_failed: None,
            accept_failed: self.accept_failed.clone(),
            in_doubt: self.in_doubt,
            progress: self.progress,
            quiet: self.quiet,
            events: self.events.clone(),
            metrics: self.metrics.clone(),
            traces: self.traces.clone(),
        }
    }
}
