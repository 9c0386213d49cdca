//! Commands of another terminal to a running run.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Reply, Workspace};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// A server that answers only while `open` is set.
fn gated(open: &Arc<AtomicBool>) -> ModelServer {
    let open = Arc::clone(open);
    ModelServer::script().hold(move |_, _| !open.load(SeqCst)).start()
}

fn workspace(server: &ModelServer, documents: usize) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    for n in 0..documents {
        workspace.doc(format!("{n:02}.txt"), format!("docid:k{n}"));
    }
    workspace
}

/// The last run in the output of `docmill runs`.
fn last_run(workspace: &Workspace) -> Value {
    let runs: Vec<Value> = serde_json::from_str(&workspace.docmill(["runs", "--json"]).exits(0).stdout).unwrap();
    runs.last().unwrap().clone()
}

fn status(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap()
}

fn statuses(run: &Finished) -> Vec<String> {
    run.csv("echo").rows.iter().map(|row| format!("{} {}", row["status"], row["failure_code"])).collect()
}

#[test]
fn a_paused_run_sends_nothing_and_resumes_with_another_concurrency() {
    let least = Arc::new(AtomicUsize::new(usize::MAX));
    let wanted = Arc::clone(&least);
    // The server answers only after `wanted` requests have been in flight together.
    let server = ModelServer::script().hold(move |_, ledger| ledger.max_in_flight < wanted.load(SeqCst)).start();
    let workspace = workspace(&server, 20).set("llm.concurrency", 2);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("two are in flight", |ledger| ledger.requests() == 2);
    assert!(workspace.docmill(["pause"]).exits(0).stdout.starts_with("paused"));
    assert_eq!(workspace.docmill(["pause"]).exits(0).stdout.trim(), "the run is already paused");
    least.store(2, SeqCst);
    server.wait_until("both are answered", |ledger| ledger.calls.iter().map(|call| call.served).sum::<u32>() == 2);
    assert_eq!(workspace.docmill(["set", "llm.concurrency=8"]).exits(0).stdout.trim(), "llm.concurrency: 2 -> 8");
    // The command works in every directory.
    let resume = workspace.path("output").canonicalize().unwrap().display().to_string();
    assert_eq!(status(&workspace)["doing"], format!("paused; `docmill resume --output {resume}` goes on"));
    assert_eq!(last_run(&workspace)["outcome"], "running");
    assert_eq!(server.requests(), 2, "a paused run has sent something");
    least.store(8, SeqCst);
    workspace.docmill(["resume"]).exits(0);
    let run = run.finish().exits(0).says(&["paused: calls in flight finish", "resumed, after "]);
    assert_eq!((server.ledger().max_in_flight, run.summary("echo")["whole_run"]["concurrency"].as_u64()), (8, Some(8)));
    let last = last_run(&workspace);
    let changes = last["live_changes"].as_array().unwrap();
    let keys: Vec<_> = changes.iter().map(|change| (change["key"].as_str().unwrap(), &change["to"])).collect();
    assert_eq!(keys, [("paused", &json!(true)), ("llm.concurrency", &json!(8)), ("paused", &json!(false))]);
    assert!(workspace.docmill(["runs"]).exits(0).stdout.contains(" s llm.concurrency: 2 -> 8"));
}

#[test]
fn invalid_live_changes_are_refused_with_the_reason() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 1);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 1);
    for (setting, why) in [
        ("llm.model=other", "llm.model cannot change during a run"),
        ("llm.limits.slow_start=on", "cannot change during a run"),
        ("llm.concurrency=0", "llm.concurrency: must be at least 1"),
        ("llm.concurrency=many", "llm.concurrency takes an integer, not a string"),
        ("llm.concurency=3", "did you mean llm.concurrency?"),
        ("budget.max_usd=5", "the price of test-model is unknown"),
        ("llm.concurrency", "expected KEY=VALUE"),
    ] {
        workspace.docmill(["set", setting]).exits(2).says(&[why]);
    }
    // If one of several settings is invalid, none is changed.
    workspace.docmill(["set", "llm.concurrency=3", "llm.model=other"]).exits(2).says(&["llm.model cannot change during a run"]);
    workspace.docmill(["cancel", "00.txt", "--output", "elsewhere"]).exits(2).says(&["no run is active in elsewhere"]);
    open.store(true, SeqCst);
    run.finish().exits(0);
    assert_eq!(last_run(&workspace)["live_changes"], json!([]));
    workspace.docmill(["pause"]).exits(2).says(&["no run is active in output"]);
}

