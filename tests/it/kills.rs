//! Killed runs: paid answers are kept, and calls in doubt are known.

use crate::order::ECHO;
use crate::support::{Ledger, ModelServer, Reply, Running, Workspace, dice, numbered_png};
use crate::watching::wait_for;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_run_killed_at_any_moment_resumes_and_repeats_only_calls_in_doubt() {
    killed(40, 25);
}

#[test]
#[ignore = "the same with more of everything; run it when the store or the order of its commits changes"]
fn killed_two_hundred_times_a_run_comes_to_the_same_results_and_repeats_only_what_was_in_doubt() {
    killed(300, 200);
}

/// Calls for each image: six analyses and one recommendation.
const CALLS: usize = 7;

fn killed(documents: u16, kills: usize) {
    let server = ModelServer::script().latency(|ask| Duration::from_millis(dice(5, &ask.text, ask.attempt) % 8)).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 12);
    let mut order: Vec<u16> = (0..documents).collect();
    order.sort_by_key(|number| dice(1, "order", u32::from(*number)));

    let mut toll = Toll::default();
    let (mut there, mut by_themselves, mut ends) = (0, 0, 0);
    for round in 0.. {
        if toll.kills == kills {
            break;
        }
        assert!(round < 6 * kills, "{} kills in {round} runs", toll.kills);
        // Documents are added step by step in random order, so the last kill also interrupts work.
        let wanted = usize::from(documents).min(4 + usize::from(documents) * toll.kills / kills);
        for number in &order[there..wanted.max(there)] {
            workspace.doc(name(*number), numbered_png(*number));
        }
        there = there.max(wanted);
        let pending = there * CALLS - toll.committed.len();
        if pending == 0 {
            // The next kill then hits publishing.
            std::fs::remove_file(workspace.path("output/material/results.csv")).ok();
        }
        let chance = |salt| dice(u64::try_from(round).unwrap(), "chance", salt);
        let died = if chance(0) % 2 == 0 {
            let after = usize::try_from(chance(1)).unwrap() % (pending + 1);
            let died = shot(&workspace, &server, after, Duration::from_millis(chance(2) % 12));
            toll.kills += usize::from(died);
            died
        } else {
            let share = ["0.02", "0.1", "0.3"][usize::try_from(chance(3) % 3).unwrap()];
            let places = format!("commit={share},committed={share},publish=0.3");
            let run = workspace.clone().env("FAILPOINTS", &places).start_run(["--job", "material"]).end();
            toll.kills += usize::from(run.is_err());
            by_themselves += usize::from(run.is_err());
            run.map(|run| run.exits(0)).is_err()
        };
        ends += usize::from(!died);
        toll.take(&workspace, &server);
    }
    for number in &order[there..] {
        workspace.doc(name(*number), numbered_png(*number));
    }
    let last = workspace.run(["--job", "material"]).exits(0);
    let mut left: Vec<String> = ["output", "output/material"].iter().flat_map(|dir| names(&workspace, dir)).collect();
    left.sort_unstable();
    assert_eq!(left, [".docmill.lock", "docmill.db", "material", "results.csv", "results.json", "results.jsonl", "summary.json"]);

    let ledger = server.ledger();
    toll.judge(&ledger, usize::from(documents) * CALLS);
    let status = status(&workspace).unwrap();
    assert_eq!(status["in_doubt"], serde_json::json!([]));
    let known = status["requests"].as_u64().unwrap() - status["maybe_billed"].as_u64().unwrap();
    assert_eq!(known, u64::from(documents) * CALLS as u64, "requests whose end is known");
    workspace.docmill(["verify"]).exits(0);
    let attempts: i64 = last.csv("material").column("attempts").iter().map(|n| n.parse::<i64>().unwrap()).sum();
    let store = Connection::open_with_flags(workspace.path("output/docmill.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let recorded: i64 = store.query_row("SELECT count(*) FROM attempts", (), |row| row.get(0)).unwrap();
    assert_eq!(attempts, recorded, "requests in the results and in the ledger");

    let server = ModelServer::start();
    let undisturbed = Workspace::new().against(&server);
    for number in &order {
        undisturbed.doc(name(*number), numbered_png(*number));
    }
    let undisturbed = undisturbed.run(["--job", "material"]).exits(0);
    for file in ["results.csv", "results.jsonl", "results.json"] {
        let (one, other) = (undated(&last.file("material", file)), undated(&undisturbed.file("material", file)));
        assert!(one == other, "{file} differs: {:?}", one.lines().zip(other.lines()).find(|(one, other)| one != other));
    }
    eprintln!(
        "{} kills ({by_themselves} at a failpoint) and {ends} ends over {documents} documents: {} calls, {} requests, {} in doubt at a kill",
        toll.kills,
        ledger.calls.len(),
        ledger.requests(),
        toll.doubts.len()
    );
}

fn name(number: u16) -> String {
    format!("part-{number:04}.png")
}

/// Kills a run `moment` after its request number `after`. `false` if the run ended before.
fn shot(workspace: &Workspace, server: &ModelServer, after: usize, moment: Duration) -> bool {
    let before = server.requests();
    let mut run = workspace.start_run(["--job", "material"]);
    while server.requests() < before + after && !run.is_over() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(moment);
    if !run.is_over() {
        run.signal("KILL");
    }
    run.end().map(|run| run.exits(0)).is_err()
}

/// A call, by document and label as in the store.
type CallName = (String, String);

/// The findings after all kills.
#[derive(Default)]
struct Toll {
    kills: usize,
    /// Requests that were in doubt after any kill.
    doubts: BTreeSet<(u64, CallName, String)>,
    /// Calls with a committed answer, and their requests at that time.
    committed: BTreeMap<CallName, u32>,
}

impl Toll {
    /// Records the state that a kill has left.
    fn take(&mut self, workspace: &Workspace, server: &ModelServer) {
        let Some(status) = status(workspace) else {
            assert_eq!(server.requests(), 0, "there is no store, and something was sent");
            return;
        };
        for doubt in status["in_doubt"].as_array().unwrap() {
            let text = |field: &str| doubt[field].as_str().unwrap().to_owned();
            self.doubts.insert((doubt["run"].as_u64().unwrap(), (text("document"), text("call")), text("key")));
        }
        let requests = requests(&server.ledger());
        for call in answers(workspace) {
            let so_far = requests[&call];
            let before = *self.committed.entry(call.clone()).or_insert(so_far);
            assert_eq!(so_far, before, "{call:?} was committed and asked again");
        }
    }

    /// Compares the findings with the ledger of the server.
    fn judge(&self, ledger: &Ledger, needed: usize) {
        assert_eq!(ledger.calls.len(), needed);
        for (call, requests) in requests(ledger) {
            let in_doubt = self.doubts.iter().filter(|(_, name, _)| *name == call).count();
            assert!(requests as usize <= 1 + in_doubt, "{call:?}: {requests} requests, {in_doubt} times in doubt");
            let committed = self.committed.get(&call).copied().unwrap_or(requests);
            assert_eq!(requests, committed, "{call:?} was committed and asked again");
        }
        assert!(ledger.calls.iter().all(|call| call.served >= 1));
        assert!(ledger.requests() <= needed + self.doubts.len(), "{} requests", ledger.requests());
    }
}

/// The output of `docmill status --json`; `None` without a store.
fn status(workspace: &Workspace) -> Option<Value> {
    let status = workspace.docmill(["status", "--json"]);
    if status.code != 0 && answers_of(workspace).is_none() {
        return None;
    }
    Some(serde_json::from_str(&status.exits(0).stdout).unwrap())
}

/// Requests by call, from the ledger of the server.
fn requests(ledger: &Ledger) -> BTreeMap<CallName, u32> {
    let mut requests = BTreeMap::new();
    for call in &ledger.calls {
        let number: u16 = call.docid.as_ref().unwrap().strip_prefix("image-").unwrap().parse().unwrap();
        let label = match call.text.split_once("Assess how well ") {
            Some((_, rest)) => format!("assess (material={})", rest.split_once(' ').unwrap().0),
            None => "combine".to_owned(),
        };
        let twice = requests.insert((name(number), label), call.requests);
        assert!(twice.is_none(), "two calls of the ledger are one: {number}");
    }
    requests
}

/// The calls that have an answer in the store.
fn answers(workspace: &Workspace) -> Vec<CallName> {
    answers_of(workspace).unwrap()
}

/// The calls that have an answer in the store; `None` without a store or tables.
fn answers_of(workspace: &Workspace) -> Option<Vec<CallName>> {
    // Opening read-only leaves the log as it was after the kill.
    let store = Connection::open_with_flags(workspace.path("output/docmill.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let sql = "SELECT DISTINCT d.name, t.call FROM answers a JOIN documents d ON d.id = a.document
        JOIN attempts t ON t.document = a.document AND t.call_key = a.call_key";
    let mut statement = store.prepare(sql).ok()?;
    Some(statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect())
}

/// Names in a directory.
fn names(workspace: &Workspace, directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.path(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A result file without times and request counts, which kills change.
fn undated(file: &str) -> String {
    if file.starts_with("index,") {
        let without = |line: &str| {
            let columns: Vec<&str> = line.rsplitn(7, ',').collect();
            [&columns[1..5], &columns[6..]].concat().join(",") + "\n"
        };
        return file.lines().map(without).collect();
    }
    ["\"seconds\":", "\"attempts\":", "\"maybe_billed\":"].iter().fold(file.to_owned(), |file, field| {
        let mut pieces = file.split(field);
        let mut text = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || ".e-".contains(c));
            text.push_str(rest.strip_prefix(',').unwrap_or(rest));
        }
        text
    })
}

#[test]
fn an_interrupt_waits_for_requests_in_flight_and_keeps_their_answers() {
    let (open, in_flight) = (Arc::new(AtomicBool::new(false)), 64);
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", in_flight);
    documents(&workspace, 100);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("all calls are in flight", |ledger| ledger.requests() == in_flight);
    run.signal("INT");
    run.wait_until_it_says("stopping: calls in flight have");
    open.store(true, Ordering::SeqCst);
    run.finish().exits(4).says(&["stopped by Ctrl-C", "64 documents are done and kept"]);
    assert_eq!(server.requests(), in_flight, "something was sent after the signal");
    assert_eq!(answers(&workspace).len(), in_flight);
    assert_eq!(status(&workspace).unwrap()["in_doubt"], serde_json::json!([]));

    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 100);
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), 100);
    assert!(ledger.calls.iter().all(|call| call.served == 1));
}

