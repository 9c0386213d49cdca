//! `docmill watch`: documents that arrive while the run is active.

use crate::order::ECHO;
use crate::support::{Bucket, ModelServer, Reply, Running, Workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A directory without documents, watched with short waits.
pub(crate) fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("watch.publish_s", 0).set("watch.settle_s", 1).set("llm.drain_s", 5);
    workspace.write("echo.toml", ECHO);
    workspace
}

pub(crate) fn watch(workspace: &Workspace, more: &[&str]) -> Running {
    workspace.start_with(["watch", "docs", "--job", "echo.toml"].into_iter().chain(more.iter().copied()))
}

/// The rows in the result file: document and answer, or its failure code.
pub(crate) fn rows(workspace: &Workspace) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(workspace.path("output/echo/results.jsonl")).unwrap_or_default();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let said = row["answers"]["said"].as_str().or(row["failure"]["code"].as_str()).unwrap_or_default();
        (row["document"].as_str().unwrap().to_owned(), said.to_owned())
    };
    text.lines().map(row).collect()
}

pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the result file has exactly these rows. An answer `x` stands for `said of docid:x`.
pub(crate) fn wait_for_rows(workspace: &Workspace, run: &Running, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, id)| ((*name).to_owned(), format!("said of docid:{id}"))).collect();
    let deadline = Instant::now() + Duration::from_mins(1);
    while rows(workspace) != expected {
        assert!(Instant::now() < deadline, "expected {expected:?}, found {:?}\n{}", rows(workspace), run.said());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Appears under its final name when it is complete, like the files of careful programs.
pub(crate) fn put(workspace: &Workspace, name: &str, content: &str) {
    workspace.doc(format!("{name}.tmp"), content);
    std::fs::rename(workspace.path(format!("docs/{name}.tmp")), workspace.path(format!("docs/{name}"))).unwrap();
}

pub(crate) fn stop(run: Running) -> crate::support::Finished {
    run.signal("TERM");
    run.finish().exits(0)
}

#[test]
fn files_are_asked_about_as_they_arrive_and_results_follow() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.doc("old.txt", "docid:old");
    let run = watch(&workspace, &[]);
    wait_for_rows(&workspace, &run, &[("old.txt", "old")]);
    put(&workspace, "new.txt", "docid:new");
    workspace.doc("sub/deep.txt", "docid:deep");
    wait_for_rows(&workspace, &run, &[("new.txt", "new"), ("old.txt", "old"), ("sub/deep.txt", "deep")]);
    // The new version replaces the old one.
    put(&workspace, "old.txt", "docid:old2");
    wait_for_rows(&workspace, &run, &[("new.txt", "new"), ("old.txt", "old2"), ("sub/deep.txt", "deep")]);
    std::fs::remove_file(workspace.path("docs/sub/deep.txt")).unwrap();
    std::fs::rename(workspace.path("docs/new.txt"), workspace.path("docs/renamed.txt")).unwrap();
    wait_for_rows(&workspace, &run, &[("old.txt", "old2"), ("renamed.txt", "new")]);
    let status: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
    assert_eq!((&status["documents"]["done"], &status["documents"]["listed"]), (&2.into(), &2.into()), "{status}");
    let finished = stop(run);
    assert_eq!(finished.csv("echo").column("document"), ["old.txt", "renamed.txt"]);
    assert_eq!(finished.csv("echo").column("index"), ["0", "1"]);
    assert_eq!(server.requests(), 4, "a renamed file is not asked about again");
    workspace.docmill(["verify"]).exits(0);
    let runs: Value = serde_json::from_str(&workspace.docmill(["runs", "--json"]).exits(0).stdout).unwrap();
    assert_eq!(runs[0]["outcome"], "complete", "{runs}");
    // An ordinary run over the same directory has nothing to do.
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), 4);
}

