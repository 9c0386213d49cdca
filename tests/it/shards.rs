//! A run on many machines: shards, whatever dies, give the results of one machine.

use crate::order::ECHO;
use crate::postgres::equal;
use crate::support::postgres::Postgres;
use crate::support::{ModelServer, Workspace, dice};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const DOCUMENTS: usize = 240;
const SHARDS: usize = 24;

/// A workspace with numbered documents of different sizes.
fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("llm.concurrency", 4).set("shards.save_s", 1).set("shards.fence_s", 1);
    let workspace = workspace.set("shards.scratch", "scratch").set("store.group", 1);
    workspace.write("job.toml", ECHO);
    for n in 0..DOCUMENTS {
        let more = "More words.\n".repeat((dice(1, "size", u32::try_from(n).unwrap()) % 40) as usize);
        workspace.doc(format!("{}/d{n:04}.txt", n % 7), format!("This is docid:{n} and nothing else.\n{more}"));
    }
    workspace
}

fn plan(workspace: &Workspace) {
    let listed = workspace.start_with(["manifest", "docs", "--job", "job.toml", "--run", "shared"]).finish().exits(0);
    assert!(listed.stdout.contains(&format!("{DOCUMENTS} documents")), "{}", listed.stdout);
    let plan = ["shards", "plan", "docs", "--job", "job.toml", "--run", "shared", "--shards", "24"];
    let planned = workspace.start_with(plan).finish().exits(0).stdout;
    // The printed command is a whole one.
    let next = planned.lines().find_map(|line| line.trim().strip_prefix("next  ")).unwrap_or_default();
    assert!(planned.contains("24 shards") && next.contains("docmill run docs --job job.toml --run shared"), "{planned}");
    assert!(next.contains("--shard 0/24") && !next.contains("--shards"), "{planned}");
    // The same again changes nothing. Another number of shards is another plan.
    workspace.start_with(plan).finish().exits(0);
    let other = ["shards", "plan", "docs", "--job", "job.toml", "--run", "shared", "--shards", "7"];
    workspace.start_with(other).finish().exits(2).says(&["another plan exists"]);
}

fn shard(number: usize) -> Vec<String> {
    let number = format!("{number}/{SHARDS}");
    ["run", "docs", "--job", "job.toml", "--run", "shared", "--shard", &number, "--quiet"].map(str::to_owned).to_vec()
}

/// Rows without what depends on time.
fn rows(workspace: &Workspace, output: &str) -> Vec<Value> {
    fn without_times(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["seconds", "request_id", "attempts", "maybe_billed"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(without_times);
            }
            Value::Array(items) => items.iter_mut().for_each(without_times),
            _ => {}
        }
    }
    let file = std::fs::read_to_string(workspace.path(format!("{output}/echo/results.jsonl"))).unwrap();
    let mut rows: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    rows.iter_mut().for_each(without_times);
    rows
}

#[test]
fn wrong_arguments_of_a_shard_end_with_64_and_those_of_other_commands_with_2() {
    let workspace = crate::support::Workspace::new();
    workspace.doc("a.txt", "x");
    for args in [
        &["run", "--run", "shared"][..],
        &["run", "--run=shared", "docs"],
        &["run", "--shard", "0/12"],
        &["run", "--run", "shared", "--shard", "12/12"],
        &["run", "--run", "shared", "--shard", "0/12", "--nonsense"],
        &["run", "docs", "--run", "shared", "--shard", "0/12"],
    ] {
        workspace.docmill(args.iter().copied()).exits(64);
    }
    for args in [
        &["shards", "plan", "docs", "--run", "shared", "--shards", "0"][..],
        &["shards", "plan", "--shards", "3"],
        &["manifest", "docs", "--shard", "1"],
        &["merge", "--run"],
        &["merge", "--run", "shared"],
        &["status", "--run"],
        &["run", "--nonsense"],
        &["run", "--nonsense", "--", "--shard"],
    ] {
        workspace.docmill(args.iter().copied()).exits(2);
    }
    workspace.docmill(["shards", "plan", "docs", "--run", "shared", "--shards", "1"]).exits(0);
    let other = ["shards", "plan", "docs", "--run", "shared", "--shards", "1", "--set", "prepare.text.clean=true"];
    workspace.docmill(other).exits(2);
}

#[test]
fn merged_results_are_named_as_such() {
    let workspace = crate::support::Workspace::new();
    workspace.doc("a.txt", "x");
    workspace.docmill(["shards", "plan", "docs", "--job", "text-single", "--run", "shared", "--shards", "1"]).exits(0);
    workspace.docmill(["run", "docs", "--job", "text-single", "--run", "shared", "--shard", "0/1", "--quiet"]).exits(0);
    workspace.docmill(["merge", "--run", "shared", "--output", "merged"]).exits(0);
    for command in ["verify", "status", "report", "export"] {
        let done = workspace.docmill([command, "--output", "merged"]).exits(2);
        done.says(&["merged: these are merged results of shards, which have no run store"]).says_nothing_of("Create one");
    }
}

