//! docmill names the bottleneck, and the setting that would change it.
//!
//! Each situation is extreme, so that a busy machine does not change the result.
//! `tests/bench/bottleneck.rs` measures whether the predicted effect is correct.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use serde_json::Value;
use std::time::Duration;

/// A workspace and a server with these latencies. The server answers after `usual` ms, and after
/// `usual + slow` for document 7.
fn workspace(documents: usize, usual: u64, slow: u64) -> (ModelServer, Workspace) {
    let of = move |docid: Option<&str>| if docid == Some("7") { usual + slow } else { usual };
    let server = ModelServer::script().latency(move |ask| Duration::from_millis(of(ask.docid.as_deref()))).start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    for n in 0..documents {
        workspace.doc(format!("{n:03}.txt"), format!("docid:{n} a text"));
    }
    (server, workspace)
}

fn bottleneck(workspace: &Workspace) -> Value {
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let found = run.summary("echo")["whole_run"]["bottleneck"].clone();
    assert!(run.stderr.contains(found["sentence"].as_str().unwrap()), "{}", run.stderr);
    found
}

fn assert_found(found: &Value, limit: &str, key: &str) {
    assert!(found["limit"] == limit || found["limit"]["held"] == limit, "{found}");
    assert_eq!(found["change"]["key"], key, "{found}");
    assert!(found["speed_up"].as_f64().unwrap() > 1.0, "{found}");
}

#[test]
fn a_slow_disk_is_named() {
    let (_server, workspace) = workspace(30, 1, 0);
    let workspace = workspace.set("read.concurrency", 1).env("FAILPOINTS", "read_ms=50");
    assert_found(&bottleneck(&workspace), "reading", "read.concurrency");
}

#[test]
fn a_slow_preparation_is_named() {
    let (_server, workspace) = workspace(30, 1, 0);
    let workspace = workspace.set("prepare.workers", 1).env("FAILPOINTS", "prepare_ms=50");
    let found = bottleneck(&workspace);
    assert_eq!(found["limit"], "preparation", "{found}");
}

#[test]
fn a_low_concurrency_is_named() {
    let (_server, workspace) = workspace(30, 100, 0);
    let found = bottleneck(&workspace.set("llm.concurrency", 2));
    assert_found(&found, "concurrency", "llm.concurrency");
}

#[test]
fn a_limit_of_the_account_is_named() {
    let (_server, workspace) = workspace(30, 1, 0);
    let found = bottleneck(&workspace.set("llm.limits.requests_per_minute", 600));
    assert_found(&found, "requests", "llm.limits.requests_per_minute");
}

#[test]
fn one_slow_answer_is_named() {
    let (_server, workspace) = workspace(30, 1, 3000);
    let found = bottleneck(&workspace);
    assert_found(&found, "straggler", "llm.hedge");
    assert!(found["sentence"].as_str().unwrap().contains("007.txt"), "{found}");
}

#[test]
fn tuning_finds_a_higher_concurrency_and_keeps_its_answers() {
    let (server, workspace) = workspace(120, 300, 0);
    workspace.write("pipeline.toml", "[llm]\nconcurrency = 2 # careful\n");
    let all = ["tune", "docs", "--job", "echo.toml", "--documents", "20", "--write"];
    let tuned = workspace.start_with(all).finish().exits(0);
    let written = std::fs::read_to_string(workspace.path("pipeline.toml")).unwrap();
    let chosen: u32 = written.split(['=', '#']).nth(1).unwrap().trim().parse().unwrap();
    assert!(chosen > 2, "{}\n{written}", tuned.stdout);
    assert!(written.contains("# careful"), "{written}");
    assert!(tuned.stdout.contains(&format!("llm.concurrency = {chosen}")), "{}", tuned.stdout);
    let paid = server.requests();
    // The samples of two rounds may overlap.
    assert!((30..120).contains(&paid), "{paid}");
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), 120, "what was tried is part of the work");
}
