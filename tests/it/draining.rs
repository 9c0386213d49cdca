//! Draining: requests in flight may finish after the first signal. The time is limited. A second
//! signal ends the program.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use crate::watching::wait_for;
use serde_json::Value;
use std::io::Write as _;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn workspace(server: &ModelServer, documents: usize) -> Workspace {
    let workspace = Workspace::new().against(server).set("llm.concurrency", 64);
    workspace.write("echo.toml", ECHO);
    for n in 0..documents {
        workspace.doc(format!("{n:03}.txt"), format!("docid:k{n}"));
    }
    workspace
}

#[test]
fn calls_that_do_not_finish_in_time_are_in_doubt() {
    for (signals, code) in [(&["INT"][..], 4), (&["INT", "INT"], 130), (&["TERM", "TERM"], 143)] {
        let hangs = Arc::new(AtomicBool::new(true));
        let stuck = Arc::clone(&hangs);
        let server = ModelServer::script().faults(move |_| if stuck.load(Ordering::SeqCst) { Reply::Hang } else { Reply::Ok }).start();
        let drain_s = if code == 4 { 1 } else { 60 };
        let workspace = workspace(&server, 5).set("llm.drain_s", drain_s);
        let run = workspace.start_run(["--job", "echo.toml"]);
        server.wait_until("5 calls hang", |ledger| ledger.requests() == 5);
        run.signal(signals[0]);
        run.wait_until_it_says("s to finish (llm.drain_s)");
        if let Some(again) = signals.get(1) {
            // A signal that follows at once is a part of the first request.
            wait_for("a later signal has ended the run", || {
                run.signal(again);
                run.said().contains("stopped at once")
            });
        }
        let run = run.finish().exits(code);
        if code == 4 {
            run.says(&["0 documents are done and kept, 5 remain, 5 calls are in doubt"]);
        }
        let status: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
        assert_eq!(status["in_doubt"].as_array().unwrap().len(), 5, "{signals:?}: {status}");
        hangs.store(false, Ordering::SeqCst);

        let skipped = workspace.run(["--job", "echo.toml", "--in-doubt", "skip"]).exits(3);
        assert!(skipped.csv("echo").column("failure_code").iter().all(|code| *code == "in_doubt"));
        assert_eq!(server.ledger().requests(), 5, "{signals:?}: a call in doubt was sent");
        workspace.docmill(["status"]).exits(0);
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        assert!(run.csv("echo").column("status").iter().all(|status| *status == "ok"));
        assert_eq!(server.ledger().requests(), 10);
        workspace.run(["--job", "echo.toml"]).exits(0).says(&["up to date"]);
        workspace.docmill(["verify"]).exits(0);
    }
}

#[test]
fn a_straggler_survives_a_second_request_that_the_drain_refuses() {
    let server = ModelServer::script().latency(|_| Duration::from_millis(1500)).start();
    let workspace = workspace(&server, 1).set("llm.hedge", true);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the call is in flight", |ledger| ledger.requests() == 1);
    run.signal("INT");
    let run = run.finish().exits(4);
    assert_eq!(run.csv("echo").column("status"), ["ok"]);
    assert_eq!(server.requests(), 1);
    workspace.run(["--job", "echo.toml"]).exits(0).says(&["up to date"]);
}

/// Sends a signal by its name. Returns whether the process still exists.
fn signal(name: &str, child: &Child) -> bool {
    Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap().success()
}

#[test]
fn signals_work_while_the_output_is_not_read() {
    const FULL: usize = 1 << 16;
    for (signals, code) in [(1, 4), (usize::MAX, 143)] {
        let server = ModelServer::start();
        let workspace = workspace(&server, 1000).set("llm.drain_s", if code == 4 { 1 } else { 60 });
        // The pipe is full, and its reader does not read.
        let (_reader, mut stderr) = std::io::pipe().unwrap();
        stderr.write_all("\n".repeat(FULL).as_bytes()).unwrap();
        let mut child = workspace.spawn_run(&["--job", "echo.toml", "--progress", "json"], stderr.into());
        server.wait_until("the run stands still", |ledger| {
            ledger.asks.last().is_some_and(|ask| ask.arrived.elapsed() > Duration::from_secs(1))
        });
        assert!(server.requests() < 1000, "the run must block on its output");
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut sent = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{signals} signals do not end it: {}", child.wait().unwrap());
            }
            // The system merges pending signals of the same kind, so they are sent repeatedly.
            sent += usize::from(sent < signals && signal("TERM", &child));
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(code), "{signals} signals");
        workspace.run(["--job", "echo.toml"]).exits(0);
        workspace.docmill(["verify"]).exits(0);
    }
}