#[test]
fn a_merge_fills_the_table_of_a_database() {
    let Some(database) = Postgres::start() else { return };
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).env("PG_ADDRESS", &database.url()).set("output.postgres", "env:PG_ADDRESS");
    workspace.write("job.toml", ECHO);
    // More rows than are marked, and than are compared at a time.
    let lines: String = (0..6000).map(|n| format!("{{\"text\": \"This is docid:{n} and nothing else.\"}}\n")).collect();
    workspace.write("texts.jsonl", lines);
    let of_job = ["texts.jsonl", "--rows", "texts.jsonl", "--job", "job.toml", "--run", "shared"];
    let with = |before: &[&'static str], after: &[&'static str]| {
        let arguments = before.iter().chain(&of_job[1..]).chain(after).copied().collect::<Vec<_>>();
        workspace.start_with(arguments).finish()
    };
    with(&["shards", "plan"], &["--shards", "2"]).exits(0);
    for shard in ["0/2", "1/2"] {
        with(&["run"], &["--shard", shard, "--quiet"]).exits(0);
    }
    assert_eq!(database.sql("SELECT to_regclass('docmill_echo') IS NULL"), "t", "rows wait for the merge");
    let merge = || workspace.start_with(["merge", "--run", "shared", "--output", "output"]).finish();
    assert!(merge().exits(0).stdout.contains("echo: 6000 rows in postgres 127.0.0.1:"));
    equal(&workspace, &database, "echo");
    // A table that somebody has changed is written again.
    database.sql("DELETE FROM docmill_echo WHERE index IN (0, 999, 1000, 4711, 5999)");
    assert!(merge().exits(0).stdout.contains("6000 written"));
    equal(&workspace, &database, "echo");
    assert!(merge().exits(0).stdout.contains(", 0 written"));
    // Results of another run replace them only if the user says so.
    database.sql("UPDATE docmill_tables SET store = 'other echo'");
    merge().exits(4).says(&["has the results of another job or output directory", "The result files are complete"]);
    workspace.start_with(["merge", "--run", "shared", "--output", "output", "--replace"]).finish().exits(0);
    equal(&workspace, &database, "echo");
}

#[test]
fn killed_shards_merge_to_the_results_of_one_machine() {
    let server = ModelServer::script().latency(|_| std::time::Duration::from_millis(40)).start();
    let workspace = workspace(&server);
    workspace.run(["--job", "job.toml", "--output", "single"]).exits(0);
    let single = server.requests();
    plan(&workspace);
    workspace.start_with(["merge", "--run", "shared", "--output", "merged"]).finish().exits(4).says(&["not committed: 24 of 24 shards"]);
    let look = |shards: &str| workspace.start_with(["status", "--run", "shared", "--json", "--shards", shards]).finish();
    let open: Value = serde_json::from_str(&look("3,7").exits(0).stdout).unwrap();
    assert_eq!(open["unfinished"], serde_json::json!([{ "shard": 3, "heartbeat": null }, { "shard": 7, "heartbeat": null }]));
    look("24").exits(2).says(&["shard 24 does not exist"]);
    // Attempts at a shard that may be killed: 17 make about 300 kills.
    let tries = std::env::var("DOCMILL_TEST_SHARD_KILLS").map_or(3, |tries| tries.parse().unwrap());
    let (mut kills, mut attempts) = (0_usize, BTreeMap::<usize, u32>::new());
    let mut open: Vec<usize> = (0..SHARDS).collect();
    while !open.is_empty() {
        // Three at a time, as `xargs -P3` does.
        let batch: Vec<usize> = open.iter().copied().take(3).collect();
        let running: Vec<_> =
            batch.iter().map(|number| (*number, workspace.start_with(shard(*number).iter().map(String::as_str)))).collect();
        for (number, mut process) in running {
            let tried = attempts.entry(number).or_default();
            *tried += 1;
            let draw = dice(7, &number.to_string(), *tried);
            if *tried <= tries && draw % 4 < 3 {
                // Killed after some requests, at any step of its work.
                let before = server.requests() + (draw % 9) as usize;
                while server.requests() < before && !process.is_over() {
                    std::thread::yield_now();
                }
                if !process.is_over() {
                    process.signal("KILL");
                    kills += 1;
                }
                if draw.is_multiple_of(3) {
                    // The machine is lost, with its disk.
                    drop(process.end());
                    std::fs::remove_dir_all(workspace.path("scratch")).ok();
                    continue;
                }
            }
            if process.end().is_ok_and(|done| done.code == 0) {
                open.retain(|open| *open != number);
            }
        }
    }
    assert!(kills > 10, "{kills} kills");
    let again = workspace.start_with(shard(3).iter().map(String::as_str)).finish().exits(0);
    assert!(again.stdout.contains("has committed it already"), "{}", again.stdout);
    let merged = workspace.start_with(["merge", "--run", "shared", "--output", "merged"]).finish().exits(0);
    assert!(merged.stdout.contains("240 rows of 24 shards"), "{}", merged.stdout);
    assert_eq!(rows(&workspace, "merged"), rows(&workspace, "single"));
    let status = workspace.start_with(["status", "--run", "shared", "--json"]).finish().exits(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["committed"], &status["rows"]), (&SHARDS.into(), &DOCUMENTS.into()));
    assert_eq!(status["unfinished"], serde_json::json!([]));
    // The bill has every request, but those of machines that were lost.
    let summary: Value = serde_json::from_slice(&std::fs::read(workspace.path("merged/echo/summary.json")).unwrap()).unwrap();
    let (billed, lost) = (summary["bill"]["requests"].as_u64().unwrap(), summary["bill"]["in_doubt"].as_u64().unwrap());
    let counted = (server.requests() - single) as u64;
    assert!(
        billed <= counted && counted <= billed + lost + u64::try_from(kills).unwrap() * 10,
        "{billed} billed, {lost} lost, {counted} sent"
    );
    // A lost machine costs its calls in flight and those of the last second, which is the whole shard here.
    let paid = server.requests() - single;
    let bound = DOCUMENTS + kills * 10;
    assert!((DOCUMENTS..=bound).contains(&paid), "{paid} requests, {kills} kills");
}

