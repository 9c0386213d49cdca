//! Watchers of a run: metrics, an event log, and another terminal. They do not delay the run.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub(crate) fn workspace(server: &ModelServer, documents: usize) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    for n in 0..documents {
        workspace.doc(format!("{n:02}.txt"), format!("docid:k{n}"));
    }
    workspace
}

/// A server that refuses `refused`, and holds others until `open`.
pub(crate) fn gated(open: &Arc<AtomicBool>, refused: &'static [&'static str]) -> ModelServer {
    let open = Arc::clone(open);
    let is_refused = move |id: &Option<String>| id.as_deref().is_some_and(|id| refused.contains(&id));
    ModelServer::script()
        .hold(move |ask, _| !is_refused(&ask.docid) && !open.load(SeqCst))
        .faults(move |ask| if is_refused(&ask.docid) { Reply::error(ask, 400, "invalid_request_error", "no") } else { Reply::Ok })
        .start()
}

fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Samples of an exposition, by name and labels. Fails if the format is invalid.
fn parse(text: &str) -> BTreeMap<String, String> {
    assert!(text.ends_with('\n'));
    let word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (mut samples, mut families, mut family) = (BTreeMap::new(), BTreeSet::new(), (String::new(), String::new()));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(word(name) && !help.is_empty() && families.insert(name.to_owned()), "{line}");
            family = (name.to_owned(), String::new());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family.0 && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            kind.clone_into(&mut family.1);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                assert!(word(label) && !value.trim_end_matches('"').contains('"'), "{line}");
            }
            let suffix = name.strip_prefix(family.0.as_str()).unwrap_or_else(|| panic!("{line} is not of {}", family.0));
            assert!(if family.1 == "histogram" { ["_bucket", "_sum", "_count"].contains(&suffix) } else { suffix.is_empty() }, "{line}");
            value.parse::<f64>().unwrap();
            assert!(samples.insert(series.to_owned(), value.to_owned()).is_none(), "{line} comes twice");
        }
    }
    samples
}

#[test]
fn metrics_of_a_running_run_are_correct_and_well_formed() {
    let open = Arc::default();
    let server = gated(&open, &["k0", "k1"]);
    let workspace = workspace(&server, 6);
    let run = workspace.start_run(["--job", "echo.toml", "--metrics", "0"]);
    run.wait_until_it_says("note: metrics are at http://127.0.0.1:");
    let said = run.said();
    let address = said.split_once("metrics are at http://").unwrap().1.split('/').next().unwrap().to_owned();
    let samples = loop {
        let (head, body) = get(&address, "/metrics");
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
        let samples = parse(&body);
        let failed = samples.get("docmill_documents_done_total{status=\"failed\"}");
        if samples["docmill_requests_in_flight"] == "4" && failed.is_some_and(|n| n == "2") {
            break samples;
        }
    };
    for (series, value) in [
        ("docmill_documents", "6"),
        ("docmill_requests_total", "6"),
        ("docmill_request_duration_seconds_count", "2"),
        ("docmill_request_duration_seconds_bucket{le=\"+Inf\"}", "2"),
        ("docmill_requests_in_flight_limit", "32"),
        ("docmill_requests_unpriced_total", "2"),
        ("docmill_paused", "0"),
    ] {
        assert_eq!(samples[series], value, "{series}");
    }
    let shares: f64 =
        samples.iter().filter(|(series, _)| series.contains("stage=\"ask\"")).map(|(_, share)| share.parse::<f64>().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    assert!(get(&address, "/").0.starts_with("HTTP/1.1 404"));
    open.store(true, SeqCst);
    run.finish().exits(3);
}

#[test]
fn an_unusable_address_is_an_error_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = workspace(&server, 1);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    workspace.run(["--job", "echo.toml", "--metrics", &port]).exits(2).says(&["cannot serve metrics on 127.0.0.1:", "Choose another port"]);
    workspace.run(["--job", "echo.toml", "--metrics", "here"]).exits(2).says(&["invalid address here"]);
    workspace.run(["--job", "echo.toml", "--events", "no/such/file"]).exits(2).says(&["cannot write events to no/such/file"]);
    assert_eq!(server.requests(), 0);
}

/// Events by name. Checks that each has a time.
pub(crate) fn events(text: &str) -> BTreeMap<String, Vec<Value>> {
    let mut events = BTreeMap::<String, Vec<Value>>::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let at = event["at"].as_str().unwrap_or_else(|| panic!("{line}"));
        assert!(at.len() == "2026-03-01T12:00:00.123Z".len() && at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok(), "{line}");
        events.entry(event["event"].as_str().unwrap().to_owned()).or_default().push(event);
    }
    events
}

