//! `docmill rehearse`: runs the whole job against the built-in server.

use super::args::RehearseArgs;
use super::exit::{CliError, Exit};
use super::flags::flags;
use super::plan::{Report, more_than_once};
use super::start_run::run_failed;
use super::{print, runtime, settings, tables};
use crate::ask::StopKind;
use crate::engine::{History, Plan, Sample};
use crate::model::{Money, RowStatus, RunFigures};
use crate::progress::{Style, duration};
use crate::setup::{Environment, RunOptions, Server, assemble};
use crate::simulator::Scenario;
use crate::store::{Archive, Requests};
use serde_json::{Value, json};
use std::path::Path;

/// Number of quantiles of measured reply times for the simulator.
const QUANTILES: usize = 101;

pub(super) fn rehearse(args: &RehearseArgs) -> Result<Exit, CliError> {
    if !(0.001..=1000.0).contains(&args.speed) {
        return Err(CliError::usage(format!("--speed {}: expected a number from 0.001 to 1000", args.speed)));
    }
    more_than_once(&args.what)?;
    let runtime = runtime()?;
    runtime.block_on(rehearsed(args))
}

async fn rehearsed(args: &RehearseArgs) -> Result<Exit, CliError> {
    let (_config, settings) = settings::load(&args.what.settings, flags(&args.what))?;
    let args = &RehearseArgs { what: tables::answered(&args.what, &settings)?, ..args.clone() };
    let scratch = tempfile::tempdir().map_err(|e| CliError::usage(format!("cannot create a temporary directory: {e}")))?;
    let sample = args.documents.map(|documents| Sample { documents, seed: 0 });
    let (quantiles, source, history) = latencies(args).await?;

    // The plan for the same run without any answers.
    let options = RunOptions { selection: sample.into(), server: Server::Offline, ..RunOptions::default() };
    let (config, settings) = settings::load(&args.what.settings, flags(&args.what))?;
    let mut plan = assemble(&Environment::of_process(), &config, settings, options.clone()).await?.plan;
    apart(&mut plan, scratch.path());
    let report = Report::of(plan, &history).await?;

    let (config, mut settings) = settings::load(&args.what.settings, flags(&args.what))?;
    let limits = &mut settings.llm.limits;
    // The governor must use no more at once than the server admits.
    limits.burst_s = limits.burst_s.min(1.0);
    let scenario = Scenario {
        speed: args.speed,
        latency_quantiles_ms: quantiles,
        requests_per_second: f64::from(limits.requests_per_minute) / 60.0,
        burst: burst(limits.requests_per_minute, args.speed),
        input_tokens_per_minute: limits.input_tokens_per_minute.into(),
        output_tokens_per_minute: limits.output_tokens_per_minute.into(),
        tokens_per_minute: limits.tokens_per_minute.into(),
        models: report.survey.tasks.iter().map(|task| task.model.clone()).chain([settings.llm.fallback.clone()]).collect(),
        ..Scenario::default()
    };
    let options = RunOptions { server: Server::Rehearsal(Box::new(scenario)), ..options };
    let mut assembled = assemble(&Environment::of_process(), &config, settings, options).await?;
    apart(&mut assembled.plan, scratch.path());
    assembled.plan.speed = args.speed;
    let limits_file = assembled.plan.account.limits_file();
    let outcome = assembled.run(Style::Lines).await;
    // Limits learned from the simulator are of no use later.
    if let Some((directory, name)) = limits_file {
        let _there_was_none = std::fs::remove_file(directory.join(name));
    }
    let outcome = outcome?;
    if let Some(stop) = outcome.stop.filter(|stop| stop.kind != StopKind::Sampled) {
        return Err(CliError { exit: stop.kind.into(), message: format!("rehearsal: {}", stop.message) });
    }
    let Some(figures) = outcome.summaries.first().map(|summary| &summary.whole_run) else {
        return Err(CliError::internal("the rehearsal has no result"));
    };
    let archive = Archive::open(scratch.path()).map_err(CliError::internal)?;
    let archive = archive.ok_or_else(|| CliError::internal("the rehearsal has no run store"))?;
    let bill = archive.ledger(Requests::All).map_err(CliError::internal)?.cost;
    let ok: u64 = outcome.summaries.iter().map(|summary| summary.totals.tally.count(RowStatus::Ok)).sum();
    let value = told(figures, &report, args.speed, &source, (ok, bill.exact()));
    print(&if args.json {
        serde_json::to_string_pretty(&value).map_err(CliError::internal)?
    } else {
        text(&value, &report, &bill.to_string())
    })?;
    Ok(Exit::Ok)
}