#[test]
fn a_cap_set_during_a_run_counts_earlier_runs() {
    let open = Arc::new(AtomicBool::new(true));
    let server = gated(&open);
    let workspace =
        workspace(&server, 1).set("prices.test-model.input", 1.0).set("prices.test-model.output", 1.0).set("llm.concurrency", 1);
    workspace.run(["--job", "echo.toml"]).exits(0);
    for n in 1..5 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:k{n}"));
    }
    open.store(false, SeqCst);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the second run asks", |ledger| ledger.requests() == 2);
    assert_eq!(workspace.docmill(["set", "budget.max_usd=0.00001"]).exits(0).stdout.trim(), "budget.max_usd: 0.0 -> 0.00001");
    open.store(true, SeqCst);
    run.finish().exits(4).says(&["the budget of $0.000010 (budget.max_usd) has no room"]);
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_cancelled_document_keeps_answers_in_flight_until_it_is_requeued() {
    let open = Arc::default();
    let server = gated(&open);
    let two = "name = \"echo\"\ninput = \"text\"\n[[task]]\nid = \"one\"\nprompt = \"One.\"\nanswer = { one = { type = \"string\" } }
        [[task]]\nid = \"two\"\nprompt = \"Two.\"\nanswer = { two = { type = \"string\" } }\n";
    let workspace = workspace(&server, 3).set("llm.concurrency", 1);
    workspace.write("echo.toml", two);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the first call is in flight", |ledger| ledger.requests() == 1);
    let first = server.ledger().calls[0].docid.clone().unwrap().replace('k', "0") + ".txt";
    assert!(workspace.docmill(["cancel", &first]).exits(0).stdout.contains("Calls in flight finish"));
    open.store(true, SeqCst);
    let run = run.finish().exits(3);
    let mut expected = vec!["ok ".to_owned(); 3];
    expected[first[..2].parse::<usize>().unwrap()] = "partial cancelled".to_owned();
    assert_eq!((statuses(&run), server.requests()), (expected, 5));
    workspace.run(["--job", "echo.toml"]).exits(3).says(&["up to date"]);
    assert!(workspace.docmill(["requeue", &first]).exits(0).stdout.contains("the next run asks again"));
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!((statuses(&run), server.requests()), (vec!["ok ".to_owned(); 3], 6));
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_document_can_be_cancelled_before_its_turn_but_not_when_done() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 2).set("llm.documents", 1).set("llm.concurrency", 1);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the first is in flight", |ledger| ledger.requests() == 1);
    let asked = server.ledger().calls[0].docid.clone();
    let other = if asked.as_deref() == Some("k0") { "01.txt" } else { "00.txt" };
    workspace.docmill(["cancel", other]).exits(0);
    // Unknown names are refused once all documents are known.
    while status(&workspace)["documents"]["listed"] != 2 || status(&workspace)["documents"]["walk_complete"] != true {
        std::thread::yield_now();
    }
    workspace.docmill(["cancel", "001.txt"]).exits(2).says(&["001.txt: this run has no such document; did you mean 00.txt?"]);
    workspace.docmill(["cancel", "zzz"]).exits(2).says(&["zzz: this run has no such document"]).says_nothing_of("did you mean");
    open.store(true, SeqCst);
    let run = run.finish().exits(3).says_nothing_of("was cancelled");
    assert_eq!((run.csv("echo").row(other)["failure_code"].as_str(), server.requests()), ("cancelled", 1));
}

#[test]
fn an_answered_document_is_requeued_only_with_all_and_keeps_its_results_until_then() {
    let open = Arc::new(AtomicBool::new(true));
    let server = gated(&open);
    let workspace = workspace(&server, 2);
    let before = workspace.run(["--job", "echo.toml"]).exits(0).file("echo", "results.csv");
    workspace.docmill(["requeue", "00.txt"]).exits(2).says(&["no call has failed", "--all"]);
    workspace.docmill(["requeue", "zz.txt"]).exits(2).says(&["no such document"]);
    workspace.docmill(["requeue", "--all", "00.txt"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
    assert_eq!(std::fs::read_to_string(workspace.path("output/echo/results.csv")).unwrap(), before);
    open.store(false, SeqCst);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it is asked again", |ledger| ledger.of("k0")[0].requests == 2);
    workspace.docmill(["requeue", "--all", "00.txt"]).exits(2).says(&["00.txt is in progress"]);
    // This document is done, so the next run asks again.
    workspace.docmill(["requeue", "--all", "01.txt"]).exits(0);
    open.store(true, SeqCst);
    run.finish().exits(0);
    assert_eq!(server.requests(), 3);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!((server.requests(), server.ledger().of("k1")[0].requests), (4, 2));
    workspace.docmill(["verify"]).exits(0);
    workspace.run(["--job", "echo.toml"]).exits(0).says(&["up to date"]);
}

#[test]
fn reload_names_the_settings_that_need_a_new_run() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 12);
    workspace.write("pipeline.toml", "[llm]\nconcurrency = 2\n");
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("two are in flight", |ledger| ledger.requests() == 2);
    workspace.write("pipeline.toml", "[llm]\nconcurrency = 4\ntimeout_s = 50\n");
    let said = workspace.docmill(["reload"]).exits(0).stdout;
    assert_eq!(said.trim(), "llm.concurrency: 2 -> 4; in the next run only: llm.timeout_s");
    server.wait_until("four are in flight", |ledger| ledger.requests() == 4);
    workspace.write("pipeline.toml", "[llm]\nconcurrency = 0\n");
    workspace.docmill(["reload"]).exits(2).says(&["pipeline.toml:2: llm.concurrency: must be at least 1"]);
    std::fs::remove_file(workspace.path("pipeline.toml")).unwrap();
    workspace.docmill(["reload"]).exits(2).says(&["settings file pipeline.toml: No such file"]);
    workspace.write("pipeline.toml", "[llm]\nconcurrency = 6\n");
    run.signal("HUP");
    server.wait_until("six are in flight", |ledger| ledger.requests() == 6);
    open.store(true, SeqCst);
    run.finish().exits(0).says(&["settings: llm.concurrency: 4 -> 6"]);
}

