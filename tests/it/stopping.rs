//! Stopped runs can be resumed, and no paid call is sent again.

use crate::order::ECHO;
use crate::support::{Ask, Finished, ModelServer, Reply, Workspace};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn an_interrupt_exits_with_4_and_the_next_run_sends_only_missing_calls() {
    stopped_by("INT");
}

#[test]
fn a_request_to_terminate_is_like_an_interrupt() {
    stopped_by("TERM");
}

#[test]
fn a_run_ends_with_commands_that_fit_what_happened() {
    let server = ModelServer::script().faults(|ask| if ask.docid.as_deref() == Some("bad") { Reply::Refusal } else { Reply::Ok }).start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace.run(["--job", "echo.toml"]).exits(0).says(&["next  docmill report --output output", "docmill verify --output output"]);
    workspace.run(["--job", "echo.toml", "--quiet"]).exits(0).says_nothing_of("next  ");
    workspace.doc("bad.txt", "docid:bad");
    let failed = workspace.run(["--job", "echo.toml"]).exits(3);
    failed.says(&["--retry-failed=refused", "asks again about 1 document with refused", "docmill status --output output"]);
    // A repeated run sends nothing, and its exit code needs a reason.
    let quiet = workspace.run(["--job", "echo.toml", "--quiet"]).exits(3);
    quiet.says(&["failed in earlier runs: 1 refused"]);
    let runs: serde_json::Value = serde_json::from_str(&workspace.docmill(["runs", "--json"]).exits(0).stdout).unwrap();
    let counts: Vec<_> = runs.as_array().unwrap().iter().map(|run| (run["not_ok"].as_u64(), run["up_to_date"].as_u64())).collect();
    assert_eq!(counts[2..], [(Some(1), Some(1)), (Some(1), Some(2))], "{runs}");
    // The failure has just been tried again, with the same result.
    let tried = workspace.run(["--job", "echo.toml", "--retry-failed=refused"]).exits(3);
    tried.says_nothing_of("asks again about");
    // The results already have all documents, one of them refused.
    let sample = workspace.run(["--job", "echo.toml", "--limit", "1"]).exits(3);
    sample.says(&["The results of an earlier run already have all of them"]);
}

fn stopped_by(signal: &str) {
    let stuck = Arc::new(AtomicBool::new(true));
    let hangs = Arc::clone(&stuck);
    let server = ModelServer::script()
        .faults(move |ask| {
            let late = ask.docid.as_deref().is_some_and(|id| id.starts_with("late"));
            if late && hangs.load(Ordering::SeqCst) { Reply::Hang } else { Reply::Ok }
        })
        .start();
    // The drain limit ends hanging requests. A short timeout could also end other requests on a
    // stalled machine. All calls fit in flight, so hanging ones do not block others.
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 80).set("llm.drain_s", 1);
    workspace.write("echo.toml", ECHO);
    for n in 0..40 {
        workspace.doc(format!("a{n:02}.txt"), format!("docid:early-{n}"));
        workspace.doc(format!("b{n:02}.txt"), format!("docid:late-{n}"));
    }
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the first half is answered and the second hangs", |ledger| {
        ledger.calls.iter().filter(|call| call.served == 1).count() == 40 && ledger.calls.len() == 80
    });
    run.signal(signal);
    run.finish().exits(4);

    let before = server.ledger().requests();
    stuck.store(false, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 80);
    assert!(run.csv("echo").column("status").iter().all(|status| *status == "ok"));
    let ledger = server.ledger();
    assert_eq!(ledger.requests() - before, 40, "requests of the second run");
    for call in &ledger.calls {
        assert_eq!(call.served, 1, "{:?}", call.docid);
    }
}

#[test]
fn an_interrupt_does_not_wait_for_preparation() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.html", "<!DOCTYPE html><p>docid:a");
    let hangs = workspace.clone().env("FAILPOINTS", "read_document=hangs");
    let run = hangs.start_run(["--job", "echo.toml"]);
    run.wait_until_there_is("hangs");
    run.signal("INT");
    run.finish().exits(4);
    assert_eq!(workspace.run(["--job", "echo.toml"]).exits(0).csv("echo").column("said"), ["said of docid:a"]);
}