#[test]
fn a_second_attempt_fences_the_first_and_a_wrong_machine_disturbs_nobody() {
    let gate = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&gate);
    let server = ModelServer::script().hold(move |ask, _| ask.docid.as_deref() == Some("7") && !is_open.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server);
    plan(&workspace);
    let of_seven = (0..SHARDS).find(|number| {
        let plan: Value = serde_json::from_slice(&std::fs::read(workspace.path("shared/plan.json")).unwrap()).unwrap();
        let names: Vec<String> =
            std::fs::read_to_string(workspace.path("shared/manifest/000000.jsonl")).unwrap().lines().map(str::to_owned).collect();
        let range = &plan["shards"][*number];
        let [from, to] = ["from", "to"].map(|end| usize::try_from(range[end].as_u64().unwrap()).unwrap());
        names[from..to].iter().any(|line| line.contains("d0007.txt"))
    });
    let own = shard(of_seven.unwrap());
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let first = workspace.start_with(own.iter().copied().filter(|arg| *arg != "--quiet"));
    let claims = |number: u32| format!("shared/shards/{:06}/claim-{number:04}", of_seven.unwrap());
    first.wait_until_there_is(&claims(1));
    // A machine with another job is refused before it claims anything.
    workspace.write("other.toml", ECHO.replace("Say which", "Tell which"));
    let wrong: Vec<&str> = own.iter().map(|arg| if *arg == "job.toml" { "other.toml" } else { arg }).collect();
    workspace.start_with(wrong).finish().exits(64).says(&["has another job, model or preparation"]);
    assert!(!workspace.path(claims(2)).exists());
    let second = workspace.start_with(own.iter().copied());
    second.wait_until_there_is(&claims(2));
    first.wait_until_it_says("stopping: calls in flight have");
    gate.store(true, Ordering::SeqCst);
    first.finish().exits(76).says(&["another attempt has claimed it"]);
    second.finish().exits(0);
    // What the first attempt had paid for is in the bill too.
    let sent = server.requests() as u64;
    let missing = workspace.start_with(["merge", "--run", "shared", "--output", "merged", "--allow-missing"]).finish().exits(4);
    assert!(missing.stdout.contains("rows of 1 shard"), "{}", missing.stdout);
    let summary: Value = serde_json::from_slice(&std::fs::read(workspace.path("merged/echo/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["bill"]["requests"], sent);
}

#[test]
fn damage_of_a_shared_run_is_found_and_mended() {
    let server = ModelServer::script().latency(|_| std::time::Duration::from_millis(300)).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    plan(&workspace);
    let own = shard(0);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let attempt = workspace.start_with(own.iter().copied());
    attempt.wait_until_there_is("shared/shards/000000/seg-0001-000001");
    attempt.signal("KILL");
    drop(attempt.end());
    std::fs::remove_dir_all(workspace.path("scratch")).unwrap();
    // Changed without a change of its length, as no reader of SQLite notices.
    let segment = workspace.path("shared/shards/000000/seg-0001-000001");
    let mut changed = std::fs::read(&segment).unwrap();
    let last = changed.len() - 40;
    changed[last] ^= 1;
    std::fs::write(&segment, changed).unwrap();
    workspace.start_with(own.iter().copied()).finish().exits(0).says(&["seg-0001-000001 is damaged, so its answers are asked for again"]);
    let merge = ["merge", "--run", "shared", "--output", "merged", "--allow-missing"];
    workspace.start_with(merge).finish().exits(4);
    // A part that is not as it was committed.
    let part = workspace.path("shared/shards/000000/part-0002.echo");
    let rows = std::fs::read_to_string(&part).unwrap();
    std::fs::write(&part, rows.replace("docid", "dogid")).unwrap();
    let lost = workspace.start_with(merge).finish().exits(4);
    assert!(lost.says(&["shard 0: ", "To make the part again, remove shared/shards/000000/commit"]).stdout.is_empty());
    std::fs::remove_file(workspace.path("shared/shards/000000/commit")).unwrap();
    let paid = server.requests();
    workspace.start_with(own.iter().copied()).finish().exits(0);
    assert_eq!(server.requests(), paid);
    workspace.start_with(merge).finish().exits(4);
    // Results of another run stay.
    let summary = workspace.path("merged/echo/summary.json");
    let other = std::fs::read_to_string(&summary).unwrap().replace("\"run\": \"", "\"run\": \"other-");
    std::fs::write(&summary, other).unwrap();
    workspace.start_with(merge).finish().exits(2).says(&["merged results of run other-", "--replace"]);
    workspace.start_with(merge.into_iter().chain(["--replace"])).finish().exits(4);
}

#[test]
fn kills_that_keep_the_disk_are_billed_once() {
    let server = ModelServer::script().latency(|_| std::time::Duration::from_millis(60)).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    plan(&workspace);
    let own = shard(2);
    for kill in 0..4 {
        let process = workspace.start_with(own.iter().map(String::as_str));
        let before = server.requests() + 2;
        while server.requests() < before {
            std::thread::yield_now();
        }
        process.signal("KILL");
        assert!(process.end().is_err(), "kill {kill}");
    }
    workspace.start_with(own.iter().map(String::as_str)).finish().exits(0);
    workspace.start_with(["merge", "--run", "shared", "--output", "merged", "--allow-missing"]).finish().exits(4);
    let summary: Value = serde_json::from_slice(&std::fs::read(workspace.path("merged/echo/summary.json")).unwrap()).unwrap();
    let billed = summary["bill"]["requests"].as_u64().unwrap();
    // A request in flight at a kill has no end, so it may be missing.
    assert!(
        (10..=server.requests() as u64).contains(&billed) && billed + 4 >= server.requests() as u64,
        "{billed} of {}",
        server.requests()
    );
}

#[test]
fn a_machine_without_the_input_commits_nothing() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    plan(&workspace);
    let own = shard(0);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    std::fs::create_dir(workspace.path("away")).unwrap();
    std::fs::rename(workspace.path("docs/0"), workspace.path("away/0")).unwrap();
    workspace.start_with(own.iter().copied()).finish().exits(1).says(&["does not find", "--accept-failed vanished"]);
    std::fs::rename(workspace.path("away/0"), workspace.path("docs/0")).unwrap();
    // Rules of a directory do not change what was listed.
    let strict = workspace.clone().set("input.exclude", "[\"**/d0*.txt\"]");
    strict.start_with(own.iter().copied()).finish().exits(0);
    // Without its plan, a shared run has disappeared.
    std::fs::rename(workspace.path("shared"), workspace.path("gone")).unwrap();
    let next = shard(1);
    workspace.start_with(next.iter().map(String::as_str)).finish().exits(64).says(&["has no manifest"]);
}

#[test]
fn the_number_of_a_shard_comes_from_the_engine() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    plan(&workspace);
    let auto = ["run", "docs", "--job", "job.toml", "--run", "shared", "--shard", "auto", "--quiet"];
    workspace.start_with(auto).finish().exits(64).says(&["JOB_COMPLETION_INDEX"]);
    let done = workspace.clone().env("JOB_COMPLETION_INDEX", "5").start_with(auto).finish().exits(0);
    assert!(done.stdout.contains("shard 5: committed by attempt 1"), "{}", done.stdout);
    let done = workspace.clone().env("DOCMILL_SHARD", "6").start_with(auto).finish().exits(0);
    assert!(done.stdout.contains("shard 6: committed"), "{}", done.stdout);
    workspace.start_with(["run", "docs", "--run", "shared", "--shard", "24/24"]).finish().exits(64).says(&["the last is 23"]);
    workspace.clone().env("SLURM_ARRAY_TASK_ID", "99").start_with(auto).finish().exits(64).says(&["the last is 23"]);
}
