//! `docmill simulate`: runs the built-in model server alone.

use super::args::SimulateArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::runtime;
use crate::setup::scenario_file;
use crate::simulator::{Scenario, Simulator};

pub(super) fn simulate(args: &SimulateArgs) -> Result<Exit, CliError> {
    let scenario = scenario(args)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let simulator = Simulator::start(scenario, args.port).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => CliError::usage(format!("scenario: {error}")),
            _ => CliError::usage(format!("port {}: cannot listen: {error}", args.port)),
        })?;
        print(&format!("listening on {0} (OpenAI clients: {0}/v1), model simulated-small; Ctrl-C ends it", simulator.base_url()))?;
        tokio::signal::ctrl_c().await.map_err(CliError::internal)?;
        let ledger = serde_json::to_string_pretty(&simulator.ledger()).map_err(CliError::internal)?;
        print(&ledger)?;
        simulator.stop().await;
        Ok(Exit::Ok)
    })
}

fn scenario(args: &SimulateArgs) -> Result<Scenario, CliError> {
    let mut scenario = args.scenario.as_deref().map(scenario_file).transpose()?.unwrap_or_default();
    let Scenario { seed, latency_ms, jitter_ms, requests_per_second, retry_after_s, concurrency, require_key, .. } = &mut scenario;
    set(seed, args.seed.as_ref());
    set(latency_ms, args.latency_ms.as_ref());
    set(jitter_ms, args.jitter_ms.as_ref());
    set(requests_per_second, args.requests_per_second.as_ref());
    set(retry_after_s, args.retry_after_s.as_ref());
    set(concurrency, args.concurrency.as_ref());
    set(require_key, args.require_key.as_ref());
    for fault in &args.faults {
        let wrong = || CliError::usage(format!("--fault {fault}: expected KIND=SHARE, such as server_error=0.05"));
        let (kind, share) = fault.split_once('=').ok_or_else(wrong)?;
        let share: f64 = share.parse().map_err(|_| wrong())?;
        let faults = &mut scenario.faults;
        let slot = match kind {
            "rate_limited" => &mut faults.rate_limited,
            "server_error" => &mut faults.server_error,
            "overloaded" => &mut faults.overloaded,
            "reset" => &mut faults.reset,
            "hang" => &mut faults.hang,
            "truncated_body" => &mut faults.truncated_body,
            "garbage" => &mut faults.garbage,
            "refusal" => &mut faults.refusal,
            "cut" => &mut faults.cut,
            "invalid" => &mut faults.invalid,
            "stream_error" => &mut faults.stream_error,
            "stall" => &mut faults.stall,
            "drip" => &mut faults.drip,
            _ => return Err(wrong()),
        };
        *slot = share;
    }
    Ok(scenario)
}

fn set<T: Clone>(slot: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        slot.clone_from(value);
    }
}