#[test]
fn a_read_that_hangs_costs_its_document_only() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("read.timeout_s", 1);
    workspace.write("echo.toml", ECHO);
    for n in 0..20 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:h{n}"));
    }
    let csv = workspace.clone().env("FAILPOINTS", "read_hangs=03.txt").run(["--job", "echo.toml"]).exits(3).csv("echo");
    let failed: Vec<(&str, &str)> =
        csv.rows.iter().filter(|row| row["status"] != "ok").map(|row| (&*row["document"], &*row["failure_code"])).collect();
    assert_eq!((csv.rows.len(), failed), (20, vec![("03.txt", "unreadable")]));
    assert!(csv.rows[3]["failure_message"].contains("read.timeout_s"), "{:?}", csv.rows[3]);
    assert_eq!(workspace.run(["--job", "echo.toml"]).exits(0).csv("echo").rows.len(), 20);
}

#[test]
fn after_a_kill_no_committed_answer_is_asked_again() {
    let server = ModelServer::script().latency(|_| Duration::from_millis(5)).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 8);
    workspace.write("echo.toml", ECHO);
    for n in 0..300 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:k{n}"));
    }
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("a hundred are answered", |ledger| ledger.calls.iter().filter(|call| call.served == 1).count() >= 100);
    run.signal("KILL");
    drop(run);
    let before = server.ledger();
    let served_before = before.calls.iter().filter(|call| call.served == 1).count();

    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let csv = run.csv("echo");
    assert_eq!(csv.rows.len(), 300);
    assert!(csv.rows.iter().enumerate().all(|(n, row)| row["said"] == format!("said of docid:k{n}")));
    let ledger = server.ledger();
    let twice = ledger.calls.iter().filter(|call| call.served > 1).count();
    // Only requests in flight and answers not yet committed may be sent twice.
    assert!(twice <= 8 + 64, "{twice} of {served_before} answers were asked for again");
    assert!(ledger.calls[..20].iter().all(|call| call.served == 1), "an answer of the beginning was asked for again");
}

#[test]
fn a_stopped_run_keeps_complete_results_of_an_earlier_one() {
    let refuses = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&refuses);
    let server = ModelServer::script()
        .faults(
            move |ask| {
                if switch.load(Ordering::SeqCst) { Reply::error(ask, 401, "authentication_error", "who are you?") } else { Reply::Ok }
            },
        )
        .start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("b.txt", "docid:b").doc("c.txt", "docid:c");
    let whole = workspace.run(["--job", "echo.toml"]).exits(0).file("echo", "results.csv");
    refuses.store(true, Ordering::SeqCst);
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml"]).exits(5);
    assert_eq!(run.file("echo", "results.csv"), whole);
    refuses.store(false, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("document"), ["a.txt", "b.txt", "c.txt"]);
    assert_eq!(server.ledger().of("b")[0].requests, 1);
}

#[test]
fn a_second_run_on_the_same_output_names_the_first_and_sends_nothing() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().faults(move |_| if gate.load(Ordering::SeqCst) { Reply::Ok } else { Reply::Hang }).start();
    let workspace = Workspace::new().against(&server).set("llm.timeout_s", 2).set("llm.retry.base_ms", 1);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    let first = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the first run asks", |ledger| ledger.requests() == 1);
    workspace.run(["--job", "echo.toml"]).exits(6).says(&["another docmill is running there (process "]);
    open.store(true, Ordering::SeqCst);
    first.finish().exits(0);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.ledger().of("a")[0].served, 1);
}

