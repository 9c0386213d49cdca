//! Readers of documents and commands of alerts get no more than they need.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use crate::watched::workspace;
use std::collections::BTreeMap;

/// What happened to each attempt of hostile code in the process that decodes a table.
#[cfg(target_os = "linux")]
fn attempts_of_a_table(more: &str) -> BTreeMap<String, String> {
    let workspace = Workspace::new().env("FAILPOINTS", &format!("read_table=escape{more}"));
    workspace.write("t.csv.gz", crate::tables::gzip("body\na\n"));
    let run = workspace.run_on(["--rows", "t.csv.gz"], "").exits(2);
    let message = run.stderr.trim().split_once("cannot decompress: ").unwrap_or_else(|| panic!("{}", run.stderr)).1.to_owned();
    message.split("; ").filter_map(|attempt| attempt.split_once(": ")).map(|(what, how)| (what.to_owned(), how.to_owned())).collect()
}

/// What happened to each attempt of a reader that tries to escape.
fn attempts(more: &str) -> BTreeMap<String, String> {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).env("FAILPOINTS", &format!("read_document=escape{more}"));
    workspace.write("echo.toml", ECHO).doc("a.html", "<!DOCTYPE html><p>docid:a");
    let csv = workspace.run(["--job", "echo.toml"]).exits(3).csv("echo");
    let message = csv.rows[0]["failure_message"].trim_start_matches("the reader of documents: ").to_owned();
    message.split("; ").filter_map(|attempt| attempt.split_once(": ")).map(|(what, how)| (what.to_owned(), how.to_owned())).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_reader_opens_no_file_and_no_socket_and_starts_no_program() {
    let denied =
        ["connect", "listen", "udp", "unix", "passwd", "list", "write", "exec", "own-environ", "parent-environ", "parent-memory", "signal"];
    for of_reader in [attempts, attempts_of_a_table] {
        let found = of_reader("");
        for what in denied {
            assert_eq!(found[what], "PermissionDenied", "{what}: {found:?}");
        }
        assert_eq!((&*found["thread"], &*found["environment"]), ("succeeded", "Other"), "{found:?}");
        // Outside the sandbox, the same attempts succeed. So it is the sandbox that denies them.
        let free = of_reader(",sandbox=off");
        for what in ["listen", "udp", "unix", "passwd", "list", "write", "exec", "own-environ", "signal"] {
            assert_eq!(free[what], "succeeded", "{what}: {free:?}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_reader_ends_with_its_run() {
    let server = ModelServer::start();
    // The memory limit tells the readers of this test from others.
    let megabytes = 1_000 + std::process::id() % 1_000;
    let workspace = Workspace::new().against(&server).set("prepare.document_mb", megabytes);
    workspace.write("echo.toml", ECHO).doc("a.html", "<!DOCTYPE html><p>docid:a");
    let run = workspace.clone().env("FAILPOINTS", "read_document=hangs").start_run(["--job", "echo.toml"]);
    run.wait_until_there_is("hangs");
    let is_ours = |entry: std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).ends_with(&format!("\0read-documents\0{megabytes}\0"))
    };
    let readers = || std::fs::read_dir("/proc").unwrap().flatten().map(is_ours).filter(|ours| *ours).count();
    assert_eq!(readers(), 1);
    run.signal("KILL");
    drop(run);
    // Without an end, the test runner reports the test as running.
    while readers() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn commands_of_alerts_get_no_keys() {
    let open = std::sync::Arc::default();
    let server = crate::watched::gated(&open, &["k0"]);
    open.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut workspace = workspace(&server, 6);
    let secrets = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "AWS_SECRET_ACCESS_KEY", "TENANT", "HOOK"];
    for name in secrets {
        workspace = workspace.env(name, "hidden-value");
    }
    workspace = workspace.env("AWS_REGION", "shown-value");
    workspace.write(
        "pipeline.toml",
        r#"
        [llm.headers]
        x-tenant = "env:TENANT"
        [[alert]]
        when = "failure_rate > 0.1"
        over = 1
        run = ["sh", "-c", "env > environment.new; mv environment.new environment"]
        [[alert]]
        when = "cost_usd > 1000"
        webhook = "env:HOOK"
        "#,
    );
    let run = workspace.run(["--job", "echo.toml"]);
    let environment = std::fs::read_to_string(workspace.path("environment")).unwrap_or_else(|_| panic!("no alert: {}", run.stderr));
    assert!(environment.contains("AWS_REGION=shown-value") && environment.contains("ALERT_VALUE="), "{environment}");
    assert!(!environment.contains("hidden-value"), "{environment}");
}
