//! `docmill status --run`: the state of all shards.

use super::super::args::StatusArgs;
use super::super::exit::{CliError, Exit};
use super::super::print;
use super::super::runtime;
use super::{LOOKS, failed, open, planned};
use crate::model::counted;
use crate::setup::Environment;
use crate::shards::{Commit, Heartbeat, SharedRun, committed, heartbeat};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::json;

/// An attempt that was silent for longer seems to be dead.
const SILENT_S: i64 = 60;

/// What the storage says about a shard.
enum State {
    Committed(Commit),
    Claimed(Heartbeat),
    Open,
}

impl State {
    async fn of(shared: &SharedRun, number: u32) -> Result<(u32, Self), CliError> {
        if let Some(commit) = committed(shared, number).await.map_err(failed)? {
            return Ok((number, Self::Committed(commit)));
        }
        Ok((number, heartbeat(shared, number).await.map_err(failed)?.map_or(Self::Open, Self::Claimed)))
    }
}

pub(in crate::cli) fn status(args: &StatusArgs, place: &str) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let shared = open(place, &environment)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let (manifest, plan) = planned(&shared).await?;
        let shards = plan.shards.len() as u64;
        let numbers: Vec<u32> = (0..u32::try_from(shards).unwrap_or(u32::MAX)).collect();
        if let Some(wrong) = args.shards.iter().find(|number| u64::from(**number) >= shards) {
            return Err(CliError::usage(format!("--shards: the plan has {shards} shards, counted from 0; shard {wrong} does not exist")));
        }
        let numbers = if args.shards.is_empty() { numbers } else { args.shards.clone() };
        let looks = stream::iter(numbers.into_iter().map(|number| State::of(&shared, number)));
        let states: Vec<(u32, State)> = looks.buffered(LOOKS).try_collect().await?;
        let (mut done, mut rows, mut active, mut silent, mut failed_rows) = (0_u64, 0, 0_u64, Vec::new(), 0);
        let (mut unfinished, mut waiting) = (Vec::new(), Vec::new());
        for (number, state) in states {
            match state {
                State::Committed(commit) => {
                    done += 1;
                    rows += commit.parts.iter().map(|part| part.rows).sum::<u64>();
                    failed_rows += commit.parts.iter().map(|part| part.failed).sum::<u64>();
                }
                State::Claimed(beat) => {
                    rows += beat.done;
                    failed_rows += beat.failed;
                    if Timestamp::now().as_millisecond() - beat.at_ms > SILENT_S * 1000 {
                        silent.push(number);
                        waiting.push(number);
                    } else {
                        active += 1;
                    }
                    unfinished.push(json!({ "shard": number, "heartbeat": beat }));
                }
                State::Open => {
                    waiting.push(number);
                    unfinished.push(json!({ "shard": number, "heartbeat": null }));
                }
            }
        }
        let open = waiting.len() - silent.len();
        if args.json {
            let state = json!({ "run": plan.run, "documents": manifest.documents, "rows": rows, "failed_rows": failed_rows, "shards": shards,
                "committed": done, "active": active, "silent": silent, "open": open, "unfinished": unfinished });
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
        let next = if done == shards {
            format!("docmill merge --run {shared}")
        } else {
            let first = waiting.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let more = if waiting.len() > 10 { ", ..." } else { "" };
            match waiting[..] {
                [] => format!("{} at work", counted(active, "shard")),
                _ => format!("docmill run INPUT --run {shared} --shard N/{shards}, with N = {first}{more}"),
            }
        };
        print(&format!("  next  {next}"))?;
        Ok(Exit::Ok)
    })
}