#[test]
fn a_stopped_run_reports_the_requests_of_unfinished_documents_too() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, ledger| ledger.requests() >= 9 && !gate.load(Ordering::SeqCst)).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 1).set("llm.documents", 1);
    workspace.doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    let run = workspace.start_run(["--job", "text"]);
    server.wait_until("the second document is half done", |ledger| ledger.requests() == 9);
    run.signal("INT");
    run.wait_until_it_says("stopping: calls in flight have");
    open.store(true, Ordering::SeqCst);
    let summary = run.finish().exits(4).says(&["this run  9 requests"]).summary("text");
    assert_eq!((&summary["attempts"], &summary["whole_run"]["this_run"]["requests"]), (&6.into(), &9.into()));
}

/// Documents for the echo job.
fn documents(workspace: &Workspace, n: usize) {
    workspace.write("echo.toml", ECHO);
    for n in 0..n {
        workspace.doc(format!("{n:03}.txt"), format!("docid:{n}"));
    }
}

/// Starts a run in which every third call hangs. Returns after all other calls are answered. The
/// switch ends the hanging.
fn half_hanging(drain_s: u64) -> (ModelServer, Workspace, Running, Arc<AtomicBool>) {
    let heals = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&heals);
    let hangs = |docid: &str| docid.parse::<u32>().unwrap() % 3 == 0;
    let server = ModelServer::script()
        .faults(move |ask| if hangs(ask.docid.as_ref().unwrap()) && !healed.load(Ordering::SeqCst) { Reply::Hang } else { Reply::Ok })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.drain_s", drain_s).set("llm.timeout_s", 600);
    workspace.write("pipeline.toml", "[prices]\ntest-model = { input = 1.0, cache_read = 0.1, output = 2.0 }\n");
    documents(&workspace, 30);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("all are answered or hang", |ledger| {
        ledger.requests() == 30 && ledger.calls.iter().map(|call| call.served + call.in_doubt).sum::<u32>() == 30
    });
    (server, workspace, run, heals)
}