/// Redirects the results of a rehearsal to a temporary directory.
fn apart(plan: &mut Plan, directory: &Path) {
    directory.clone_into(&mut plan.output.dir);
    (plan.copy, plan.database, plan.max_cost, plan.max_cost_per_day) = (None, None, None, None);
    plan.declared_limits.clear();
}

/// Requests that the server admits at once: a second's worth, and those that this machine delays.
///
/// Delays on this machine take no time of the account, so they must not look like too high a rate.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of requests")]
fn burst(per_minute: u32, speed: f64) -> u32 {
    const DELAY_S: f64 = 0.25;
    (f64::from(per_minute) / 60.0 * (1.0 + DELAY_S * speed)).ceil() as u32
}

/// Quantiles of reply times in milliseconds, their source, and the history of earlier runs.
async fn latencies(args: &RehearseArgs) -> Result<(Vec<f64>, String, History), CliError> {
    let (config, settings) = settings::load(&args.what.settings, flags(&args.what))?;
    let options = RunOptions { server: Server::Offline, ..RunOptions::default() };
    let plan = assemble(&Environment::of_process(), &config, settings, options).await?.plan;
    let history = History::of(&plan).map_err(run_failed)?;
    let (quantiles, source): (Vec<f64>, _) = if let Some(latency) = args.latency_ms {
        let (low, more) = (latency as f64, args.jitter_ms.unwrap_or(0) as f64);
        (vec![low, low + more], format!("{latency} to {} ms, as given", low + more))
    } else {
        let measured = history.seconds();
        let Some(last) = measured.len().checked_sub(1) else {
            let message = "response times are unknown. Set --latency-ms, or measure them with --pilot 30 of `docmill plan`.";
            return Err(CliError::usage(message));
        };
        let quantiles = (0..QUANTILES).filter_map(|n| measured.get(n * last / (QUANTILES - 1))).map(|seconds| seconds * 1000.0);
        (quantiles.collect(), format!("the times of {} earlier requests", measured.len()))
    };
    let seconds: Vec<f64> = quantiles.iter().map(|ms| ms / 1000.0).collect();
    Ok((quantiles, source, history.with_seconds(&seconds)))
}

fn told(figures: &RunFigures, report: &Report, speed: f64, source: &str, (ok, cost): (u64, Option<Money>)) -> Value {
    json!({
        "documents": report.survey.pending,
        "ok": ok,
        "latency": source,
        "speed": speed,
        "wall_seconds": figures.wall_seconds,
        "planned_seconds": report.prediction.seconds,
        "bound_by": report.prediction.bound,
        "requests": figures.requests,
        "requests_per_second": figures.requests_per_second,
        "refusals": figures.refusals,
        "retries": figures.retries,
        "peak_memory_mb": peak_memory_mb(),
        "cost_usd": cost.map(Money::usd),
        "planned_cost_usd": report.prediction.cost,
    })
}

fn text(value: &Value, report: &Report, bill: &str) -> String {
    let number = |key: &str| value[key].as_f64().unwrap_or(0.0);
    let planned = report.prediction.seconds.map_or_else(String::new, |planned| {
        format!("; plan says {} to {}, {} binds", duration(planned.low), duration(planned.high), report.prediction.bound)
    });
    let memory = value["peak_memory_mb"]
        .as_f64()
        .map_or_else(|| "unknown on this system".to_owned(), |mb| format!("at most {mb:.0} MB, including the server"));
    let speed = number("speed");
    let scaled = if (speed - 1.0).abs() < f64::EPSILON {
        String::new()
    } else {
        format!(", run {speed} times as fast: the times are those of the account, and this machine's own work counts {speed} times")
    };
    format!(
        "  rehearsal  {} documents, {} ok; answers take {}{scaled}\n       time  {}{planned}\n   requests  {}, {:.1} a second; {} refused, {} retried\n     memory  {memory}\n       cost  {bill}, with the lengths of made-up answers; plan says {}",
        value["documents"],
        value["ok"],
        value["latency"].as_str().unwrap_or_default(),
        duration(number("wall_seconds")),
        value["requests"],
        number("requests_per_second"),
        value["refusals"],
        value["retries"],
        report.cost(),
    )
}

/// Peak memory of this process, in megabytes.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1000.0)
}
