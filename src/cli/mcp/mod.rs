//! `docmill mcp`: plans, runs and reads results for agents, by the Model Context Protocol.
//!
//! A run is a process of its own. It goes on if the client or this server ends: its cap bounds the
//! cost, its answers are stored, and any later server or terminal can follow or cancel it.

mod advice;
mod arguments;
mod paths;
mod processes;
mod results;
mod tools;

use super::args::McpArgs;
use super::exit::{CliError, Exit};
use super::runtime;
use crate::progress::say;
use paths::Paths;
use processes::Processes;
use rmcp::ServiceExt as _;
use std::io::IsTerminal as _;
use std::sync::Arc;

/// The server of one client.
pub(super) struct McpServer {
    /// Settings of the command line, for all runs.
    config: super::args::SettingsArgs,
    paths: Arc<Paths>,
    /// Cap on the caps of all runs, in US dollars.
    most: Option<f64>,
    processes: Processes,
}

pub(super) fn mcp(args: &McpArgs) -> Result<Exit, CliError> {
    let sets_cap = |setting: &String| setting.split('=').next().is_some_and(|key| key.trim() == "budget.max_usd");
    if args.settings.set.iter().any(sets_cap) {
        return Err(CliError::usage("--set budget.max_usd: clients name the caps of their runs. Use --max-usd"));
    }
    let server = McpServer {
        config: args.settings.clone(),
        paths: Paths::new(&args.allow)?.into(),
        most: args.max_usd,
        processes: Processes::new()?,
    };
    if std::io::stdin().is_terminal() {
        say("docmill mcp speaks the Model Context Protocol on stdin and stdout. Clients start it (docmill help deploy)");
    }
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let running = server.serve(rmcp::transport::stdio()).await.map_err(|error| error.to_string())?;
        running.waiting().await.map_err(|error| error.to_string())
    });
    // A pending read of stdin must not hold the program up.
    runtime.shutdown_background();
    served.map(|_| Exit::Ok).map_err(|why| CliError::usage(format!("mcp: {why}")))
}