#[test]
fn a_file_that_is_still_being_written_is_not_sent() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.settle_s", 0);
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    // The writer holds the file open, and pauses longer than the settings allow.
    let mut file = File::create(workspace.path("docs/slow.txt")).unwrap();
    file.write_all(b"docid:half ").unwrap();
    workspace.doc("download.part", "docid:part");
    workspace.doc(".hidden.txt", "docid:hidden");
    put(&workspace, "marker.txt", "docid:marker");
    wait_for_rows(&workspace, &run, &[("marker.txt", "marker")]);
    file.set_len(0).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.write_all(b"docid:whole").unwrap();
    drop(file);
    wait_for_rows(&workspace, &run, &[("marker.txt", "marker"), ("slow.txt", "whole")]);
    stop(run);
    assert!(server.ledger().of("half").is_empty() && server.ledger().of("part").is_empty());
    assert_eq!(server.requests(), 2);
}

#[test]
fn without_events_scans_find_files() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.events", false).set("watch.rescan_s", 1);
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    let mut file = File::create(workspace.path("docs/slow.txt")).unwrap();
    file.write_all(b"docid:half").unwrap();
    put(&workspace, "a.txt", "docid:a");
    wait_for_rows(&workspace, &run, &[("a.txt", "a")]);
    file.write_all(b" and more, docid:whole").unwrap();
    drop(file);
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("slow.txt", "half")]);
    std::fs::remove_file(workspace.path("docs/a.txt")).unwrap();
    wait_for_rows(&workspace, &run, &[("slow.txt", "half")]);
    stop(run);
    let sent = server.ledger().calls.iter().map(|call| call.text.clone()).find(|text| text.contains("slow") || text.contains("half"));
    assert!(sent.is_some_and(|text| text.contains("docid:whole")), "the whole file was sent");
}

#[test]
fn after_a_kill_answers_are_kept_and_unfinished_documents_go_on() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |ask, _| ask.docid.as_deref() == Some("b") && !gate.load(SeqCst)).start();
    let workspace = workspace(&server);
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "a.txt", "docid:a");
    put(&workspace, "b.txt", "docid:b");
    wait_for_rows(&workspace, &run, &[("a.txt", "a")]);
    server.wait_until("b is in flight", |ledger| ledger.of("b").len() == 1);
    run.signal("KILL");
    run.end().unwrap_err();
    put(&workspace, "c.txt", "docid:c");
    open.store(true, SeqCst);
    let run = watch(&workspace, &[]);
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c")]);
    stop(run);
    let ledger = server.ledger();
    let requests = |id| ledger.of(id).iter().map(|call| call.requests).sum::<u32>();
    assert_eq!((requests("a"), requests("c")), (1, 1), "answers are kept");
    assert_eq!(requests("b"), 2, "the call in doubt is sent again");
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_failure_is_final_until_it_is_requeued_or_the_file_changes() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let server = ModelServer::script()
        .faults(move |ask| if state.load(SeqCst) { Reply::error(ask, 400, "invalid_request_error", "no") } else { Reply::Ok })
        .start();
    let workspace = workspace(&server).set("watch.rescan_s", 1).set("watch.events", false);
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "a.txt", "docid:a");
    put(&workspace, "b.txt", "docid:b");
    let failed = |name: &str| rows(&workspace).get(name).is_some_and(|code| code == "rejected");
    wait_for("both have failed", || failed("a.txt") && failed("b.txt"));
    broken.store(false, SeqCst);
    let requests = server.requests();
    // A later file shows that another scan has come by.
    put(&workspace, "c.txt", "docid:c");
    wait_for("c has a row", || rows(&workspace).contains_key("c.txt"));
    assert_eq!(server.requests(), requests + 1, "scans do not ask again");
    workspace.docmill(["requeue", "a.txt"]).exits(0);
    wait_for("a has an answer", || rows(&workspace)["a.txt"] == "said of docid:a");
    put(&workspace, "b.txt", "docid:b2");
    wait_for("b has an answer", || rows(&workspace)["b.txt"] == "said of docid:b2");
    stop(run);
    assert_eq!(server.requests(), requests + 3);
}

