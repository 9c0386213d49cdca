//! `docmill serve`: submissions, states, events, results, keys.

use crate::order::ECHO;
use crate::support::serving::Serving;
use crate::support::{ModelServer, Workspace};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A workspace whose server asks this model server.
pub fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("serve.jobs", "jobs");
    workspace.write("jobs/echo.toml", ECHO);
    workspace
}

pub fn texts(n: usize) -> Vec<(String, String)> {
    (0..n).map(|n| (format!("{n:03}.txt"), format!("docid:{n}"))).collect()
}

pub fn borrowed(texts: &[(String, String)]) -> Vec<(&str, &str)> {
    texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// Names and answers of all rows.
pub fn rows(serving: &Serving, id: &str) -> Vec<(String, Value)> {
    let page = serving.get(&format!("/api/runs/{id}/rows?limit=1000")).is(200).json();
    let rows = page["rows"].as_array().unwrap().iter();
    rows.map(|row| (row["document"].as_str().unwrap().to_owned(), row["answers"].clone())).collect()
}

#[test]
fn a_submitted_run_has_the_results_of_the_command() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let texts = texts(12);
    for (name, text) in &texts {
        workspace.doc(name, text);
    }
    let by_command = workspace.run(["--job", "jobs/echo.toml"]).exits(0);
    let serving = Serving::start(&workspace);
    let id = serving.submit("echo", &borrowed(&texts));
    let run = serving.wait_for(&id, "complete");
    assert_eq!((&run["documents"]["done"], &run["documents"]["pending"], &run["requests"]), (&12.into(), &0.into(), &12.into()));

    let wanted: Vec<(String, Value)> =
        by_command.jsonl("echo").iter().map(|row| (row["document"].as_str().unwrap().to_owned(), row["answers"].clone())).collect();
    assert_eq!(rows(&serving, &id), wanted);
    let lines = serving.get(&format!("/api/runs/{id}/results")).is(200);
    assert_eq!(lines.text.lines().count(), 12);
    let csv = serving.get(&format!("/api/runs/{id}/results?format=csv")).is(200);
    assert_eq!(csv.text, workspace_file(&workspace, &format!("server/runs/{id}/echo/results.csv")));
    let first = serving.get(&format!("/api/runs/{id}/rows?limit=5")).json();
    assert_eq!((first["rows"].as_array().unwrap().len(), &first["next"]), (5, &5.into()));

    let calls = serving.get(&format!("/api/runs/{id}/calls")).is(200).json();
    let calls = calls["calls"].as_array().unwrap();
    assert!(calls.len() == 12 && calls.iter().all(|call| call["answered"] == true && call["ended_ms"].is_i64()), "{calls:?}");

    // The directory of a run is an output directory like any other.
    workspace.docmill(["verify", "--output", &format!("server/runs/{id}")]).exits(0);
    let report = serving.get(&format!("/api/runs/{id}/report")).is(200);
    assert!(report.text.contains("<html") && report.header("content-security-policy").unwrap().contains("sandbox"));
}

fn workspace_file(workspace: &Workspace, name: &str) -> String {
    std::fs::read_to_string(workspace.path(name)).unwrap()
}

#[test]
fn a_stopped_server_drains_and_keeps_the_run_for_the_next_start() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server).set("llm.concurrency", 4);
    let serving = Serving::start(&workspace);
    let texts = texts(10);
    let id = serving.submit("echo", &borrowed(&texts));
    server.wait_until("4 calls are in flight", |ledger| ledger.requests() == 4);
    serving.process.signal("TERM");
    serving.process.wait_until_it_says("stopping");
    assert_eq!(serving.get("/readyz").status, 503);
    assert_eq!(serving.post("/api/runs", &json!({"job": "echo", "texts": ["x"]})).status, 503);
    open.store(true, Ordering::SeqCst);
    let Serving { process, .. } = serving;
    process.finish().exits(0);
    assert_eq!(server.requests(), 4, "something was sent after the signal");

    let serving = Serving::start(&workspace);
    serving.wait_for(&id, "complete");
    assert_eq!((server.requests(), rows(&serving, &id).len()), (10, 10));
}

