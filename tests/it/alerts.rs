//! Alerts by commands and webhooks.

use crate::support::Workspace;
use crate::watched::{events, gated, last, workspace};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Receives one POST and returns its body.
fn webhook(listener: &TcpListener) -> Value {
    let (mut stream, _) = listener.accept().unwrap();
    let mut text = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let n = stream.read(&mut piece).unwrap();
        text.extend(&piece[..n]);
        let seen = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = seen.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                assert!(head.starts_with("POST /secret HTTP/1.1"), "{head}");
                stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
                return serde_json::from_str(body).unwrap();
            }
        }
    }
}

#[test]
fn alerts_pass_the_facts_once_and_their_failures_are_reported() {
    let open = Arc::default();
    let server = gated(&open, &["k0", "k1", "k2"]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hook = format!("http://{}/secret", listener.local_addr().unwrap());
    let workspace = workspace(&server, 6).env("HOOK", &hook);
    workspace.write(
        "pipeline.toml",
        r#"
        [[alert]]
        when = "failure_rate > 0.5"
        over = 3
        run = ["sh", "-c", "cat >> facts.json; echo $ALERT_VALUE >> value"]
        [[alert]]
        when = "stall_s > 0.05"
        webhook = "env:HOOK"
        [[alert]]
        when = "cost_usd > 100"
        run = ["touch", "never"]
        [[alert]]
        when = "failure_rate > 0.4"
        over = 1
        run = ["no-such-program"]
        "#,
    );
    let run = workspace.start_run(["--job", "echo.toml"]);
    let facts = webhook(&listener);
    assert_eq!((facts["measure"].as_str(), facts["run"].as_i64(), facts["jobs"][0].as_str()), (Some("stall_s"), Some(1), Some("echo")));
    run.wait_until_it_says("cannot send an alert: webhook at 127.0.0.1: 500");
    run.wait_until_it_says("alert sent: docmill run 1 in \"output\": failure_rate > 0.5, it is 1");
    run.wait_until_it_says("cannot send an alert: no-such-program: ");
    open.store(true, SeqCst);
    let run = run.finish().exits(3);
    assert!(!run.stderr.contains("/secret"), "{}", run.stderr);
    let facts: Vec<Value> =
        std::fs::read_to_string(workspace.path("facts.json")).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((facts.len(), facts[0]["failed"].as_u64(), facts[0]["alert"].as_str()), (1, Some(3), Some("failure_rate > 0.5")));
    assert_eq!(std::fs::read_to_string(workspace.path("value")).unwrap(), "1.0\n");
    assert!(!workspace.path("never").exists());
}

#[test]
fn an_invalid_alert_is_an_error_at_its_line() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "x");
    for (alert, why) in [
        ("when = \"cost > 1\"\nrun = [\"true\"]", "pipeline.toml:2: alert: invalid condition \"cost > 1\""),
        ("when = \"cost_usd > 1\"", "takes either a command"),
        ("whne = \"cost_usd > 1\"", "unknown field \"whne\"; did you mean when?"),
    ] {
        workspace.write("pipeline.toml", format!("\n[[alert]]\n{alert}\n"));
        workspace.run([""; 0]).exits(2).says(&[why]);
    }
    workspace.write("pipeline.toml", "alert = [\"x\"]\n");
    workspace.run([""; 0]).exits(2).says(&["pipeline.toml:1: alert takes a list of tables"]);
}

