//! Results of a watch with other settings, and budgets that change during it.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use crate::watching::{put, rows, stop, wait_for, wait_for_rows, watch, workspace};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[test]
fn results_of_other_settings_stay_until_all_documents_have_a_new_row() {
    let open = Arc::new(AtomicBool::new(true));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |ask, _| ask.docid.as_deref() == Some("c") && !gate.load(SeqCst)).start();
    let price = "{ input = 0.0, output = 1000.0 }";
    let workspace = workspace(&server).set("prices.test-model", price).set("llm.drain_s", 1);
    for name in ["a", "b", "c"] {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    stop_when_all_have_rows(&workspace, 3);
    let results = || std::fs::read_to_string(workspace.path("output/echo/results.jsonl")).unwrap();
    let before = results();
    // Another question, and a cap without room.
    workspace.write("echo.toml", format!("{ECHO}more = {{ type = \"string\" }}\n"));
    let capped = watch(&workspace, &["--max-usd", "0.0001"]).finish().exits(4);
    capped.says(&["the results were made with another job or other settings"]);
    assert_eq!(results(), before, "the cap was hit");
    // A document without an answer, and an end by the user.
    open.store(false, SeqCst);
    let run = watch(&workspace, &[]);
    wait_for("two documents have a new row", || workspace.docmill(["status"]).stdout.contains("2 done, 1 pending"));
    assert_eq!(results(), before, "a document has no new row yet");
    run.signal("TERM");
    run.finish().exits(4).says(&["results of echo are unchanged", "3 rows of run 1"]);
    assert_eq!(results(), before);
    // With all new rows, and for later documents, results follow.
    open.store(true, SeqCst);
    let run = watch(&workspace, &[]);
    wait_for("the new rows are published", || results() != before);
    assert_eq!(rows(&workspace).len(), 3);
    put(&workspace, "d.txt", "docid:d");
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c"), ("d.txt", "d")]);
    stop(run);
    // The first settings again: their rows are known, and no result is lost on the way.
    workspace.write("echo.toml", ECHO);
    let run = watch(&workspace, &[]);
    wait_for("the rows of the first settings are back", || results().contains(before.lines().next().unwrap()));
    assert_eq!(rows(&workspace).len(), 4);
    stop(run);
}

fn stop_when_all_have_rows(workspace: &Workspace, documents: usize) {
    let run = watch(workspace, &[]);
    wait_for("all have rows", || rows(workspace).len() == documents);
    stop(run);
}

#[test]
fn a_budget_of_the_day_that_is_set_below_one_request_waits_for_a_larger_one() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("prices.test-model", "{ input = 1000.0, output = 1000.0 }");
    workspace.doc("a.txt", "docid:a");
    let run = watch(&workspace, &[]);
    wait_for_rows(&workspace, &run, &[("a.txt", "a")]);
    workspace.docmill(["set", "budget.max_usd_per_day=0.0001"]).exits(0);
    put(&workspace, "b.txt", "docid:b");
    run.wait_until_it_says("smaller than one request");
    run.wait_until_it_says("docmill sends nothing until you raise the budget");
    workspace.docmill(["set", "budget.max_usd_per_day=1000"]).exits(0);
    wait_for_rows(&workspace, &run, &[("a.txt", "a"), ("b.txt", "b")]);
    stop(run);
}
