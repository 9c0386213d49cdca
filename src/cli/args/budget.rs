//! Arguments of `docmill budget`.

use super::{SettingsArgs, number};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct BudgetArgs {
    #[command(subcommand)]
    pub command: BudgetCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BudgetCommand {
    /// Share limits and money between docmill processes on many machines
    Serve(BudgetServeArgs),
    /// Show what a budget service has granted, and what was used
    Status(BudgetStatusArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The limits apply to each account that processes name (address, model and key), the cap to all together.
Processes find the service by budget.service and budget.token. More: docmill help budget")]
pub(in crate::cli) struct BudgetServeArgs {
    /// Directory of the ledger, which a restarted service goes on with
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Listen on this port of 127.0.0.1, or on ADDRESS:PORT (needs a token and HTTPS)
    #[arg(long, value_name = "ADDRESS", default_value = "7077")]
    pub bind: String,
    /// File with the token of the service. If it does not exist, a new token is written to it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates in PEM format, for HTTPS
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate in PEM format
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Requests per minute; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub requests_per_minute: u32,
    /// Input tokens per minute; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub input_tokens_per_minute: u32,
    /// Output tokens per minute; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub output_tokens_per_minute: u32,
    /// Input and output tokens per minute; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub tokens_per_minute: u32,
    /// Requests in flight; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub in_flight: u32,
    /// Cap on the money of all runs, in US dollars
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = number::dollars)]
    pub max_usd: Option<f64>,
    /// Processes that share the limits equally while the service is away [default: they stop]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub nodes: u32,
    /// Begin with a tenth of the limits, and grow by a fifth every ten seconds
    #[arg(long)]
    pub slow_start: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct BudgetStatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}
