//! `docmill runs`: lists past runs.

use super::args::RunsArgs;
use super::compare::{Spent, spent_in};
use super::exit::{CliError, Exit};
use super::regressions::{Past, regressions};
use super::settings::archive_or_comparisons;
use super::{print, print_wrapped, table};
use crate::engine::LIVE_CHANGES;
use crate::html_report::is_of_server;
use crate::model::{RowStatus, command_in, counted};
use crate::setup::{changes, kept};
use crate::store::{Archive, Pace, Requests, RunLock, RunRecord};
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) fn runs(args: &RunsArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive_or_comparisons(&args.store)?;
    let comparisons = spent_in(&settings.output.dir).map_err(CliError::internal)?;
    match archive {
        Some(archive) => of_store(args, &archive, &settings.output.dir, &comparisons),
        None if args.json => print_json(&comparisons.iter().map(Spent::json).collect::<Vec<_>>()),
        None => compared(&comparisons),
    }
}

fn print_json(lines: &[Value]) -> Result<Exit, CliError> {
    print(&serde_json::to_string_pretty(lines).map_err(CliError::internal)?).map(|()| Exit::Ok)
}

/// Prints what comparisons have cost.
fn compared(comparisons: &[Spent]) -> Result<Exit, CliError> {
    for spent in comparisons {
        let directory = spent.directory.display();
        print(&format!("comparison {}: {}, {} ({directory})", spent.name, counted(spent.runs as u64, "run"), spent.text()))?;
    }
    Ok(Exit::Ok)
}

fn of_store(args: &RunsArgs, archive: &Archive, directory: &Path, comparisons: &[Spent]) -> Result<Exit, CliError> {
    let runs = archive.runs().map_err(CliError::internal)?;
    let at_work = RunLock::holder(directory);
    let paces = archive.paces().map_err(CliError::internal)?;
    let mut past = Vec::new();
    let mut lines = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let figures: Value = run.figures.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let pace = paces.get(&run.id).copied().unwrap_or_default();
        past.extend(Past::of(run, &figures, pace));
        let mut line = line(run, &figures, pace, at.checked_sub(1).map(|before| &runs[before]));
        if is_up_to_date(run) {
            line["not_ok"] = json!(archive.run_counts(&runs, run).map_err(CliError::internal)?.counts.all().unanswered());
        }
        if let (Some(holder), None, true) = (&at_work, &run.outcome, at + 1 == runs.len()) {
            line["outcome"] = json!("running");
            line["at_work"] = json!(holder.process);
        }
        line["regressions"] = json!(regressions(&past, run.id));
        lines.push(line);
    }
    if args.json {
        lines.extend(comparisons.iter().map(Spent::json));
        return print_json(&lines);
    }
    let heads = ["run", "started (UTC)", "ended", "documents", "not ok", "up to date", "requests", "wall", "requests/s", "cost", "jobs"];
    let table: Vec<Vec<String>> = [heads.map(str::to_owned).to_vec()].into_iter().chain(lines.iter().map(cells)).collect();
    let shown = fitting(&table);
    print(&shown[0])?;
    for (row, line) in shown[1..].iter().zip(&lines) {
        print(row)?;
        for (key, change) in line["changed"].as_object().into_iter().flatten() {
            print_wrapped(&format!("     {key}: {} -> {}", change[0], change[1]), 7)?;
        }
        for regression in line["regressions"].as_array().into_iter().flatten() {
            print_wrapped(&format!("     run {}: {}", line["run"], regression["text"].as_str().unwrap_or_default()), 7)?;
        }
        for change in line[LIVE_CHANGES].as_array().into_iter().flatten() {
            let text = format!("     after {} s {}: {} -> {}", change["at_s"], text_of(&change["key"]), change["from"], change["to"]);
            print_wrapped(&text, 7)?;
        }
    }
    if OPTIONAL.iter().any(|column| !shown[0].contains(column)) {
        print_wrapped(&format!("     `{}` shows all figures", command_in(directory, "runs --json")), 5)?;
    }
    let all = archive.ledger(Requests::All).map_err(CliError::internal)?;
    if let Some(doubtful) = all.doubtful(", in all runs") {
        print_wrapped(&format!("     {doubtful}"), 7)?;
    }
    compared(comparisons)
}

/// Columns that the table has only if there is room for them, the most important first.
const OPTIONAL: [&str; 4] = ["jobs", "wall", "up to date", "requests/s"];

