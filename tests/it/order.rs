//! Every answer belongs to its document, and rows are in input order.

use crate::support::{ModelServer, Reply, Workspace, dice};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const ECHO: &str = r#"
name = "echo"
input = "text"
[[task]]
id = "echo"
prompt = "Say which document this is.\n\n{{ document }}"
max_output_tokens = 100
[task.answer]
said = { type = "string" }
"#;

#[test]
fn under_random_delays_and_failures_every_answer_belongs_to_its_document_and_order_is_exact() {
    for seed in 1..=4 {
        let server = ModelServer::script()
            .latency(move |ask| Duration::from_millis(dice(seed, ask.docid.as_deref().unwrap(), ask.attempt) % 25))
            .faults(move |ask| match dice(seed + 77, ask.docid.as_deref().unwrap(), ask.attempt) % 100 {
                _ if ask.attempt > 3 => Reply::Ok,
                0..4 => Reply::error(ask, 500, "api_error", "it broke"),
                4..7 => Reply::error(ask, 503, "overloaded_error", "too much"),
                7..9 => Reply::Status(429, ask_later(), vec![("retry-after-ms", "15".into())]),
                9..11 => Reply::Reset,
                11..13 => Reply::CutBody,
                13..15 => Reply::Garbage,
                15..17 if ask.attempt == 1 => Reply::WrongShape,
                17..19 if ask.attempt == 1 => Reply::Truncated,
                _ => Reply::Ok,
            })
            .start();
        let workspace = Workspace::new().against(&server).set("llm.concurrency", 40).set("llm.retry.max_attempts", 20);
        let workspace = workspace.set("llm.retry.max_ambiguous", 10).set("store.group", 1 + 60 * (seed % 3));
        workspace.write("echo.toml", ECHO);
        // The byte order of the names differs from their numeric and their creation order.
        let mut names: Vec<String> = (0..500).map(|n| format!("{}/d{}.txt", ["b", "a", "a-", "ab"][n % 4], n * 7 % 500)).collect();
        for name in &names {
            workspace.doc(name, format!("This is docid:{} and nothing else.\n", docid(name)));
        }
        names.sort_unstable();

        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        let csv = run.csv("echo");
        assert_eq!(csv.column("document"), names, "seed {seed}");
        assert_eq!(csv.column("index"), (0..500).map(|n| n.to_string()).collect::<Vec<_>>(), "seed {seed}");
        for row in &csv.rows {
            assert_eq!(row["said"], format!("said of docid:{}", docid(&row["document"])), "seed {seed}");
            assert_eq!(row["status"], "ok");
        }
        let jsonl = run.jsonl("echo");
        assert_eq!(jsonl.iter().map(|row| row["document"].as_str().unwrap()).collect::<Vec<_>>(), names, "seed {seed}");
        for (row, name) in jsonl.iter().zip(&names) {
            assert_eq!(row["answers"]["said"], format!("said of docid:{}", docid(name)), "seed {seed}");
            assert_eq!(row["calls"][0]["answer"], row["answers"], "seed {seed}");
        }
        assert_eq!(run.json("echo"), jsonl, "seed {seed}");

        let ledger = server.ledger();
        assert!(ledger.max_in_flight <= 40, "{} requests at a time", ledger.max_in_flight);
        assert!(ledger.requests() > 500, "no fault was met");
        for call in &ledger.calls {
            assert_eq!(call.served, 1, "{:?} was answered {} times", call.docid, call.served);
        }
    }
}

#[test]
fn the_first_document_may_be_answered_last() {
    // The server holds the first document until all others are served. If the others waited for the
    // first, all would fail.
    let server = ModelServer::script().hold(|ask, ledger| ask.docid.as_deref() == Some("first") && ledger.requests() <= 1000).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 4).set("llm.timeout_s", 60);
    let workspace = workspace.set("read.queue", 1).set("prepare.queue", 1).set("store.queue", 1);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:first");
    for n in 0..1000 {
        workspace.doc(format!("b{n:03}.txt"), format!("docid:other-{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.ledger().requests(), 1001);
    assert_eq!(run.csv("echo").column("said")[0], "said of docid:first");
    assert_eq!(run.csv("echo").rows.len(), 1001);
}

#[test]
fn concurrency_is_reached_and_never_exceeded() {
    for concurrency in [1, 3, 50] {
        // The first requests wait for each other.
        let server =
            ModelServer::script().hold(move |_, ledger| ledger.requests() < concurrency).latency(|_| Duration::from_millis(10)).start();
        let workspace = Workspace::new().against(&server).set("llm.concurrency", concurrency).set("llm.timeout_s", 60);
        workspace.write("echo.toml", ECHO);
        for n in 0..4 * concurrency {
            workspace.doc(format!("{n}.txt"), format!("docid:c{n}"));
        }
        workspace.run(["--job", "echo.toml"]).exits(0);
        let ledger = server.ledger();
        assert_eq!((ledger.max_in_flight, ledger.requests()), (concurrency, 4 * concurrency));
    }
}

#[test]
fn the_calls_of_one_document_run_concurrently() {
    let server = ModelServer::script().hold(|_, ledger| ledger.requests() < 6).start();
    let workspace = Workspace::new().against(&server).set("llm.timeout_s", 60);
    workspace.doc("a.txt", "docid:a");
    workspace.run(["--job", "text"]).exits(0);
    assert_eq!(server.ledger().requests(), 6);
}

fn ask_later() -> Value {
    json!({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}})
}

/// The document id of a name: `b/d7.txt` becomes `b_d7`.
fn docid(name: &str) -> String {
    name.trim_end_matches(".txt").replace('/', "_")
}

#[test]
fn a_run_with_minimal_settings_never_deadlocks() {
    let server = ModelServer::start();
    let mut workspace = Workspace::new().against(&server);
    for key in [
        "read.concurrency",
        "read.queue",
        "read.memory_mb",
        "prepare.workers",
        "prepare.queue",
        "prepare.memory_mb",
        "llm.concurrency",
        "llm.documents",
        "store.queue",
        "store.group",
    ] {
        workspace = workspace.set(key, 1);
    }
    workspace.write("echo.toml", ECHO);
    for n in 0..60 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:{n} {}", "word ".repeat(n % 7)));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 60);
}

#[test]
fn documents_larger_than_the_memory_budget_run_one_by_one() {
    let server = ModelServer::start();
    // The readers read five times as many documents at a time as fit into the budget.
    let workspace = Workspace::new().against(&server).set("read.memory_mb", 1).set("prepare.memory_mb", 1).set("read.max_file_mb", 10);
    workspace.write("echo.toml", ECHO);
    for n in 0..80 {
        let words = if n % 10 == 0 { 400_000 } else { 60_000 };
        workspace.doc(format!("{n:02}.txt"), format!("docid:{n} {}", "word ".repeat(words)));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 80);
}

#[test]
fn a_name_is_taken_as_csv_files_guard_it() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("=cmd|calc.txt", "docid:k0").doc("'quoted.txt", "docid:k1");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    for guarded in run.csv("echo").column("document") {
        assert!(guarded.starts_with('\''), "{guarded}");
        let told = workspace.docmill(["requeue", "--all", guarded]).exits(0).stdout;
        assert_eq!(told.trim(), format!("{}: the next run asks again", &guarded[1..]));
    }
}
