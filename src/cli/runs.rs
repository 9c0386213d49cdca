//! `docmill runs`.

use super::args::StatusArgs;
use super::exit::{Exit, Stop};
use super::print;
use super::settings::archive;
use crate::store::{Archive, RunRecord};
use serde_json::{Map, Value, json};

pub(super) fn runs(args: &StatusArgs) -> Result<Exit, Stop> {
    let (_settings, archive) = archive(&args.store)?;
    let runs = archive.runs().map_err(Stop::internal)?;
    let lines = runs.iter().enumerate().map(|(at, run)| line(&archive, run, at.checked_sub(1).map(|before| &runs[before])));
    let lines = lines.collect::<Result<Vec<Value>, Stop>>()?;
    if args.json {
        let text = serde_json::to_string_pretty(&lines).map_err(Stop::internal)?;
        print(&text)?;
        return Ok(Exit::Ok);
    }
    let heads = ["run", "started", "ended", "documents", "not ok", "requests", "reused", "wall", "requests/s", "cost", "jobs"];
    let mut table = vec![heads.map(str::to_owned)];
    table.extend(lines.iter().map(cells));
    let widths: Vec<usize> = (0..heads.len()).map(|at| table.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    for (at, row) in table.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        print(cells.join("  ").trim_end())?;
        let changed = at.checked_sub(1).and_then(|at| lines[at]["changed"].as_object());
        for (key, change) in changed.into_iter().flatten() {
            print(&format!("     {key}: {} -> {}", change[0], change[1]))?;
        }
    }
    Ok(Exit::Ok)
}

/// What there is to say of a run.
fn line(archive: &Archive, run: &RunRecord, before: Option<&RunRecord>) -> Result<Value, Stop> {
    let figures: Value = run.figures.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let summaries: Value = run.summary.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let count = |wanted: &[&str]| -> u64 {
        let jobs = summaries.as_array().into_iter().flatten();
        let statuses = jobs.filter_map(|job| job["documents"].as_object()).flatten();
        statuses.filter(|(status, _)| wanted.contains(&status.as_str())).filter_map(|(_, n)| n.as_u64()).sum()
    };
    let (attempts, bill) = archive.bill(Some(run.id)).map_err(Stop::internal)?;
    Ok(json!({
        "run": run.id,
        "started": run.started,
        "ended": run.ended,
        "outcome": run.outcome.as_deref().unwrap_or("did not end"),
        "stopped": run.stopped,
        "version": run.version,
        "command": run.command,
        "jobs": run.jobs.iter().map(|job| &job.name).collect::<Vec<_>>(),
        "documents": run.documents,
        "not_ok": count(&["partial", "failed", "refused"]),
        "up_to_date": figures["up_to_date"],
        "requests": attempts,
        "reused": figures["calls_reused"],
        "wall_seconds": figures["wall_seconds"],
        "requests_per_second": figures["requests_per_second"],
        "cost": bill.to_string(),
        "cost_usd": bill.exact().map(crate::model::Money::usd),
        "changed": changes(run, before),
    }))
}

/// Settings that differ from the run before.
fn changes(run: &RunRecord, before: Option<&RunRecord>) -> Value {
    let settings = |run: &RunRecord| -> Map<String, Value> { serde_json::from_str(&run.settings).unwrap_or_default() };
    let Some(before) = before.map(settings) else { return json!({}) };
    let now = settings(run);
    let mut keys: Vec<&String> = now.keys().chain(before.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let changed = keys.into_iter().filter(|key| now.get(*key) != before.get(*key));
    Value::Object(changed.map(|key| (key.clone(), json!([before.get(key), now.get(key)]))).collect())
}

fn cells(line: &Value) -> [String; 11] {
    let text = |key: &str| match &line[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = |key: &str, unit: &str| line[key].as_f64().map_or_else(|| "-".to_owned(), |n| format!("{n:.1}{unit}"));
    let jobs = line["jobs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    [
        text("run"),
        text("started"),
        text("outcome"),
        text("documents"),
        text("not_ok"),
        text("requests"),
        text("reused"),
        number("wall_seconds", " s"),
        number("requests_per_second", ""),
        text("cost"),
        jobs,
    ]
}