/// The lines of a table without the optional columns that would make it wider than 80 columns.
fn fitting(table: &[Vec<String>]) -> Vec<String> {
    const WIDEST: usize = 80;
    let heads = &table[0];
    let mut left_out: Vec<&str> = OPTIONAL.to_vec();
    let lines = |left_out: &[&str]| {
        let kept = |row: &Vec<String>| {
            row.iter().zip(heads).filter(|(_, head)| !left_out.contains(&head.as_str())).map(|(cell, _)| cell.clone()).collect()
        };
        table::lines(&table.iter().map(kept).collect::<Vec<_>>(), false)
    };
    for name in OPTIONAL {
        let fewer: Vec<&str> = left_out.iter().copied().filter(|other| *other != name).collect();
        if lines(&fewer).iter().all(|line| line.chars().count() <= WIDEST) {
            left_out = fewer;
        }
    }
    lines(&left_out)
}

/// The figures of a run as JSON.
fn line(run: &RunRecord, figures: &Value, pace: Pace, before: Option<&RunRecord>) -> Value {
    let summaries: Value = run.summary.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let count = |wanted: &[&str]| -> u64 {
        let jobs = summaries.as_array().into_iter().flatten();
        let statuses = jobs.filter_map(|job| job["documents"].as_object()).flatten();
        statuses.filter(|(status, _)| wanted.contains(&status.as_str())).filter_map(|(_, n)| n.as_u64()).sum()
    };
    json!({
        "run": run.id,
        "started": run.started,
        "ended": run.ended,
        "outcome": run.outcome.as_deref().unwrap_or("did not end"),
        "stopped": run.stopped,
        "version": run.version,
        "command": run.command,
        "jobs": run.jobs.iter().map(|job| &job.name).collect::<Vec<_>>(),
        "documents": run.documents.or_else(|| tried(run, figures, count)),
        "not_ok": count(&["partial", "failed", "refused"]),
        "up_to_date": figures["up_to_date"],
        "requests": pace.requests,
        "failed_requests": pace.failed,
        "median_request_ms": pace.median_ms,
        "reused": figures["calls_reused"],
        "wall_seconds": figures["wall_seconds"],
        "requests_per_second": figures["requests_per_second"],
        "cost": pace.bill.to_string(),
        "cost_usd": pace.bill.exact().map(crate::model::Money::usd),
        "changed": before.map_or_else(Map::new, |before| changed(before, run)),
        LIVE_CHANGES: kept(&run.settings).remove(LIVE_CHANGES).unwrap_or_else(|| json!([])),
    })
}

/// The changed settings. A server gives its runs money in parts, which is no change of a setting.
fn changed(before: &RunRecord, run: &RunRecord) -> Map<String, Value> {
    let mut changed = changes(&before.settings, &run.settings);
    if is_of_server(&run.command) {
        changed.remove("budget.max_usd");
    }
    changed
}

/// Number of documents of a trial. It has no listing of all documents.
fn tried(run: &RunRecord, figures: &Value, count: impl Fn(&[&str]) -> u64) -> Option<u64> {
    let rows = count(&RowStatus::ALL.map(RowStatus::as_str));
    (run.outcome.as_deref() == Some("sample")).then(|| rows.max(figures["up_to_date"].as_u64().unwrap_or_default()))
}

/// Whether a complete run found all results current. Only the store has its counts then.
fn is_up_to_date(run: &RunRecord) -> bool {
    run.outcome.as_deref() == Some("complete") && run.summary.as_deref().is_some_and(|summary| summary == "[]")
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn cells(line: &Value) -> Vec<String> {
    let text = |key: &str| match &line[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = |key: &str, unit: &str| line[key].as_f64().map_or_else(|| "-".to_owned(), |n| format!("{n:.1}{unit}"));
    // The cost is a text for people, which names calls of unknown cost.
    let cost = line["cost_usd"].as_f64().map_or_else(|| "unknown".to_owned(), |_| text("cost"));
    let started = text("started").get(..16).map_or_else(|| text("started"), |minute| minute.replace('T', " "));
    let jobs = line["jobs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    vec![
        text("run"),
        started,
        text("outcome"),
        text("documents"),
        text("not_ok"),
        text("up_to_date"),
        text("requests"),
        number("wall_seconds", " s"),
        number("requests_per_second", ""),
        cost,
        jobs,
    ]
}