#[test]
fn runs_can_be_held_cancelled_resumed_and_removed() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    let serving = Serving::start(&workspace);
    let held = serving.post("/api/runs", &json!({"job": "echo", "texts": ["docid:held"], "held": true})).is(202).json();
    let held = held["id"].as_str().unwrap().to_owned();
    let texts = texts(5);
    let id = serving.submit("echo", &borrowed(&texts));
    server.wait_until("one call is in flight", |ledger| ledger.requests() == 1);
    assert_eq!(serving.delete(&format!("/api/runs/{id}")).is(409).json()["code"], "conflict");
    serving.post(&format!("/api/runs/{id}/cancel"), &json!({})).is(200);
    open.store(true, Ordering::SeqCst);
    let run = serving.wait_for(&id, "cancelled");
    assert_eq!((&run["documents"]["done"], server.requests()), (&1.into(), 1));
    serving.post(&format!("/api/runs/{id}/resume"), &json!({})).is(200);
    serving.wait_for(&id, "complete");
    assert_eq!(server.requests(), 5);
    assert_eq!(serving.post(&format!("/api/runs/{id}/resume"), &json!({})).status, 409);

    assert_eq!(serving.wait(&held, "held", |_| true)["state"], "queued");
    let estimate = serving.get(&format!("/api/runs/{held}/estimate")).is(200).json();
    assert_eq!((&estimate["documents"], &estimate["calls"]), (&1.into(), &1.into()));
    serving.post(&format!("/api/runs/{held}/resume"), &json!({})).is(200);
    serving.wait_for(&held, "complete");

    serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": ["002.txt"], "all": true})).is(200);
    server.wait_until("one document is asked again", |ledger| ledger.requests() == 7);
    serving.wait_for(&id, "complete");
    serving.delete(&format!("/api/runs/{id}")).is(204);
    serving.get(&format!("/api/runs/{id}")).is(404);
    assert!(!workspace.path(format!("server/runs/{id}")).exists() && !workspace.path(format!("server/inputs/{id}")).exists());
}

#[test]
fn all_errors_have_one_form() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server));
    let id = serving.submit("echo", &[("a.txt", "docid:1")]);
    serving.wait_for(&id, "complete");
    let is_problem = |response: crate::support::serving::Response, code: &str| {
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{}", response.text);
        assert_eq!(response.json()["code"], code, "{}", response.text);
    };
    is_problem(serving.get("/api/runs?state=bogus").is(400), "bad_request");
    for path in ["runs?limit=0", "runs?limit=101", &format!("runs/{id}/rows?limit=1001")] {
        is_problem(serving.get(&format!("/api/{path}")).is(400), "bad_request");
    }
    serving.get("/api/runs?limit=100").is(200);
    is_problem(serving.get(&format!("/api/runs/{id}/rows?from=-1")).is(400), "bad_request");
    is_problem(serving.post(&format!("/api/runs/{id}/requeue"), &json!({})).is(422), "invalid");
    is_problem(serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": []})).is(422), "invalid");
    is_problem(serving.delete("/api/estimate").is(405), "bad_request");
    is_problem(serving.get("/api/nothing").is(404), "not_found");
}

#[test]
fn a_second_server_on_a_directory_only_has_to_wait() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let _serving = Serving::start(&workspace);
    workspace.docmill(["serve", "server", "--bind", "127.0.0.1:0"]).exits(6).says(&["serve.dir", "another docmill is running there"]);
}

#[test]
fn a_run_at_its_cap_goes_on_with_a_larger_one() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    workspace.write("pipeline.toml", "[prices.\"test-model\"]\ninput = 1.0\noutput = 1000.0\n");
    let serving = Serving::start(&workspace);
    let texts: Vec<String> = (0..4).map(|n| format!("docid:{n}")).collect();
    let run = serving.post("/api/runs", &json!({"job": "echo", "texts": texts, "max_usd": 0.001})).is(202).json();
    let id = run["id"].as_str().unwrap();
    let stopped = serving.wait_for(id, "stopped");
    let message = stopped["message"].as_str().unwrap();
    assert!(message.contains("resume the run with a larger cap") && !message.contains("--max-usd"), "{message}");
    serving.post(&format!("/api/runs/{id}/resume"), &json!({"max_usd": -1})).is(422);
    let status = workspace.docmill(["status", "--output", &format!("server/runs/{id}")]).exits(0).stdout;
    assert!(status.contains(&format!("POST /api/runs/{id}/resume with {{\"max_usd\": ")) && !status.contains("--max-usd"), "{status}");
    serving.post(&format!("/api/runs/{id}/resume"), &json!({"max_usd": 1000})).is(200);
    assert_eq!(serving.wait_for(id, "complete")["max_usd"], 1000.0);
    let refused = serving.post(&format!("/api/runs/{id}/resume"), &json!({"max_usd": 1e-9})).is(422);
    assert!(refused.text.contains("the run has spent"), "{}", refused.text);
}