#[test]
fn files_with_a_row_are_moved_if_the_settings_ask_for_it() {
    let server = ModelServer::script()
        .faults(|ask| if ask.docid.as_deref() == Some("bad") { Reply::error(ask, 400, "invalid_request_error", "no") } else { Reply::Ok })
        .start();
    let workspace = workspace(&server).set("watch.done_dir", "done").set("watch.failed_dir", "bad");
    workspace.doc("old/a.txt", "docid:a");
    let run = watch(&workspace, &[]);
    run.wait_until_there_is("done/old/a.txt");
    put(&workspace, "bad.txt", "docid:bad");
    run.wait_until_there_is("bad/bad.txt");
    // The same name again, with other content.
    workspace.doc("old/a.txt", "docid:again");
    run.wait_until_there_is("done/old/a.1.txt");
    wait_for("the new version is in the results", || rows(&workspace).get("old/a.txt").is_some_and(|said| said.ends_with("again")));
    let finished = stop(run);
    assert_eq!(finished.csv("echo").column("document"), ["bad.txt", "old/a.txt"]);
    assert!(std::fs::read_dir(workspace.path("docs")).unwrap().flatten().all(|entry| entry.path().is_dir()));
    // Rows of moved files stay after a restart too.
    let run = watch(&workspace, &[]);
    put(&workspace, "b.txt", "docid:b");
    run.wait_until_there_is("done/b.txt");
    assert_eq!(stop(run).csv("echo").column("document"), ["b.txt", "bad.txt", "old/a.txt"]);
    assert_eq!(server.requests(), 4);
    assert!(Path::new(&workspace.path("done/old/a.txt")).exists());
    let verified = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(verified.contains("3 inputs are unchanged"), "{verified}");
    std::fs::remove_file(workspace.path("done/b.txt")).unwrap();
    let verified = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(verified.contains("2 inputs are unchanged") && verified.contains("1 not compared (neither where they were"), "{verified}");
}

#[test]
fn what_cannot_be_watched_is_an_error_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.doc("a.txt", "docid:a");
    workspace.start_with(["watch", "docs/a.txt", "--job", "echo.toml"]).finish().exits(2).says(&["docmill watches directories"]);
    workspace.start_with(["watch", "nowhere"]).finish().exits(2).says(&["nowhere"]);
    workspace.start_with(["watch"]).finish().exits(2).says(&["name what to watch"]);
    workspace.start_with(["watch", "-", "docs", "--job", "echo.toml"]).finish().exits(2).says(&["- (standard input) stands alone"]);
    watch(&workspace, &["--tables", "rows"]).finish().exits(2).says(&["takes a table that arrives as one document"]);
    watch(&workspace, &["--set", "input.tables=rows"]).finish().exits(2).says(&["takes a table that arrives as one document"]);
    watch(&workspace, &["--rows", "t.csv"]).finish().exits(2).says(&["--rows and --files-from are for docmill run"]);
    watch(&workspace, &["--unordered"]).finish().exits(2).says(&["--unordered is for standard input"]);
    for (key, directory) in [("done_dir", "docs"), ("done_dir", "."), ("failed_dir", "docs/../docs")] {
        let setting = format!("watch.{key}={directory}");
        let says = format!("watch.{key}: ");
        watch(&workspace, &["--set", &setting]).finish().exits(2).says(&[&says, "none would be asked about"]);
    }
    // Another file system, which is usually in memory.
    if std::fs::metadata("/dev/shm").is_ok_and(|other| other.dev() != std::fs::metadata(workspace.path("docs")).unwrap().dev()) {
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
        let setting = format!("watch.done_dir={}", elsewhere.path().display());
        watch(&workspace, &["--set", &setting]).finish().exits(2).says(&["is on another file system than docs"]);
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn the_settings_file_may_name_what_to_watch_and_a_command_as_text() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.doc("a.txt", "docid:a").write("w.toml", "[input]\npaths = [\"docs\"]\n");
    let got = workspace.path("got").display().to_string();
    let command = format!("watch.on_result=\"tee\" \"{got}\"");
    let run = workspace.start_with(["watch", "--config", "w.toml", "--job", "echo.toml", "--set", &command]);
    wait_for_rows(&workspace, &run, &[("a.txt", "a")]);
    wait_for("the command has the row", || std::fs::read_to_string(&got).is_ok_and(|line| line.ends_with('\n')));
    stop(run);
}