#[test]
fn a_paused_run_can_be_interrupted_and_a_killed_one_leaves_no_obstacle() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 3).set("llm.concurrency", 1);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 1);
    run.signal("KILL");
    drop(run.end());
    assert!(workspace.path("output/.docmill.control").exists());
    workspace.docmill(["pause"]).exits(2).says(&["no run is active"]);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the next run asks", |ledger| ledger.requests() == 2);
    workspace.docmill(["pause"]).exits(0);
    open.store(true, SeqCst);
    run.signal("INT");
    run.finish().exits(4);
    assert!(!workspace.path("output/.docmill.control").exists());
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_watcher_sees_the_counters_until_the_run_ends() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 3);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 3);
    let (lines, json) = (workspace.start(["status", "--watch"]), workspace.start(["status", "--watch", "--json"]));
    while !(lines.heard().contains("3 in flight") && json.heard().contains("\"in_flight\":3")) {
        std::thread::yield_now();
    }
    open.store(true, SeqCst);
    run.finish().exits(0);
    let told: Vec<Value> = json.finish().exits(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((told[0]["event"].as_str(), told[1]["event"].as_str()), (Some("started"), Some("progress")));
    assert!(lines.finish().exits(0).stdout.contains("3 done, 0 pending"));
    workspace.docmill(["status", "--watch"]).exits(2).says(&["no run is active"]);
}

#[test]
fn cancelling_a_document_ends_a_call_that_waits_for_its_next_attempt() {
    let server = ModelServer::script().faults(|ask| Reply::error(ask, 529, "overloaded_error", "busy")).start();
    let workspace = workspace(&server, 1).set("llm.retry.base_ms", 60_000).set("llm.retry.max_attempts", 100);
    let run = workspace.start_run(["--job", "echo.toml", "--events", "events.jsonl"]);
    server.wait_until("it was refused", |ledger| ledger.requests() >= 1);
    while !std::fs::read_to_string(workspace.path("events.jsonl")).unwrap_or_default().contains("call_retried") {
        std::thread::yield_now();
    }
    workspace.docmill(["cancel", "00.txt"]).exits(0);
    let run = run.finish().exits(3);
    assert_eq!(statuses(&run), ["failed cancelled"]);
    workspace.run(["--job", "echo.toml"]).exits(3).says(&["up to date"]);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn commands_with_a_directory_need_no_settings_file() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 2);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("both are in flight", |ledger| ledger.requests() == 2);
    workspace.write("pipeline.toml", "[llm\nconcur");
    workspace.docmill(["pause"]).exits(2).says(&["pipeline.toml:1"]);
    for command in ["pause", "resume", "set", "cancel", "status", "runs"] {
        let more: &[&str] = match command {
            "set" => &["llm.concurrency=3"],
            "cancel" => &["00.txt"],
            _ => &[],
        };
        workspace.docmill([command, "--output", "output"].iter().chain(more)).exits(0);
    }
    workspace.docmill(["reload", "--output", "output"]).exits(2).says(&["pipeline.toml:1"]);
    open.store(true, SeqCst);
    run.finish();
}