#[test]
fn a_paused_run_sends_nothing_until_it_is_resumed() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, ledger| ledger.requests() == 1 && !gate.load(Ordering::SeqCst)).start();
    let workspace = workspace(&server).set("llm.concurrency", 1);
    let serving = Serving::start(&workspace);
    let texts = texts(5);
    let id = serving.submit("echo", &borrowed(&texts));
    server.wait_until("one call is in flight", |ledger| ledger.requests() == 1);
    let paused = serving.post(&format!("/api/runs/{id}/pause"), &json!({})).is(200).json();
    assert_eq!((&paused["state"], &paused["held"]), (&"running".into(), &true.into()));
    // It can change its mind while the call is in flight.
    for (what, held) in [("resume", false), ("pause", true)] {
        assert_eq!(serving.post(&format!("/api/runs/{id}/{what}"), &json!({})).is(200).json()["held"], held);
    }
    open.store(true, Ordering::SeqCst);
    // It finishes the call in flight, and gives its place to another run.
    let waits = serving.wait(&id, "queued", |run| run["state"] == "queued" && run["held"] == true);
    assert_eq!((&waits["documents"]["done"], server.requests()), (&1.into(), 1));
    let other = serving.submit("echo", &[("other.txt", "docid:900")]);
    serving.wait_for(&other, "complete");
    serving.post(&format!("/api/runs/{id}/resume"), &json!({})).is(200);
    serving.wait_for(&id, "complete");
    assert_eq!(server.requests(), 6);
}

#[test]
fn events_follow_a_run_and_go_on_after_a_lost_connection() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let texts = texts(20);
    let id = serving.submit("echo", &borrowed(&texts));
    let done = |events: &[crate::support::serving::Event]| events.iter().filter(|event| event.data["event"] == "document_done").count();
    let first = serving.events(&id, None, |events| done(events) >= 3);
    let last = first.iter().rev().find_map(|event| event.id.clone());
    let rest = serving.events(&id, last.as_deref(), |_| false);
    assert_eq!(rest.last().map(|event| (event.name.as_str(), event.data["state"].as_str())), Some(("run", Some("complete"))));
    let ids: Vec<&String> = first.iter().chain(&rest).filter_map(|event| event.id.as_ref()).collect();
    let distinct: std::collections::BTreeSet<&String> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an event came twice");
    // If the run ended before the second connection, the rows are in the store.
    assert!(done(&first) + done(&rest) == 20 || rest.len() == 1, "{} and {}", done(&first), done(&rest));
    assert_eq!(rows(&serving, &id).len(), 20);
}

#[test]
fn files_arrive_by_multipart_and_their_names_stay_inside() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let upload = |name: &str| {
        let body = format!(
            "--b\r\ncontent-disposition: form-data; name=\"run\"\r\n\r\n{{\"job\": \"echo\"}}\r\n\
            --b\r\ncontent-disposition: form-data; name=\"documents\"; filename=\"{name}\"\r\n\r\ndocid:7\r\n--b--\r\n"
        );
        serving.post_with("/api/runs", &[("content-type", "multipart/form-data; boundary=b")], body)
    };
    let id = upload("letters/7.txt").is(202).json()["id"].as_str().unwrap().to_owned();
    serving.wait_for(&id, "complete");
    assert_eq!(rows(&serving, &id)[0].0, "letters/7.txt");
    for name in ["../../x", "/etc/x", "a/../../x", "..", ".hidden"] {
        assert_eq!(upload(name).is(422).header("content-type"), Some("application/problem+json"), "{name}");
    }
    assert_eq!(std::fs::read_dir(workspace.path("server/incoming")).unwrap().count(), 0);
}

#[test]
fn rows_and_identical_submissions_and_job_files_are_taken() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let job = ECHO.replace("{{ document }}", "{{ row.text }} {{ row.n }}");
    let submission = json!({"job_file": job, "rows": [{"n": 1, "text": "docid:1"}, {"n": 2, "text": "docid:2"}]});
    let post =
        |body: &Value| serving.post_with("/api/runs", &[("content-type", "application/json"), ("idempotency-key", "k1")], body.to_string());
    let first = post(&submission).is(202);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), Some(format!("/api/runs/{id}").as_str()));
    assert_eq!(post(&submission).is(200).json()["id"].as_str(), Some(id.as_str()));
    assert_eq!(post(&json!({"job": "echo", "texts": ["other"]})).status, 422);
    serving.wait_for(&id, "complete");
    assert_eq!((rows(&serving, &id).len(), server.requests()), (2, 2));
    let estimate = serving.post("/api/estimate", &submission).is(200).json();
    assert_eq!(estimate["calls"], 2);
    assert_eq!(server.requests(), 2, "an estimate sends nothing");
}