#[test]
fn a_budget_of_the_day_below_one_request_is_named() {
    let server = ModelServer::start();
    let workspace =
        workspace(&server).set("prices.test-model", "{ input = 1000.0, output = 1000.0 }").set("budget.max_usd_per_day", "0.001");
    workspace.doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    watch(&workspace, &[]).finish().exits(4).says(&["smaller than one request", "Raise the budget"]).says_nothing_of("tomorrow");
    assert_eq!(server.requests(), 0);
    assert!(workspace.docmill(["status"]).exits(0).stdout.contains("0 done, 2 pending"));
}

#[test]
fn a_watch_waits_for_the_next_day_when_the_money_of_the_day_is_spent() {
    let server = ModelServer::start();
    let price = "{ input = 1000.0, output = 1000.0 }";
    let workspace = workspace(&server).set("prices.test-model", price).set("budget.max_usd_per_day", "1.5");
    for n in 0..60 {
        workspace.doc(format!("{n}.txt"), format!("docid:k{n}"));
    }
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("today's budget of $1.50 (budget.max_usd_per_day) has no room for another request");
    run.wait_until_it_says("docmill sends nothing until 00:00 UTC, or until you raise the budget");
    let sent = server.requests();
    assert!((1..60).contains(&sent), "{sent}");
    assert!(workspace.docmill(["status"]).exits(0).stdout.contains("sends nothing until 00:00 UTC"));
    stop(run);
    // The ledger remembers the money of the day.
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("today's budget");
    stop(run);
    workspace.run(["--job", "echo.toml"]).exits(4).says(&["today's budget of $1.50", "tomorrow"]);
    assert_eq!(server.requests(), sent);
    // A larger budget ends the wait.
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("today's budget");
    workspace.docmill(["set", "budget.max_usd_per_day=1000"]).exits(0);
    wait_for("all have rows", || rows(&workspace).len() == 60);
    assert!(!workspace.docmill(["status"]).exits(0).stdout.contains("sends nothing"));
    stop(run);
}

#[test]
fn a_bucket_is_watched_by_listing() {
    let (server, bucket) = (ModelServer::start(), Bucket::start(2));
    let workspace = bucket.env().iter().fold(workspace(&server), |workspace, (name, value)| workspace.env(name, value));
    let workspace = workspace.set("watch.rescan_s", 1);
    // No object is there yet.
    let run = workspace.start_with(["watch", "s3://test/in", "--job", "echo.toml"]);
    run.wait_until_it_says("s3://test/in: no object yet");
    bucket.put("in/a.txt", "docid:a");
    wait_for_rows(&workspace, &run, &[("a.txt", "a")]);
    for name in ["b", "c", "d"] {
        bucket.put(&format!("in/{name}.txt"), format!("docid:{name}"));
    }
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c"), ("d.txt", "d")]);
    bucket.put("in/b.txt", "docid:b2 and longer");
    std::fs::remove_file(bucket.path("in/c.txt")).unwrap();
    let expected: [(&str, &str); 3] = [("a.txt", "a"), ("b.txt", "b2"), ("d.txt", "d")];
    wait_for_rows(&workspace, &run, &expected);
    stop(run);
    assert_eq!(server.requests(), 5);
}

#[test]
fn rows_are_in_the_journal_at_once() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.publish_s", 3600);
    let journal = || said(&std::fs::read_to_string(workspace.path("output/echo/arrivals.jsonl")).unwrap_or_default());
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "b.txt", "docid:b");
    wait_for("b is in the journal", || journal().len() == 1);
    put(&workspace, "a.txt", "docid:a");
    wait_for("a is in the journal", || journal().len() == 2);
    run.signal("KILL");
    run.end().unwrap_err();
    let run = watch(&workspace, &[]);
    put(&workspace, "a.txt", "docid:a2");
    wait_for("the new version is in the journal", || journal().len() == 3);
    let names: Vec<String> = journal().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b.txt", "a.txt", "a.txt"]);
    assert_eq!(stop(run).csv("echo").column("document"), ["a.txt", "b.txt"]);
}

/// The document and the answer of each row in lines of JSON.
pub(crate) fn said(stdout: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let said = row["answers"]["said"].as_str().or(row["failure"]["code"].as_str()).unwrap_or_default().to_owned();
        (row["document"].as_str().unwrap().to_owned(), said)
    };
    stdout.lines().map(row).collect()
}
