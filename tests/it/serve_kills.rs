//! A killed `docmill serve`: its runs go on, and its clients learn what they have missed.

use crate::serve::{borrowed, rows, texts, workspace};
use crate::support::ModelServer;
use crate::support::serving::Serving;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_killed_server_goes_on_where_it_was_and_pays_nothing_twice() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, ledger| ledger.requests() > 20 && !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server).set("llm.concurrency", 4);
    let serving = Serving::start(&workspace);
    let texts = texts(30);
    let id = serving.submit("echo", &borrowed(&texts));
    let waits = serving.submit("echo", &[("z.txt", "docid:900")]);
    server.wait_until("20 calls are answered", |ledger| ledger.requests() >= 24);
    // The other run may have a call in flight too.
    serving.wait(&id, "at work", |run| run["documents"]["done"].as_u64() >= Some(16));
    // A client that connects now gets the numbers of now.
    let first = serving.events(&id, None, |events| events.iter().any(|event| event.name == "run"));
    let at_work = first.iter().find(|event| event.name == "run").unwrap();
    assert!(at_work.data["documents"]["done"].as_u64() >= Some(16) && at_work.data["requests"].as_u64() >= Some(16), "{at_work:?}");
    let last = first.iter().rev().find_map(|event| event.id.clone());
    serving.process.signal("KILL");
    drop(serving);

    let serving = Serving::start(&workspace);
    serving.wait(&id, "at work again", |run| run["state"] == "running" && run["progress"].is_object());
    let again = serving.events(&id, last.as_deref(), |events| events.iter().any(|event| event.id.is_some()));
    assert!(again.iter().any(|event| event.name == "missed" && event.data.is_null()), "{again:?}");
    open.store(true, Ordering::SeqCst);
    serving.wait_for(&id, "complete");
    serving.wait_for(&waits, "complete");
    assert_eq!(rows(&serving, &id).len(), 30);
    let repeated: u32 = server.ledger().calls.iter().map(|call| call.served.saturating_sub(1)).sum();
    assert!(repeated <= 4, "{repeated} calls were paid twice, with 4 in flight");
}

#[test]
fn a_run_cancelled_before_a_kill_is_cancelled_and_has_all_its_requests() {
    let server = ModelServer::script().hold(|_, ledger| ledger.requests() > 5).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    let serving = Serving::start(&workspace);
    let texts = texts(10);
    let id = serving.submit("echo", &borrowed(&texts));
    serving.until("5 documents have a row", || (rows(&serving, &id).len() == 5).then_some(()));
    server.wait_until("a call is in flight", |ledger| ledger.requests() == 6);
    serving.post(&format!("/api/runs/{id}/cancel"), &json!({})).is(200);
    serving.process.signal("KILL");
    drop(serving);
    let serving = Serving::start(&workspace);
    let run = serving.get(&format!("/api/runs/{id}")).json();
    assert_eq!((&run["state"], &run["requests"], &run["documents"]["done"]), (&json!("cancelled"), &json!(6), &json!(5)), "{run}");
    assert_eq!(server.requests(), 6);
}

#[test]
fn a_killed_server_knows_lost_calls_and_totals_before_the_run_goes_on() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, ledger| ledger.requests() > 5 && !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    let serving = Serving::start(&workspace);
    let texts = texts(10);
    let id = serving.submit("echo", &borrowed(&texts));
    server.wait_until("a call is in flight", |ledger| ledger.requests() == 6);
    let in_flight = |call: &&Value| call["ended_ms"].is_null() && call["lost"] == false;
    let lost = |call: &&Value| call["ended_ms"].is_null() && call["lost"] == true;
    let calls = |serving: &Serving, of: &dyn Fn(&&Value) -> bool| {
        let calls = serving.get(&format!("/api/runs/{id}/calls")).is(200).json();
        calls["calls"].as_array().unwrap().iter().filter(|call| of(call)).count()
    };
    serving.until("5 documents have a row", || (rows(&serving, &id).len() == 5).then_some(()));
    assert_eq!((calls(&serving, &in_flight), calls(&serving, &lost)), (1, 0));
    serving.post(&format!("/api/runs/{id}/pause"), &json!({})).is(200);
    serving.process.signal("KILL");
    drop(serving);
    open.store(true, Ordering::SeqCst);

    let serving = Serving::start(&workspace);
    let run = serving.wait(&id, "known", |run| run["requests"] == 6);
    assert_eq!((&run["state"], &run["held"], &run["documents"]["done"]), (&"queued".into(), &true.into(), &5.into()));
    assert_eq!((calls(&serving, &in_flight), calls(&serving, &lost)), (0, 1));
    serving.post(&format!("/api/runs/{id}/resume"), &json!({})).is(200);
    let run = serving.wait_for(&id, "complete");
    assert_eq!((&run["requests"], calls(&serving, &lost)), (&11.into(), 1));
}
