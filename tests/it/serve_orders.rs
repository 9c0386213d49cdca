//! Orders to runs of `docmill serve`: pause, cancel, resume and requeue, at any moment and from terminals.

use crate::serve::{borrowed, texts, workspace};
use crate::support::ModelServer;
use crate::support::serving::Serving;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Waits until a run is starting: it is at work for clients, and nothing can stop it yet.
fn starts(serving: &Serving, gate: &Path) {
    serving.until("the run starts", || gate.exists().then_some(()));
}

fn submitted(serving: &Serving, submission: &Value) -> String {
    serving.post("/api/runs", submission).is(202).json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_that_is_starting_obeys_and_sends_nothing() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let gate = workspace.path("gate");
    let workspace = workspace.env("FAILPOINTS", &format!("serve_begin={}", gate.display()));
    let serving = Serving::start(&workspace);
    let order = |id: &str, order: &str| serving.post(&format!("/api/runs/{id}/{order}"), &json!({})).is(200).json();
    let mut paused = String::new();
    for before in ["nothing", "held", "cancelled"] {
        for (what, state) in [("cancel", "cancelled"), ("pause", "queued")] {
            let id = submitted(&serving, &json!({"job": "echo", "texts": ["docid:1"], "held": before != "nothing"}));
            if before == "cancelled" {
                assert_eq!(order(&id, "cancel")["state"], "cancelled");
            }
            if before != "nothing" {
                order(&id, "resume");
            }
            starts(&serving, &gate);
            let shown = order(&id, what);
            assert_eq!((&shown["state"], &shown["cancelling"]), (&json!("running"), &json!(what == "cancel")), "{shown}");
            std::fs::remove_file(&gate).unwrap();
            let run = serving.wait_for(&id, state);
            assert_eq!((&run["held"], &run["cancelling"]), (&json!(what == "pause"), &json!(false)), "{run}");
            assert_eq!(server.requests(), 0, "{what} after {before}");
            paused = id;
        }
    }
    // An order that was taken back is no order.
    order(&paused, "resume");
    starts(&serving, &gate);
    order(&paused, "pause");
    order(&paused, "resume");
    std::fs::remove_file(&gate).unwrap();
    serving.wait_for(&paused, "complete");
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_run_whose_deadline_passes_while_it_starts_sends_nothing() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let gate = workspace.path("gate");
    let workspace = workspace.env("FAILPOINTS", &format!("serve_begin={}", gate.display()));
    let serving = Serving::start(&workspace);
    let deadline = Timestamp::now() + SignedDuration::from_secs(4);
    let id = submitted(&serving, &json!({"job": "echo", "texts": ["docid:1"], "deadline": deadline.to_string()}));
    starts(&serving, &gate);
    serving.until("the deadline has passed", || (Timestamp::now() > deadline).then_some(()));
    std::fs::remove_file(&gate).unwrap();
    serving.wait_for(&id, "stopped");
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_terminal_pauses_a_run_as_the_api_does() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    let serving = Serving::start(&workspace);
    let texts = texts(3);
    let id = serving.submit("echo", &borrowed(&texts));
    server.wait_until("one call is in flight", |ledger| ledger.requests() == 1);
    let paused = workspace.docmill(["pause", "--output", &format!("server/runs/{id}")]).exits(0);
    assert!(paused.stdout.contains(&format!("POST /api/runs/{id}/resume")), "{}", paused.stdout);
    assert_eq!(serving.get(&format!("/api/runs/{id}")).json()["held"], true);
    let resume = || workspace.docmill(["resume", "--output", &format!("server/runs/{id}")]);
    resume().exits(2).says(&["the run belongs to a server", &format!("/api/runs/{id}/resume")]);
    open.store(true, Ordering::SeqCst);
    serving.wait_for(&id, "queued");
    assert_eq!(server.requests(), 1);
    resume().exits(2).says(&["The run belongs to a server", &format!("/api/runs/{id}/resume")]);
    serving.post(&format!("/api/runs/{id}/resume"), &json!({})).is(200);
    serving.wait_for(&id, "complete");
}

#[test]
fn a_complete_run_goes_on_when_a_terminal_has_requeued_documents() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let id = serving.submit("echo", &[("a.txt", "docid:1"), ("b.txt", "docid:2")]);
    serving.wait_for(&id, "complete");
    let (output, resume) = (format!("server/runs/{id}"), format!("/api/runs/{id}/resume"));
    serving.post(&resume, &json!({})).is(409);
    workspace.docmill(["requeue", "--all", "--output", &output, "a.txt"]).exits(0);
    let status = workspace.docmill(["status", "--json", "--output", &output]).exits(0).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!(status["next"].as_str().unwrap().starts_with(&format!("POST {resume}")), "{status}");
    serving.post(&resume, &json!({})).is(200);
    serving.wait(&id, "asked again", |run| run["state"] == "complete" && run["requests"] == 3);

    // The report is about the whole run, and not about the place of the server.
    let report = serving.get(&format!("/api/runs/{id}/report")).is(200).text;
    let directory = workspace.path("");
    assert!(report.contains("3 requests"), "{report}");
    assert!(!report.contains(&*directory.to_string_lossy()) && !report.contains("docmill serve"), "{report}");
}

#[test]
fn unknown_documents_are_not_found_in_any_state() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let id = serving.submit("echo", &[("a.txt", "docid:1")]);
    server.wait_until("the call is in flight", |ledger| ledger.requests() == 1);
    let requeue = || serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": ["x.txt"]})).is(404);
    requeue();
    open.store(true, Ordering::SeqCst);
    serving.wait_for(&id, "complete");
    requeue();
}

#[test]
fn a_run_that_the_servers_cap_stops_names_what_it_leaves() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.max_usd", 0.001);
    workspace.write("pipeline.toml", "[prices.\"test-model\"]\ninput = 1.0\noutput = 1000.0\n");
    let serving = Serving::start(&workspace);
    let id = serving.submit("echo", &[("a.txt", "docid:1"), ("b.txt", "docid:2")]);
    let message = serving.wait_for(&id, "stopped")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("the budget of $0.001000 is what the cap of the server (serve.max_usd = 0.001) leaves. It"), "{message}");
    // Other commands say the same.
    let status = workspace.docmill(["status", "--output", &format!("server/runs/{id}"), "--json"]).exits(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["stopped"], message);
    let next = status["next"].as_str().unwrap();
    assert!(next.contains("/resume") && !next.contains("max_usd"), "{next}");
    let verify = workspace.docmill(["verify", "--output", &format!("server/runs/{id}")]);
    let said = format!("{}{}", verify.stdout, verify.stderr);
    assert!(!said.contains("same command") && !said.contains("Run again"), "{said}");
}
