//! Rows that incomplete runs leave in the results.

use crate::limits::workspace;
use crate::money::{DEAR, OWN_PRICE};
use crate::order::ECHO;
use crate::support::{AccountServer, ModelServer, Workspace};
use serde_json::Value;
use std::collections::BTreeSet;

fn status(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap()
}

fn rows(workspace: &Workspace) -> BTreeSet<String> {
    let text = std::fs::read_to_string(workspace.path("output/echo/results.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn runs_at_a_reached_cap_keep_every_row() {
    let server = AccountServer::start(DEAR);
    let workspace = workspace(&server, "openai").set("llm.thinking_tokens", 1).set("llm.preflight", false).set("read.queue", 2);
    workspace.write("pipeline.toml", OWN_PRICE);
    for n in 0..400 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:d{n} text"));
    }
    let args = ["--job", "echo.toml", "--max-usd", "20"];
    workspace.run(args).exits(4);
    let first = rows(&workspace);
    assert!(first.len() > 40, "{}", first.len());
    for _ in 0..3 {
        let done = format!("{} documents are done and kept", first.len());
        workspace.run(args).exits(4).says(&[&done]);
        assert_eq!(rows(&workspace), first);
        assert_eq!(status(&workspace)["documents"]["done"], first.len());
    }
    // A document that has changed or is gone has no row.
    let changed: Vec<&String> = first.iter().take(2).collect();
    workspace.doc(changed[0], "docid:d0 another text");
    std::fs::remove_file(workspace.path(format!("docs/{}", changed[1]))).unwrap();
    workspace.run(args).exits(4);
    assert_eq!(rows(&workspace), first.iter().skip(2).cloned().collect());
}

#[test]
fn parts_of_the_input_add_up() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    for n in 0..20 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:d{n} a text"));
    }
    let run = |part: &[&str]| drop(workspace.run([&["--job", "echo.toml"], part].concat()).exits(0));
    run(&["--limit", "5"]);
    run(&["--sample", "6", "--add"]);
    let both = rows(&workspace);
    assert!((8..=11).contains(&both.len()), "{both:?}");
    run(&["--limit", "3"]);
    assert_eq!(rows(&workspace), both);
    let now = status(&workspace);
    assert_eq!((&now["documents"]["done"], &now["documents"]["pending"]), (&both.len().into(), &(20 - both.len()).into()));
    // The command to continue runs all documents.
    let next = now["next"].as_str().unwrap();
    assert!(next.contains("--job echo.toml") && !next.contains("--limit"), "{next}");
    run(&[]);
    run(&["--limit", "3"]);
    let now = status(&workspace);
    assert_eq!((&now["documents"]["done"], &now["documents"]["pending"], &now["next"]), (&20.into(), &0.into(), &Value::Null));
    assert_eq!(server.requests(), 20);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn rows_of_other_documents_with_the_same_names_are_not_kept() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    for n in 0..6 {
        workspace.write(format!("one/{n}.txt"), format!("docid:a{n}")).write(format!("two/{n}.txt"), format!("docid:b{n}"));
    }
    let run = |input: &str, further: &[&str]| drop(workspace.run_on([&[input, "--job", "echo.toml"], further].concat(), "").exits(0));
    run("one", &["--limit", "5"]);
    run("two", &["--limit", "2", "--replace"]);
    assert_eq!(rows(&workspace).into_iter().collect::<Vec<_>>(), ["0.txt", "1.txt"]);
}

#[test]
fn the_status_shows_results_of_other_jobs() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace
        .write("echo.toml", ECHO)
        .write("other.toml", ECHO.replace("\"echo\"", "\"other\""))
        .doc("a.txt", "docid:a")
        .doc("b.txt", "docid:b");
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.run(["--job", "other.toml", "--limit", "1"]).exits(0);
    assert_eq!(status(&workspace)["other_results"][0]["rows"], 2);
    assert!(workspace.docmill(["status"]).exits(0).stdout.contains("results  echo: 2 rows of run 1 as well"));
}

#[test]
fn a_result_file_that_was_changed_is_written_again() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    workspace.run(["--job", "echo.toml"]).exits(0);
    for file in ["results.csv", "results.json", "results.jsonl"] {
        let path = workspace.path(format!("output/echo/{file}"));
        let before = std::fs::read_to_string(&path).unwrap();
        // Of the same size.
        std::fs::write(&path, before.replace("b.txt", "x.txt")).unwrap();
        workspace.run(["--job", "echo.toml"]).exits(0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before, "{file}");
    }
    assert_eq!(server.requests(), 2);
}
