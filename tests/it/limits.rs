//! Limits of an account, as the server sees them.
//!
//! On a busy machine, requests that were admitted one after another may arrive together. Therefore
//! these tests tolerate a few refusals. Without a governor there would be dozens.
//! `tests/bench/limits.rs` measures the precision on a quiet machine.

use crate::support::{AccountServer, Books, Terms, Workspace};
use std::fs::File;
use std::time::Duration;

const JOB: &str = r#"
name = "echo"
input = "text"
[[task]]
id = "echo"
prompt = "Say something."
max_output_tokens = 100
[task.answer]
said = { type = "string" }
"#;

pub(crate) const KEY: &str = "sk-canary-5e1f0a9c77d24b3f8d6a";

pub(crate) fn workspace(server: &AccountServer, provider: &str) -> Workspace {
    let (variable, url) = match provider {
        "anthropic" => ("ANTHROPIC_API_KEY", server.url()),
        _ => ("OPENAI_API_KEY", format!("{}/v1", server.url())),
    };
    let workspace = Workspace::new().env(variable, KEY).set("llm.provider", provider).set("llm.base_url", url);
    workspace.write("echo.toml", JOB);
    workspace.set("llm.concurrency", 50)
}

fn documents(workspace: &Workspace, name: &str, count: usize, words: impl Fn(usize) -> usize) {
    for n in 0..count {
        workspace.doc(format!("{name}{n:04}.txt"), format!("docid:{name}{n} {}", "word ".repeat(words(n))));
    }
}

/// Refusals that a busy machine may cause.
pub(crate) const FORGIVEN: usize = 6;

pub(crate) const TWENTY: Terms = Terms {
    requests: Some((20.0, 20.0)),
    input_tokens: None,
    change: None,
    headers: true,
    retry_after: Some(Duration::from_secs(1)),
    refused_by_chance: 0.0,
    first_byte: Duration::ZERO,
    latency: Duration::from_millis(100),
    cache_from: 0,
    prices: [100_000, 10_000, 125_000, 500_000],
    output: |_, _| 20,
};

fn run(terms: Terms, provider: &str, count: usize) -> Books {
    let server = AccountServer::start(terms);
    let workspace = workspace(&server, provider);
    documents(&workspace, "d", count, |_| 5);
    let rows = workspace.run(["--job", "echo.toml"]).exits(0).csv("echo").rows.len();
    assert_eq!(rows, count);
    let books = server.books();
    assert_eq!(books.served, count);
    // A refusal stops all new requests. Only requests already in flight may still arrive early.
    assert!(books.early <= 50, "{} came early", books.early);
    books
}

#[test]
fn a_declared_limit_is_never_exceeded() {
    for provider in ["anthropic", "openai"] {
        let refused = run(TWENTY, provider, 90).refused;
        assert!(refused <= FORGIVEN, "{provider}: {refused} refused");
    }
}

#[test]
fn an_undeclared_limit_costs_few_refusals() {
    let books = run(Terms { headers: false, ..TWENTY }, "anthropic", 120);
    assert!(books.refused <= 10 + FORGIVEN, "{} refused", books.refused);
}

#[test]
fn a_limit_of_the_settings_holds_from_the_first_request() {
    let server = AccountServer::start(Terms { headers: false, ..TWENTY });
    let workspace = workspace(&server, "anthropic").set("llm.limits.requests_per_minute", 1200).set("llm.limits.burst_s", 1);
    documents(&workspace, "d", 60, |_| 5);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert!(server.books().refused <= FORGIVEN);
}

#[test]
fn token_limits_hold_for_documents_of_very_different_sizes() {
    // The limit is 100,000 tokens per second, and documents have up to 60,000 tokens.
    let terms = Terms { requests: None, input_tokens: Some((100_000.0, 100_000.0)), ..TWENTY };
    let server = AccountServer::start(terms);
    let workspace = workspace(&server, "anthropic");
    documents(&workspace, "d", 30, |n| [150, 700, 3_000, 15_000, 46_000][n % 5]);
    workspace.run(["--job", "echo.toml"]).exits(0);
    let books = server.books();
    assert!(books.served == 30 && books.refused <= FORGIVEN, "{} refused", books.refused);
}

#[test]
fn two_processes_on_one_key_share_its_limit() {
    let server = AccountServer::start(TWENTY);
    let runtime_dir = tempfile::tempdir().unwrap();
    let workspaces = ["a", "b"].map(|name| {
        let workspace = workspace(&server, "anthropic").env("XDG_RUNTIME_DIR", runtime_dir.path().to_str().unwrap());
        documents(&workspace, name, 45, |_| 5);
        workspace
    });
    let running = workspaces.each_ref().map(|workspace| workspace.start_run(["--job", "echo.toml"]));
    for run in running {
        run.finish().exits(0);
    }
    let books = server.books();
    assert!(books.served == 90 && books.refused <= FORGIVEN, "{} refused", books.refused);
}

#[test]
fn a_stopped_process_that_holds_the_shared_limits_stops_no_other() {
    let server = AccountServer::start(TWENTY);
    let runtime_dir = tempfile::tempdir().unwrap();
    let workspace = workspace(&server, "anthropic").env("XDG_RUNTIME_DIR", runtime_dir.path().to_str().unwrap());
    documents(&workspace, "a", 1, |_| 5);
    workspace.run(["--job", "echo.toml"]).exits(0);
    let mut files = std::fs::read_dir(runtime_dir.path().join("docmill")).unwrap();
    let held = File::open(files.next().unwrap().unwrap().path()).unwrap();
    held.lock().unwrap();

    documents(&workspace, "b", 45, |_| 5);
    workspace.run(["--job", "echo.toml"]).exits(0);
    drop(held);
    let books = server.books();
    assert!(books.served == 46 && books.refused <= FORGIVEN, "{} refused", books.refused);
}
