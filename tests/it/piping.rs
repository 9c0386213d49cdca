//! `docmill watch -`: lines of standard input become rows on standard output.

use crate::support::{Finished, ModelServer, Workspace, dice};
use crate::watching::{said, wait_for, workspace};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Lines of a stream with ids 0 to `count` - 1.
fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{{\"id\": {n}, \"text\": \"docid:k{n}\"}}\n")).collect()
}

/// Runs `docmill watch -` over `input`.
fn pipe(workspace: &Workspace, input: &str, more: &[&str]) -> Finished {
    let args = ["watch", "-", "--job", "echo.toml", "--text-column", "text"].into_iter().chain(more.iter().copied());
    workspace.start_with_stdin(args, input).finish()
}

#[test]
fn lines_in_become_rows_out_in_the_same_order() {
    let server = ModelServer::script().latency(|ask| Duration::from_millis(dice(3, &ask.text, 0) % 20)).start();
    let workspace = workspace(&server);
    let run = pipe(&workspace, &lines(300), &["--id-column", "id"]).exits(0);
    let expected: Vec<_> = (0..300).map(|n| (format!("stdin#{n}"), format!("said of docid:k{n}"))).collect();
    assert_eq!(said(&run.stdout), expected);
    assert_eq!(server.requests(), 300);
    // The same lines again cost nothing, and give the same rows.
    assert_eq!(said(&pipe(&workspace, &lines(300), &["--id-column", "id"]).exits(0).stdout), expected);
    let mut unordered = said(&pipe(&workspace, &lines(300), &["--id-column", "id", "--unordered"]).exits(0).stdout);
    unordered.sort();
    let mut sorted = expected;
    sorted.sort();
    assert_eq!(unordered, sorted);
    assert_eq!(server.requests(), 300);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn results_of_other_settings_are_not_replaced_by_a_stream() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    pipe(&workspace, &lines(12), &["--id-column", "id"]).exits(0);
    let results = || std::fs::read_to_string(workspace.path("output/echo/results.jsonl")).unwrap();
    let before = results();
    for input in [String::new(), lines(1)] {
        let other = pipe(&workspace, &input, &["--id-column", "id", "--set", "prepare.text.clean=true"]).exits(2);
        other.says(&["run 1 were made with another job or other settings", "--replace"]);
        assert_eq!(results(), before);
    }
    pipe(&workspace, "", &["--id-column", "id"]).exits(0);
    assert_eq!(results(), before);
    pipe(&workspace, &lines(1), &["--id-column", "id", "--set", "prepare.text.clean=true", "--replace"]).exits(0);
    assert_eq!(results().lines().count(), 1);
}

#[test]
fn without_order_a_slow_line_holds_up_no_other() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |ask, _| ask.docid.as_deref() == Some("k0") && !gate.load(SeqCst)).start();
    let workspace = workspace(&server);
    let args = ["watch", "-", "--job", "echo.toml", "--text-column", "text", "--id-column", "id", "--unordered"];
    let run = workspace.start_with_stdin(args, &lines(50));
    wait_for("the other lines are out", || run.heard().lines().count() == 49);
    open.store(true, SeqCst);
    assert_eq!(said(&run.finish().exits(0).stdout)[49].0, "stdin#0");
}

#[test]
fn bad_lines_become_failed_rows_and_equal_lines_are_paid_once() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let same = "{\"text\": \"docid:same\"}\n";
    let input = format!("{same}nonsense\n\n{same}{{\"text\": \"\"}}\n{same}{{\"text\": \"docid:other\"}}");
    let run = pipe(&workspace, &input, &[]).exits(3);
    let answers: Vec<String> = said(&run.stdout).into_iter().map(|(_, said)| said).collect();
    let same = "said of docid:same";
    assert_eq!(answers, [same, "undecodable", same, "empty", same, "said of docid:other"]);
    assert_eq!(server.requests(), 2);
    pipe(&workspace, &input, &["--accept-failed", "undecodable,empty"]).exits(0);
    assert_eq!(server.requests(), 2, "failures and answers are known");
}

#[test]
fn bad_lines_are_named_and_a_mark_and_long_lines_are_understood() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let long = |end: &str| format!("{{\"text\": \"{}{end}\"}}\n", "x".repeat(16_100_000));
    let input = format!("\u{feff}{{\"text\": \"docid:first\"}}\n\n{{text: 1}}\n{}{}{}", long("1"), long("2"), long("1"));
    let run = pipe(&workspace, &input, &[]).exits(3);
    let rows = said(&run.stdout);
    let codes: Vec<&str> = rows.iter().map(|(_, said)| &**said).collect();
    assert_eq!(codes, ["said of docid:first", "undecodable", "too_large", "too_large", "too_large"]);
    assert!(rows[2].0 != rows[3].0 && rows[2].0 == rows[4].0, "{:?}", &rows[2..]);
    let wrong: Value = serde_json::from_str(run.stdout.lines().nth(1).unwrap()).unwrap();
    let why = wrong["failure"]["message"].as_str().unwrap();
    assert!(why.starts_with("not a JSON object: fault in column 2 (first seen as line 3): {text: 1}."), "{why}");
    assert_eq!(server.requests(), 1);
    // Equal lines count once.
    pipe(&workspace, &input, &[]).exits(3).says(&["4 documents up to date"]);
}

#[test]
fn a_reader_that_closes_ends_admission_at_once() {
    const JOBS: usize = 8;
    let first: Mutex<HashSet<String>> = Mutex::default();
    // The first five documents get answers, whichever they are.
    let is_held = move |docid: Option<&str>| {
        let mut first = first.lock().unwrap();
        let docid = docid.unwrap_or_default();
        !first.contains(docid) && (first.len() == 5 || !first.insert(docid.to_owned()))
    };
    let server = ModelServer::script().hold(move |ask, _| is_held(ask.docid.as_deref())).start();
    let workspace = workspace(&server).set("llm.concurrency", JOBS).set("llm.drain_s", 1);
    let args = ["watch", "-", "--job", "echo.toml", "--text-column", "text", "--id-column", "id", "--unordered"];
    let mut child = workspace.spawn_with_stdin(args, &lines(3000));
    let read = BufReader::new(child.stdout.take().unwrap()).lines().take(5).count();
    // No row becomes ready, so docmill has nothing to write when it notices the end.
    assert_eq!((read, child.wait().unwrap().code()), (5, Some(4)));
    // A slow call may have a second request.
    let calls = server.ledger().calls.len();
    assert!(calls <= 5 + JOBS, "{calls}");
}

#[test]
fn columns_that_the_first_line_does_not_have_are_named() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let run = pipe(&workspace, &lines(3), &["--keep-columns", "id,nothing"]).exits(0).says(&["the first line has no column \"nothing\""]);
    assert_eq!(run.stderr.matches("the first line has no column").count(), 1, "{}", run.stderr);
}
