//! `watch.on_result`: a command for each row that becomes the current one of its name.

use crate::support::{ModelServer, Workspace};
use crate::watching::{put, rows, said, stop, wait_for, wait_for_rows, watch, workspace};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A script that appends its input to `got`. It fails while a file `fail` exists.
fn receiver(workspace: &Workspace) -> String {
    let path = |name: &str| workspace.path(name).display().to_string();
    let script = format!("if test -e {}; then echo no >&2; exit 1; fi; cat >> {}", path("fail"), path("got"));
    toml_list(&["sh", "-c", &script])
}

fn toml_list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(", "))
}

#[test]
fn a_command_gets_each_new_row_also_after_a_kill() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let on_result = format!("watch.on_result={}", receiver(&workspace));
    let got = || said(&std::fs::read_to_string(workspace.path("got")).unwrap_or_default());
    let run = watch(&workspace, &["--set", &on_result]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "a.txt", "docid:a");
    wait_for("the command has the row", || got() == [("a.txt".to_owned(), "said of docid:a".to_owned())]);
    // The receiver is down, and docmill is killed meanwhile.
    workspace.write("fail", "");
    put(&workspace, "b.txt", "docid:b");
    wait_for("b has a row", || rows(&workspace).contains_key("b.txt"));
    run.signal("KILL");
    run.end().unwrap_err();
    std::fs::remove_file(workspace.path("fail")).unwrap();
    let run = watch(&workspace, &["--set", &on_result]);
    wait_for("the command has both rows", || got().len() == 2);
    assert_eq!(got()[1].0, "b.txt");
    stop(run);
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_command_gets_each_version_that_becomes_the_current_one_of_its_name() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let on_result = format!("watch.on_result={}", receiver(&workspace));
    let got = || std::fs::read_to_string(workspace.path("got")).unwrap_or_default();
    let mut expected = Vec::new();
    let mut expect = |name: &str, id: &str| {
        expected.push((name.to_owned(), format!("said of docid:{id}")));
        wait_for(&format!("the command has {expected:?}"), || said(&got()) == expected);
    };
    let run = watch(&workspace, &["--set", &on_result]);
    run.wait_until_it_says("run 1: ");
    let rename = |from: &str, to: &str| std::fs::rename(workspace.path(format!("docs/{from}")), workspace.path(format!("docs/{to}")));
    for content in ["great", "terrible", "great"] {
        put(&workspace, "a.txt", &format!("docid:{content}"));
        expect("a.txt", content);
    }
    // An older version of a.txt under a new name.
    put(&workspace, "b.txt", "docid:terrible");
    expect("b.txt", "terrible");
    rename("a.txt", "c.txt").unwrap();
    expect("c.txt", "great");
    rename("c.txt", "a.txt").unwrap();
    expect("a.txt", "great");
    std::fs::remove_file(workspace.path("docs/b.txt")).unwrap();
    wait_for("b.txt has left the results", || !rows(&workspace).contains_key("b.txt"));
    put(&workspace, "b.txt", "docid:terrible");
    expect("b.txt", "terrible");
    stop(run);
    // A restart, and the same content again, are no new versions.
    let run = watch(&workspace, &["--set", &on_result]);
    put(&workspace, "a.txt", "docid:great");
    put(&workspace, "z.txt", "docid:z");
    expect("z.txt", "z");
    stop(run);
    assert_eq!(said(&got()), expected);
    assert_eq!(said(&std::fs::read_to_string(workspace.path("output/echo/arrivals.jsonl")).unwrap()), expected);
    let indexes: Vec<u64> = got().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap()).collect();
    assert!(indexes.is_sorted_by(|one, other| one < other), "{indexes:?}");
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_file_that_is_renamed_during_its_call_is_delivered_once() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |ask, _| ask.docid.as_deref() == Some("a") && !gate.load(SeqCst)).start();
    let workspace = workspace(&server);
    let got = || said(&std::fs::read_to_string(workspace.path("got")).unwrap_or_default());
    let run = watch(&workspace, &["--set", &format!("watch.on_result={}", receiver(&workspace))]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "a.txt", "docid:a");
    server.wait_until("a is in flight", |ledger| ledger.of("a").len() == 1);
    std::fs::rename(workspace.path("docs/a.txt"), workspace.path("docs/b.txt")).unwrap();
    // By then docmill knows the new name.
    put(&workspace, "c.txt", "docid:c");
    wait_for_rows(&workspace, &run, &[("c.txt", "c")]);
    open.store(true, SeqCst);
    wait_for_rows(&workspace, &run, &[("b.txt", "a"), ("c.txt", "c")]);
    stop(run);
    assert_eq!(got(), [("c.txt".to_owned(), "said of docid:c".to_owned()), ("b.txt".to_owned(), "said of docid:a".to_owned())]);
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children_and_tried_again() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.on_result_s", 1).set("watch.on_result_attempts", 2);
    let pids = workspace.path("pids");
    let script = format!("sleep 1000 & echo $! >> {}; wait", pids.display());
    let started = || std::fs::read_to_string(&pids).unwrap_or_default();
    workspace.doc("a.txt", "docid:a");
    let run = watch(&workspace, &["--set", &format!("watch.on_result={}", toml_list(&["sh", "-c", &script]))]);
    run.wait_until_it_says("watch.on_result: a.txt: attempt 1 of 2 failed: sh did not end within 1 s (watch.on_result_s)");
    run.wait_until_it_says("gave up after 2 attempts");
    // Stopped while the command hangs again: the row stays.
    put(&workspace, "b.txt", "docid:b");
    wait_for("the command has b", || started().lines().count() == 3);
    stop(run).says(&["watch.on_result: 1 row still to be delivered"]);
    let is_alive =
        |pid: &str| std::process::Command::new("kill").args(["-0", pid]).stderr(std::process::Stdio::null()).status().unwrap().success();
    wait_for("no child is left", || !started().lines().any(is_alive));
}

#[test]
fn a_command_that_always_fails_is_given_up_and_reported() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.on_result_attempts", 2);
    workspace.write("fail", "");
    workspace.doc("a.txt", "docid:a");
    let run = watch(&workspace, &["--set", &format!("watch.on_result={}", receiver(&workspace))]);
    run.wait_until_it_says("watch.on_result: a.txt: gave up after 2 attempts: sh ended with exit status: 1: no");
    stop(run);
    assert!(!workspace.path("got").exists());
}