#[test]
fn docmill_as_an_alert_command_reaches_the_run_that_raised_it() {
    let open = Arc::default();
    let server = gated(&open, &["k0", "k1"]);
    let bin = Path::new(env!("CARGO_BIN_EXE_docmill")).parent().unwrap().display().to_string();
    let workspace = workspace(&server, 3).env("PATH", &format!("{bin}:/usr/bin:/bin"));
    // An unrelated run uses the default output directory.
    let other = workspace.start_run(["--job", "echo.toml", "--set", "input.exclude=[\"00*\", \"01*\"]"]);
    server.wait_until("the other asks", |ledger| ledger.requests() == 1);
    workspace.write(
        "pipeline.toml",
        "[[alert]]\nwhen = \"failure_rate > 0.5\"\nover = 2\nrun = [\"docmill\", \"pause\"]\n
        [[alert]]\nwhen = \"failure_rate > 0.6\"\nover = 2\nrun = [\"sh\", \"-c\", \"pwd > where; echo $ALERT_OUTPUT >> where\"]\n",
    );
    let run = workspace.start_run(["--job", "echo.toml", "--output", "o4"]);
    run.wait_until_it_says("note: paused");
    run.wait_until_it_says("note: alert sent: docmill run 1 in \"o4\": failure_rate > 0.6, it is 1 (of the last 2 documents)");
    let told = std::fs::read_to_string(workspace.path("where")).unwrap();
    let (directory, output) = told.trim().split_once('\n').unwrap();
    assert_eq!(output, format!("{directory}/o4"));
    assert_eq!(workspace.docmill(["resume"]).exits(0).stdout.trim(), "the run is not paused");
    assert!(workspace.docmill(["resume", "--output", "o4"]).exits(0).stdout.starts_with("resumed"));
    open.store(true, SeqCst);
    run.finish().exits(3);
    other.finish().exits(0);
}

#[test]
fn a_hanging_alert_delays_no_other_and_the_end_only_briefly() {
    let open = Arc::default();
    let server = gated(&open, &["k0", "k1"]);
    // This server accepts connections, but never answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let workspace = workspace(&server, 3).env("HOOK", &format!("http://{}/secret", silent.local_addr().unwrap()));
    workspace.write(
        "pipeline.toml",
        r#"
        [[alert]]
        when = "failure_rate > 0.5"
        over = 2
        webhook = "env:HOOK"
        [[alert]]
        when = "failure_rate > 0.6"
        over = 2
        run = ["sleep", "600"]
        [[alert]]
        when = "failure_rate > 0.7"
        over = 2
        run = ["touch", "told"]
        "#,
    );
    let begun = Instant::now();
    let run = workspace.start_run(["--job", "echo.toml", "--events", "events"]);
    run.wait_until_it_says("note: alert sent: docmill run 1 in \"output\": failure_rate > 0.7");
    assert!(workspace.path("told").exists());
    open.store(true, SeqCst);
    let given_up = "docmill cancelled the alerts that were not sent 5 s after the run: failure_rate > 0.5, failure_rate > 0.6";
    run.finish().exits(3).says(&[given_up]);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    let log = std::fs::read_to_string(workspace.path("events")).unwrap();
    assert_eq!((&last(&log)["event"], &events(&log)["warning"][0]["message"]), (&json!("finished"), &json!(given_up)));
}

#[test]
fn a_run_of_few_documents_is_judged_at_its_end() {
    let open = Arc::default();
    let server = gated(&open, &["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"]);
    let workspace = workspace(&server, 10).set("llm.retry.max_consecutive_failures", 0);
    workspace.write("pipeline.toml", "[[alert]]\nwhen = \"failure_rate > 0.5\"\nrun = [\"sh\", \"-c\", \"cat > facts\"]\n");
    let run = workspace.run(["--job", "echo.toml", "--events", "events"]).exits(3);
    run.says(&["alert sent: docmill run 1 in \"output\": failure_rate > 0.5, it is 1 (of the last 10 documents)"]);
    let facts: Value = serde_json::from_str(&std::fs::read_to_string(workspace.path("facts")).unwrap()).unwrap();
    assert_eq!((&facts["of_documents"], &facts["done"], &facts["failed"]), (&json!(10), &json!(10), &json!(10)));
    let log = std::fs::read_to_string(workspace.path("events")).unwrap();
    assert_eq!((&last(&log)["event"], events(&log)["note"].len()), (&json!("finished"), 1));
}