#[test]
fn the_next_run_replaces_partial_results_of_a_stopped_run() {
    let refuses = Arc::new(AtomicBool::new(true));
    let (switch, first_is_served) = (Arc::clone(&refuses), AtomicBool::new(false));
    let server = ModelServer::script()
        .faults(move |ask| {
            if ask.docid.as_deref() == Some("a") {
                first_is_served.store(true, Ordering::SeqCst);
                Reply::Ok
            } else if !switch.load(Ordering::SeqCst) {
                Reply::Ok
            } else if first_is_served.load(Ordering::SeqCst) {
                Reply::error(ask, 401, "authentication_error", "no")
            } else {
                Reply::error(ask, 500, "api_error", "not yet")
            }
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", 10_000).set("llm.retry.base_ms", 1);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    let run = workspace.run(["--job", "echo.toml"]).exits(5);
    assert_eq!(run.csv("echo").column("document"), ["a.txt"]);
    assert!(run.summary("echo")["stopped"].is_string());
    refuses.store(false, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("document"), ["a.txt", "b.txt"]);
    assert!(run.summary("echo").get("stopped").is_none());
}

/// Checks that rows count all requests, and verifies the store.
#[track_caller]
fn all_requests_are_counted(workspace: &Workspace, run: &Finished, server: &ModelServer) {
    let attempts: u64 = run.csv("echo").column("attempts").iter().map(|n| n.parse::<u64>().unwrap()).sum();
    assert_eq!(attempts, server.requests() as u64, "requests that rows count, and requests that came");
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn requests_of_a_stopped_run_count_in_the_row_of_the_next() {
    let limit = Arc::new(AtomicBool::new(true));
    let limited = Arc::clone(&limit);
    let too_much = |ask: &Ask| Reply::Status(429, ask.dialect.error("rate_limit_error", "too much"), vec![("retry-after", "1000".into())]);
    let server = ModelServer::script().faults(move |ask| if limited.load(Ordering::SeqCst) { too_much(ask) } else { Reply::Ok }).start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    for _ in 0..2 {
        workspace.run(["--job", "echo.toml"]).exits(4).says(&["longer than llm.retry.max_wait_s"]);
        workspace.docmill(["verify"]).exits(4).says(&["no check failed"]);
    }
    limit.store(false, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), 3);
    all_requests_are_counted(&workspace, &run, &server);
    // A requeued call that fails keeps its old answer, and its row counts the new requests.
    workspace.docmill(["requeue", "--all", "a.txt"]).exits(0);
    limit.store(true, Ordering::SeqCst);
    workspace.run(["--job", "echo.toml"]).exits(4);
    workspace.docmill(["verify"]).exits(4).says(&["no check failed"]);
    limit.store(false, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), 5);
    all_requests_are_counted(&workspace, &run, &server);
}

#[test]
fn requests_before_an_interrupt_or_a_kill_count_in_the_row_of_the_next_run() {
    for signal in ["INT", "KILL"] {
        let busy = Arc::new(AtomicBool::new(true));
        let is_busy = Arc::clone(&busy);
        let server = ModelServer::script()
            .faults(move |ask| if is_busy.load(Ordering::SeqCst) { Reply::error(ask, 529, "overloaded_error", "busy") } else { Reply::Ok })
            .start();
        let workspace = Workspace::new().against(&server).set("llm.retry.base_ms", 600_000).set("llm.retry.max_attempts", 100);
        workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
        let run = workspace.start_run(["--job", "echo.toml", "--events", "events.jsonl"]);
        while !std::fs::read_to_string(workspace.path("events.jsonl")).unwrap_or_default().contains("call_retried") {
            std::thread::yield_now();
        }
        run.signal(signal);
        drop(run.end());
        busy.store(false, Ordering::SeqCst);
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        // After a kill, rows may lack requests that were in flight.
        if signal == "INT" {
            all_requests_are_counted(&workspace, &run, &server);
        }
        workspace.docmill(["verify"]).exits(0);
    }
}

#[test]
fn replies_received_while_the_process_is_stopped_are_read() {
    const TIMEOUT_S: u64 = 2;
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 8).set("llm.timeout_s", TIMEOUT_S);
    workspace.write("echo.toml", ECHO);
    for n in 0..8 {
        workspace.doc(format!("{n}.txt"), format!("docid:s{n}"));
    }
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("8 calls are in flight", |ledger| ledger.requests() == 8);
    run.signal("STOP");
    let stopped = Instant::now();
    open.store(true, Ordering::SeqCst);
    server.wait_until("all are answered, and the time for it is over", |ledger| {
        let served: u32 = ledger.calls.iter().map(|call| call.served).sum();
        served == 8 && stopped.elapsed() > Duration::from_secs(TIMEOUT_S + 1)
    });
    run.signal("CONT");
    run.finish().exits(0);
    assert_eq!(server.requests(), 8);
}

#[test]
fn a_deferred_document_stays_pending_and_the_next_run_asks_about_it() {
    let server = ModelServer::start();
    // With one active document, others start only after the deferred one has given up its place.
    let workspace = Workspace::new().against(&server).set("llm.documents", 1);
    workspace.write("echo.toml", ECHO);
    for name in ["a", "b", "c"] {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    let defers = workspace.clone().env("FAILPOINTS", "deferred=b.txt");
    for requests in [2, 2] {
        let run = defers.run(["--job", "echo.toml"]).exits(4);
        let run = run.says(&["a later run collects the answers on 1 document", "2 documents are done and kept, 1 remain"]);
        assert_eq!(run.csv("echo").column("document"), ["a.txt", "c.txt"]);
        assert_eq!(server.requests(), requests);
    }
    let status: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
    assert!(status["in_doubt"].as_array().unwrap().is_empty(), "{status}");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("said"), ["said of docid:a", "said of docid:b", "said of docid:c"]);
    assert_eq!(server.requests(), 3);
    workspace.docmill(["verify"]).exits(0);
}