/// The documents of the calls in doubt.
fn in_doubt(workspace: &Workspace) -> BTreeSet<String> {
    let status = status(workspace).unwrap();
    status["in_doubt"].as_array().unwrap().iter().map(|doubt| doubt["document"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn calls_that_outlast_the_drain_are_in_doubt_after_an_interrupt() {
    let (server, workspace, run, heals) = half_hanging(1);
    run.signal("INT");
    run.finish().exits(4).says(&["have 1 s to finish (llm.drain_s)", "20 documents are done and kept"]);
    let hanging: BTreeSet<String> = (0..30).step_by(3).map(|n| format!("{n:03}.txt")).collect();
    assert_eq!(in_doubt(&workspace), hanging);

    heals.store(true, Ordering::SeqCst);
    assert_eq!(workspace.run(["--job", "echo.toml"]).exits(0).csv("echo").rows.len(), 30);
    assert_eq!(in_doubt(&workspace), BTreeSet::new());
    for call in server.ledger().calls {
        assert_eq!((call.served, call.requests - call.in_doubt), (1, 1), "{:?}", call.docid);
    }
}

#[test]
fn a_second_interrupt_ends_the_run_at_once_and_leaves_a_sound_store() {
    signalled_twice("INT", 130);
}

#[test]
fn a_second_request_to_terminate_ends_the_run_at_once_and_leaves_a_sound_store() {
    signalled_twice("TERM", 143);
}

fn signalled_twice(signal: &str, code: i32) {
    let (server, workspace, run, heals) = half_hanging(100_000);
    run.signal(signal);
    run.wait_until_it_says("A signal stops at once");
    // A signal that follows at once is a part of the first request.
    wait_for("a later signal has ended the run", || {
        run.signal(signal);
        run.said().contains("stopped at once")
    });
    let next = "Run the same command again to continue (`docmill status --output output` shows more)";
    run.finish().exits(code).says(&["stopped at once", "requests in flight are in doubt", next]);
    // A call that has just been served may be in doubt too. A call that hangs is always in doubt.
    let doubts = in_doubt(&workspace);
    assert!((0..30).step_by(3).all(|n| doubts.contains(&format!("{n:03}.txt"))), "{doubts:?}");

    heals.store(true, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("said"), (0..30).map(|n| format!("said of docid:{n}")).collect::<Vec<_>>());
    assert_eq!(server.requests(), 30 + doubts.len());
    workspace.docmill(["verify"]).exits(0);

    // The results, the summary and the ledger count requests alike.
    let attempts: usize = run.csv("echo").column("attempts").iter().map(|n| n.parse::<usize>().unwrap()).sum();
    assert_eq!(attempts, server.requests());
    let (summary, status) = (run.summary("echo"), status(&workspace).unwrap());
    let run_figures = &summary["whole_run"];
    assert_eq!((&summary["maybe_billed"], &summary["attempts"]), (&doubts.len().into(), &attempts.into()));
    assert_eq!(run_figures["this_run"]["requests"], doubts.len());
    assert_eq!(run_figures["this_run"]["maybe_billed"], 0);
    assert_eq!(run_figures["all_runs"]["requests"], attempts);
    assert_eq!(run_figures["all_runs"]["cost"]["usd"], status["spent_usd"]);
    assert_eq!(run_figures["all_runs"]["maybe_billed_at_most_usd"], status["maybe_billed_at_most_usd"]);
    let bound = status["maybe_billed_at_most_usd"].as_f64().unwrap();
    run.says(&[
        &format!("this run  {} requests", doubts.len()),
        &format!("no response to {} requests, in all runs; the provider may bill them: at most ${bound:.6}", doubts.len()),
    ]);
}