/// The last event.
pub(crate) fn last(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn check_events(text: &str) {
    let events = events(text);
    let count = |name: &str| events.get(name).map_or(0, Vec::len);
    assert_eq!((count("started"), count("document_done"), count("document_failed"), count("finished"), count("missed")), (1, 5, 1, 1, 0));
    assert_eq!((count("call_retried"), &events["call_retried"][0]["code"]), (1, &Value::from("server_error")));
    let failed = events["document_done"].iter().find(|event| event["document"] == "00.txt").unwrap();
    assert_eq!((failed["status"].as_str(), failed["calls"].as_u64()), (Some("failed"), Some(1)));
    assert!(text.lines().next().unwrap().contains("\"started\""));
    let last = last(text);
    assert_eq!((&last["event"], &last["exit_code"], last.get("stopped")), (&json!("finished"), &json!(3), None));
}

#[test]
fn every_event_is_a_line_in_a_file_on_stdout_or_in_a_fifo() {
    let server = || {
        ModelServer::script()
            .faults(|ask| match (ask.docid.as_deref(), ask.attempt) {
                (Some("k0"), _) => Reply::error(ask, 400, "invalid_request_error", "no"),
                (Some("k1"), 1) => Reply::error(ask, 500, "api_error", "not yet"),
                _ => Reply::Ok,
            })
            .start()
    };
    let to_file = server();
    let workspace_of_file = workspace(&to_file, 5);
    workspace_of_file.run(["--job", "echo.toml", "--events", "events.jsonl"]).exits(3);
    check_events(&std::fs::read_to_string(workspace_of_file.path("events.jsonl")).unwrap());
    let to_stderr = server();
    check_events(&workspace(&to_stderr, 5).run(["--job", "echo.toml", "--progress", "json"]).exits(3).stderr);
    let to_stdout = server();
    check_events(&workspace(&to_stdout, 5).run(["--job", "echo.toml", "--events", "-"]).exits(3).stdout);
    let to_fifo = server();
    let workspace = workspace(&to_fifo, 5);
    let fifo = workspace.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let run = workspace.start_run(["--job", "echo.toml", "--events", "fifo"]);
    check_events(&std::fs::read_to_string(&fifo).unwrap());
    run.finish().exits(3);
}

#[test]
fn a_failing_event_log_is_reported_and_the_run_goes_on() {
    let server = ModelServer::start();
    let workspace_of_device = workspace(&server, 3);
    let run = workspace_of_device.run(["--job", "echo.toml", "--events", "/dev/full"]).exits(0);
    assert!(run.stderr.contains("/dev/full: No space left"), "{}", run.stderr);
    assert_eq!(run.csv("echo").rows.len(), 3);
    // The reader closes the pipe during the run.
    let open = Arc::default();
    let server = gated(&open, &[]);
    let workspace = workspace(&server, 3);
    let fifo = workspace.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let run = workspace.start_run(["--job", "echo.toml", "--events", "fifo"]);
    drop(std::fs::File::open(&fifo).unwrap());
    run.wait_until_it_says("cannot write further events to fifo: Broken pipe");
    open.store(true, SeqCst);
    assert_eq!(run.finish().exits(0).csv("echo").rows.len(), 3);
}

#[test]
fn the_last_event_tells_how_a_run_ended_and_nothing_follows_it() {
    let log = |workspace: &Workspace, name: &str| std::fs::read_to_string(workspace.path(name)).unwrap();
    let unreachable =
        Workspace::new().set("llm.provider", "openai-compatible").set("llm.model", "m").set("llm.base_url", "http://127.0.0.1:9/v1");
    let unreachable = unreachable.set("llm.retry.base_ms", 1).set("llm.retry.max_attempts", 2);
    unreachable.write("echo.toml", ECHO).doc("a.txt", "docid:k0");
    unreachable.run(["--job", "echo.toml", "--events", "parked"]).exits(4);
    let parked = last(&log(&unreachable, "parked"));
    assert_eq!((&parked["event"], &parked["exit_code"]), (&json!("finished"), &json!(4)));
    assert!(!parked["stopped"].as_str().unwrap().is_empty());
    // The last event of a failed run has its message.
    let empty = Workspace::new().set("llm.model", "m");
    let run = empty.run(["--events", "empty", "--progress", "json"]).exits(2);
    let failed = last(&log(&empty, "empty"));
    assert_eq!((&failed["event"], &failed["exit_code"]), (&json!("failed"), &json!(2)));
    assert!(run.stderr.contains(&format!("docmill: {}", failed["message"].as_str().unwrap())), "{}", run.stderr);
    // A second run in the same directory leaves the first run's log unchanged.
    let open = Arc::default();
    let server = gated(&open, &[]);
    let workspace = workspace(&server, 2);
    let run = workspace.start_run(["--job", "echo.toml", "--events", "events"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 2);
    workspace.run(["--job", "echo.toml", "--events", "events"]).exits(6);
    workspace.docmill(["pause"]).exits(0);
    workspace.docmill(["resume"]).exits(0);
    open.store(true, SeqCst);
    run.finish().exits(0).says(&["note: paused", "note: resumed"]);
    let events = events(&log(&workspace, "events"));
    assert_eq!((events["note"].len(), events.get("failed")), (2, None));
    let finished = last(&log(&workspace, "events"));
    assert_eq!((&finished["event"], &finished["exit_code"], finished.get("stopped")), (&json!("finished"), &json!(0), None));
    // A run that was up to date ends in the same way.
    workspace.run(["--job", "echo.toml", "--events", "again"]).exits(0);
    assert_eq!(last(&log(&workspace, "again"))["exit_code"], 0);
}

#[test]
fn a_watcher_ends_with_its_reader_and_all_its_lines_are_events() {
    let open = Arc::default();
    let server = gated(&open, &[]);
    let workspace = workspace(&server, 2);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 2);
    for form in [&["--json"][..], &[]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        command.args(["status", "--watch"]).args(form);
        let mut watcher = workspace.in_here(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(watcher.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut why = String::new();
            watcher.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("{form:?}: nothing was told: {why}");
        }
        // The run is blocked until the watcher has ended.
        assert!(watcher.wait().unwrap().success());
    }
    let watcher = workspace.start(["status", "--watch", "--json"]);
    while !watcher.heard().contains("\"progress\"") {
        std::thread::yield_now();
    }
    open.store(true, SeqCst);
    run.finish().exits(0);
    let told = watcher.finish().exits(0).stdout;
    let last = last(&told);
    assert_eq!((events(&told)["status"].len(), &last["event"], &last["outcome"]), (1, &json!("status"), &json!("complete")));
}
