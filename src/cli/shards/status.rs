//! `docmill status --run`: the state of all shards.

use super::super::args::StatusArgs;
use super::super::exit::{CliError, Exit};
use super::super::print;
use super::super::runtime;
use super::{failed, open, planned};
use crate::model::counted;
use crate::setup::Environment;
use crate::shards::{committed, heartbeat};
use jiff::Timestamp;
use serde_json::json;

/// An attempt that was silent for longer seems to be dead.
const SILENT_S: i64 = 60;

pub(in crate::cli) fn status(args: &StatusArgs, place: &str) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let shared = open(place, &environment)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let (manifest, plan) = planned(&shared).await?;
        let shards = plan.shards.len() as u64;
        let (mut done, mut rows, mut active, mut silent, mut open, mut failed_rows) = (0_u64, 0, 0_u64, Vec::new(), 0_u64, 0);
        for number in 0..u32::try_from(plan.shards.len()).unwrap_or(u32::MAX) {
            if let Some(commit) = committed(&shared, number).await.map_err(failed)? {
                done += 1;
                rows += commit.parts.iter().map(|part| part.rows).sum::<u64>();
                failed_rows += commit.parts.iter().map(|part| part.failed).sum::<u64>();
            } else if let Some(beat) = heartbeat(&shared, number).await.map_err(failed)? {
                rows += beat.done;
                failed_rows += beat.failed;
                if Timestamp::now().as_millisecond() - beat.at_ms > SILENT_S * 1000 { silent.push(number) } else { active += 1 }
            } else {
                open += 1;
            }
        }
        if args.json {
            let state = json!({ "run": plan.run, "documents": manifest.documents, "rows": rows, "failed_rows": failed_rows, "shards": shards,
                "committed": done, "active": active, "silent": silent, "open": open });
            print(&state.to_string())?;
            return Ok(Exit::Ok);
        }
        let silent_shards = silent.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        print(&format!("   run  {} in {shared}", plan.run))?;
        print(&format!("  rows  {rows} of {}, {failed_rows} failed", manifest.documents))?;
        print(&format!("shards  {}: {done} committed, {active} active, {open} not begun, {} silent", shards, silent.len()))?;
        if !silent.is_empty() {
            print(&format!("        silent for {SILENT_S} s: {silent_shards}"))?;
        }
        let next = if done == shards { format!("docmill merge --run {shared}") } else { format!("{} left", counted(shards - done, "shard")) };
        print(&format!("  next  {next}"))?;
        Ok(Exit::Ok)
    })
}