#[test]
fn wrong_submissions_name_the_fault_and_leave_nothing() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    for (body, status, part) in [
        (json!({"job": "echo"}), 422, "no documents"),
        (json!({"job": "ech", "texts": ["x"]}), 422, "unknown job"),
        (json!({"job": "../jobs/echo", "texts": ["x"]}), 422, "unknown job"),
        (json!({"job_file": "name = 1", "texts": ["x"]}), 422, "job.toml"),
        (json!({"job": "echo", "texts": ["x"], "settings": {"llm.base_url": "http://192.0.2.1"}}), 403, "llm.base_url"),
        (json!({"job": "echo", "texts": ["x"], "settings": {"llm.concurrency": "many"}}), 422, "llm.concurrency"),
        (json!({"job": "echo", "addresses": ["http://169.254.169.254/latest"]}), 403, "serve.urls"),
        (json!({"job": "echo", "texts": ["x"], "max_usd": 1.0}), 422, "price"),
        (json!({"job": "echo", "texts": ["x"], "typo": 1}), 400, "typo"),
    ] {
        let response = serving.post("/api/runs", &body).is(status);
        assert!(response.json()["detail"].as_str().unwrap().contains(part), "{}", response.text);
    }
    assert_eq!(serving.get("/api/runs").json()["runs"], json!([]));
    assert_eq!(std::fs::read_dir(workspace.path("server/inputs")).unwrap().count(), 0);
    assert_eq!(server.requests(), 0);
}

#[test]
fn keys_separate_clients_and_other_sites_are_refused() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.keys", "keys.toml");
    let new_key = |name: &str| workspace.start_with(["serve", "--new-key", name]).finish().exits(0).stdout.trim().to_owned();
    let (ours, theirs) = (new_key("ours"), new_key("theirs"));
    assert!(!workspace_file(&workspace, "keys.toml").contains(&ours));
    let serving = Serving::start(&workspace);
    assert_eq!(serving.get("/api/runs").is(401).header("www-authenticate"), Some("Bearer"));
    assert_eq!(serving.get("/healthz").status, 200);
    let serving = serving.with_header("authorization", &format!("Bearer {ours}"));
    let id = serving.submit("echo", &[("a.txt", "docid:1")]);
    serving.wait_for(&id, "complete");
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        let request = [("content-type", "application/json"), (name, value)];
        assert_eq!(serving.post_with("/api/runs", &request, r#"{"job":"echo","texts":["x"]}"#).status, 403, "{name}");
    }
    let serving = serving.with_header("authorization", &format!("Bearer {theirs}"));
    for path in ["", "/rows", "/calls", "/results", "/events", "/report", "/estimate"] {
        serving.get(&format!("/api/runs/{id}{path}")).is(404);
    }
    for path in ["cancel", "pause", "resume"] {
        serving.post(&format!("/api/runs/{id}/{path}"), &json!({})).is(404);
    }
    serving.delete(&format!("/api/runs/{id}")).is(404);
    assert_eq!(serving.get("/api/runs").json()["runs"], json!([]));
    // A key that may only read sees the runs of another one.
    let file = workspace_file(&workspace, "keys.toml").replace("name = \"theirs\"", "name = \"theirs\"\nrole = \"read\"\nof = \"ours\"");
    workspace.write("keys.toml", file);
    serving.process.signal("HUP");
    serving.until("it sees the run", || (serving.get("/api/runs").json()["runs"][0]["id"] == id).then_some(()));
    serving.post(&format!("/api/runs/{id}/requeue"), &json!({"documents": ["a.txt"]})).is(403);
    serving.with_header("authorization", "Bearer dmk_wrong").get("/api/runs").is(401);
}

#[test]
fn the_page_loads_only_itself_and_needs_no_key() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.keys", "keys.toml");
    workspace.start_with(["serve", "--new-key", "a"]).finish().exits(0);
    let serving = Serving::start(&workspace);
    let page = serving.get("/").is(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let files: Vec<&str> = page.text.split('"').filter(|part| part.starts_with("/page/")).collect();
    assert_eq!(files.len(), 2, "{}", page.text);
    for file in files {
        serving.get(file).is(200);
    }
    serving.get("/api/jobs").is(401);
}

#[test]
fn jobs_are_listed_with_their_files() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let jobs = serving.get("/api/jobs").is(200).json();
    let job = |name: &str| jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap().clone();
    assert_eq!((&job("auto")["file"], &job("echo")["file"]), (&Value::Null, &ECHO.into()));
    assert!(job("text")["about"].as_str().unwrap().contains("summary"));
}