#[test]
fn a_document_cancelled_before_its_turn_stays_cancelled_if_the_run_stops() {
    let open = Arc::default();
    let server = gated(&open);
    // One document at a time and minimal queues, so the turn of the last document is far away.
    let workspace = ["llm.documents", "llm.concurrency", "read.concurrency", "read.queue", "prepare.queue"]
        .iter()
        .fold(workspace(&server, 40), |workspace, key| workspace.set(key, 1));
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the first is in flight", |ledger| ledger.requests() == 1);
    workspace.docmill(["cancel", "39.txt"]).exits(0);
    run.signal("INT");
    run.wait_until_it_says("stopping: calls in flight have");
    open.store(true, SeqCst);
    let kept = "39.txt was cancelled, but the run stopped before its turn; the next run will not ask about it";
    run.finish().exits(4).says(&[kept]);
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!((run.csv("echo").row("39.txt")["failure_code"].as_str(), server.requests()), ("cancelled", 39));
    workspace.docmill(["requeue", "39.txt"]).exits(0);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!((statuses(&run), server.requests()), (vec!["ok ".to_owned(); 40], 40));
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn an_unknown_name_is_reported_at_the_end_and_control_characters_are_escaped() {
    let server = ModelServer::start();
    let workspace = workspace(&server, 1).env("FAILPOINTS", "read_ms=5000");
    let run = workspace.start_run(["--job", "echo.toml"]);
    run.wait_until_there_is("output/.docmill.control");
    let said = workspace.docmill(["cancel", "a\u{1b}[31m.txt"]).exits(0).stdout;
    assert!(said.starts_with(r"a\u{1b}[31m.txt: the run has not reached this document yet") && !said.contains('\u{1b}'), "{said:?}");
    run.finish().exits(0).says(&[r"a\u{1b}[31m.txt was cancelled, but the input has no such document"]).says_nothing_of("\u{1b}");
}

#[cfg(unix)]
#[test]
fn a_run_drains_when_its_terminal_closes() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 3).set("llm.concurrency", 1);
    let Some(mut terminal) = workspace.start_run_on_a_terminal(&["--job", "echo.toml", "--events", "events.jsonl"]) else { return };
    server.wait_until("it asks", |ledger| ledger.requests() == 1);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    // The run reports nothing without its terminal. The lock file names its process.
    let lock = || std::fs::read_to_string(workspace.path("output/.docmill.lock")).unwrap();
    let process = lock().lines().next().unwrap().to_owned();
    let signal = |name: &str| std::process::Command::new("kill").args([name, &process]).status().unwrap();
    // A shell may pass on the signal of the terminal, so it arrives twice.
    assert!(signal("-HUP").success());
    assert!(signal("-HUP").success());
    let events = || std::fs::read_to_string(workspace.path("events.jsonl")).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(2);
    while !events().contains("stopping: calls in flight have") {
        assert!(std::time::Instant::now() < deadline, "the signal was ignored, as under nohup: {}", events());
        std::thread::yield_now();
    }
    open.store(true, SeqCst);
    while last_run(&workspace)["outcome"] == "running" {
        std::thread::yield_now();
    }
    let last = last_run(&workspace);
    assert_eq!((last["outcome"].as_str(), last["stopped"].as_str()), (Some("stopped"), Some("stopped because the terminal was closed")));
    assert_eq!((status(&workspace)["in_doubt"].clone(), status(&workspace)["documents"]["done"].as_u64()), (json!([]), Some(1)));
    assert_eq!(server.requests(), 1);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), 3);
}

#[cfg(unix)]
#[test]
fn a_run_of_another_user_is_reported_as_such() {
    use std::os::unix::fs::PermissionsExt as _;
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 1);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 1);
    let mode = |path: &str, mode| std::fs::set_permissions(workspace.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("output/.docmill.control", 0o000);
    let Some(stranger) = workspace.as_a_stranger(&["pause", "--output", "output"]) else { return };
    stranger.exits(2).says(&["Permission denied", "Only the user who started the run"]).says_nothing_of("Try again");
    mode("output", 0o000);
    for command in ["pause", "status", "runs"] {
        let stranger = workspace.as_a_stranger(&[command, "--output", "output"]).unwrap().exits(2);
        stranger.says(&["output", "user", "Permission denied"]).says_nothing_of("no run").says_nothing_of("estore");
    }
    mode("output", 0o755);
    open.store(true, SeqCst);
    run.finish().exits(0);
}

#[test]
fn a_cancelled_document_stays_cancelled_if_the_run_is_killed_before_its_turn() {
    let open = Arc::default();
    let server = gated(&open);
    let workspace = workspace(&server, 3).set("llm.concurrency", 1);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("one is in flight", |ledger| ledger.requests() == 1);
    let first = server.ledger().calls[0].docid.clone().unwrap();
    let given_up: Vec<String> = (0..3).map(|n| format!("k{n}")).filter(|docid| *docid != first).collect();
    for docid in &given_up {
        workspace.docmill(["cancel", &format!("{}.txt", docid.replace('k', "0"))]).exits(0);
    }
    run.signal("KILL");
    drop(run.end());
    open.store(true, SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(statuses(&run).iter().filter(|status| *status == "failed cancelled").count(), 2);
    assert!(given_up.iter().all(|docid| server.ledger().of(docid).is_empty()), "a document that was given up was asked about");
    workspace.run(["--job", "echo.toml", "--retry-failed=cancelled"]).exits(0);
}
