//! `docmill watch DIR`: what counts, what is left out, and what is delivered once.

use crate::support::ModelServer;
use crate::watching::{put, rows, said, stop, wait_for, wait_for_rows, watch, workspace};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;

#[test]
fn failures_before_reading_are_delivered_once() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.rescan_s", 1).set("read.max_file_mb", 1);
    let journal = || said(&std::fs::read_to_string(workspace.path("output/echo/arrivals.jsonl")).unwrap_or_default());
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "empty.txt", "");
    put(&workspace, "large.txt", &"x".repeat(1_100_000));
    wait_for("both have failed", || journal().len() == 2);
    // The same contents, with other times.
    for name in ["empty.txt", "large.txt"] {
        File::options().append(true).open(workspace.path(format!("docs/{name}"))).unwrap();
    }
    for n in 0..3 {
        put(&workspace, &format!("{n}.txt"), &format!("docid:k{n}"));
        wait_for("a later file is done", || journal().iter().any(|(name, _)| *name == format!("{n}.txt")));
    }
    let of = |name: &str| journal().into_iter().filter(|row| row.0 == name).map(|(_, code)| code).collect::<Vec<_>>();
    assert_eq!((of("empty.txt"), of("large.txt")), (vec!["empty".to_owned()], vec!["too_large".to_owned()]));
    // Now it has content.
    put(&workspace, "empty.txt", "docid:full");
    wait_for("the new content is done", || of("empty.txt").len() == 2);
    stop(run);
}

#[test]
fn a_document_counts_once_however_often_it_is_seen() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.rescan_s", 1);
    let counted = |log: &str| {
        let log = std::fs::read_to_string(workspace.path(log)).unwrap_or_default();
        let event = log.lines().rev().find(|line| line.contains("\"event\":\"progress\"")).unwrap().to_owned();
        let event: Value = serde_json::from_str(&event).unwrap();
        (event["documents"].as_u64().unwrap(), event["answered"].as_u64().unwrap(), event["up_to_date"].as_u64().unwrap())
    };
    let run = watch(&workspace, &["--events", "first"]);
    run.wait_until_it_says("run 1: ");
    for n in 0..3 {
        // A file that is new when it is read is read again by a later scan.
        workspace.doc(format!("{n}.txt"), format!("docid:k{n}"));
        wait_for("it has a row", || rows(&workspace).len() == n + 1);
    }
    let requests = server.requests();
    for n in 0..3 {
        File::options().append(true).open(workspace.path(format!("docs/{n}.txt"))).unwrap();
    }
    put(&workspace, "last.txt", "docid:last");
    wait_for("the last has a row", || rows(&workspace).len() == 4);
    stop(run);
    assert_eq!((counted("first"), server.requests()), ((4, 4, 0), requests + 1));
    let run = watch(&workspace, &["--events", "second"]);
    put(&workspace, "more.txt", "docid:more");
    wait_for("the new one has a row", || rows(&workspace).len() == 5);
    stop(run);
    assert_eq!(counted("second"), (5, 1, 4));
}

#[test]
fn an_ignore_file_applies_at_once_and_takes_rows_out_of_the_results() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    put(&workspace, "a.txt", "docid:a");
    workspace.doc("sub/b.txt", "docid:b");
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("sub/b.txt", "b")]);
    workspace.doc(".docmillignore", "sub/\nc.txt\n");
    put(&workspace, "c.txt", "docid:c");
    put(&workspace, "d.txt", "docid:d");
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("d.txt", "d")]);
    workspace.docmill(["cancel", "nowhere.txt"]).exits(2).says(&["nowhere.txt: this run has no such document"]);
    stop(run);
    assert!(server.ledger().of("c").is_empty());
}

#[test]
fn a_stop_tells_of_files_that_were_not_ready() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("watch.settle_s", 3600);
    let run = watch(&workspace, &[]);
    run.wait_until_it_says("run 1: ");
    let file = File::create(workspace.path("docs/slow.txt")).unwrap();
    (&file).write_all(b"docid:half").unwrap();
    put(&workspace, "a.txt", "docid:a");
    wait_for_rows(&workspace, &run, &[("a.txt", "a")]);
    // Watch leaves unfinished files alone, and so does the check of the results.
    workspace.doc("up.part", "docid:b");
    workspace.doc("t~", "docid:b");
    stop(run).says(&["1 file was not ready yet"]);
    drop(file);
    std::fs::remove_file(workspace.path("docs/slow.txt")).unwrap();
    workspace.docmill(["verify"]).exits(0);
    assert_eq!(server.requests(), 1);
}

#[test]
fn groups_are_asked_about_when_all_their_files_are_there() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server).set("input.group", "stem");
    put(&workspace, "a.txt", "docid:a");
    let run = watch(&workspace, &[]);
    wait_for_rows(&workspace, &run, &[("a", "a")]);
    put(&workspace, "b.txt", "docid:b");
    wait_for_rows(&workspace, &run, &[("a", "a"), ("b", "b")]);
    // A file that comes later makes new content; its name comes first.
    put(&workspace, "a.md", "docid:first");
    wait_for_rows(&workspace, &run, &[("a", "first"), ("b", "b")]);
    std::fs::remove_file(workspace.path("docs/a.md")).unwrap();
    wait_for_rows(&workspace, &run, &[("a", "a"), ("b", "b")]);
    std::fs::remove_file(workspace.path("docs/b.txt")).unwrap();
    wait_for_rows(&workspace, &run, &[("a", "a")]);
    stop(run);
}

#[test]
fn attachments_of_mails_that_arrive_are_read() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server).set("input.attachments", "read");
    let mail = |name: &str, text: &str| {
        format!(
            "From: a@b.c\nSubject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\ndocid:{name}\n\
            --x\nContent-Type: text/plain; name=f.txt\nContent-Disposition: attachment; filename=f.txt\n\ndocid:{text}\n--x--\n"
        )
    };
    put(&workspace, "a.eml", &mail("a", "one"));
    let run = watch(&workspace, &[]);
    wait_for_rows(&workspace, &run, &[("a.eml", "a"), ("a.eml#f.txt", "one")]);
    put(&workspace, "b.eml", &mail("b", "two"));
    put(&workspace, "a.eml", &mail("a", "three"));
    wait_for_rows(&workspace, &run, &[("a.eml", "a"), ("a.eml#f.txt", "three"), ("b.eml", "b"), ("b.eml#f.txt", "two")]);
    std::fs::remove_file(workspace.path("docs/b.eml")).unwrap();
    wait_for_rows(&workspace, &run, &[("a.eml", "a"), ("a.eml#f.txt", "three")]);
    stop(run);
}
