//! `/v1/files` and `/v1/batches` of `docmill serve`.

use crate::gateway::{chat, workspace};
use crate::support::serving::Serving;
use crate::support::{ModelServer, Reply};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A line of a batch.
fn line(id: &str, text: &str) -> String {
    format!("{}\n", json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": chat(text)}))
}

/// Uploads the input of a batch. Returns its id.
fn upload(serving: &Serving, content: &str) -> String {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{content}\r\n\
        --b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n"
    );
    let file = serving.post_with("/v1/files", &[("content-type", "multipart/form-data; boundary=b")], body).is(200).json();
    assert_eq!((&file["bytes"], &file["purpose"], &file["filename"]), (&content.len().into(), &"batch".into(), &"in.jsonl".into()));
    file["id"].as_str().unwrap().to_owned()
}

fn create(serving: &Serving, file: &str, window: &str) -> String {
    let new = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": window, "metadata": {"run": "r1"}});
    let batch = serving.post("/v1/batches", &new).is(200).json();
    assert!(batch["status"] == "validating" && batch["output_file_id"].is_null() && batch["metadata"]["run"] == "r1", "{batch}");
    batch["id"].as_str().unwrap().to_owned()
}

fn wait(serving: &Serving, batch: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    serving.wait_at(&format!("/v1/batches/{batch}"), what, is_so)
}

fn lines_of(serving: &Serving, file: &Value) -> Vec<Value> {
    let text = serving.get(&format!("/v1/files/{}/content", file.as_str().unwrap())).is(200).text;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["custom_id"].as_str().unwrap()).collect()
}

#[test]
fn a_batch_has_an_answer_or_an_error_for_each_line_in_their_order() {
    let server = ModelServer::script()
        .faults(|ask| if ask.docid.as_deref() == Some("bad") { Reply::error(ask, 400, "bad_one", "no") } else { Reply::Ok })
        .start();
    let serving = Serving::start(&workspace(&server));
    let file = upload(&serving, &[line("a", "docid:1"), line("b", "docid:bad"), line("c", "docid:3")].concat());
    let batch = create(&serving, &file, "24h");
    let ended = wait(&serving, &batch, "it is complete", |batch| batch["status"] == "completed");
    assert_eq!(ended["request_counts"], json!({"total": 3, "completed": 2, "failed": 1}));
    let (output, errors) = (lines_of(&serving, &ended["output_file_id"]), lines_of(&serving, &ended["error_file_id"]));
    assert_eq!((ids(&output), ids(&errors)), (vec!["a", "c"], vec!["b"]));
    assert_eq!((&output[0]["response"]["status_code"], &output[0]["error"]), (&200.into(), &Value::Null));
    assert_eq!(output[0]["response"]["body"]["object"], "chat.completion");
    assert_eq!((&errors[0]["response"]["status_code"], &errors[0]["response"]["body"]["error"]["code"]), (&400.into(), &"bad_one".into()));
    let part = serving.with_header("range", "bytes=0-4");
    let content = part.get(&format!("/v1/files/{file}/content")).is(206);
    assert_eq!((&*content.text, content.header("content-range").unwrap().split('/').next()), ("{\"cus", Some("bytes 0-4")));
    let files = part.get("/v1/files?limit=2").is(200).json();
    assert_eq!((files["data"].as_array().unwrap().len(), &files["has_more"]), (2, &true.into()));
    let more = part.get(&format!("/v1/files?limit=2&after={}", files["last_id"].as_str().unwrap())).is(200).json();
    assert_eq!((&more["data"][0]["id"], &more["has_more"]), (&file.clone().into(), &false.into()));
    assert_eq!(part.delete(&format!("/v1/files/{file}")).is(200).json()["deleted"], true);
    part.get(&format!("/v1/files/{file}")).is(404);
    assert_eq!(part.get("/v1/batches").is(200).json()["data"][0]["id"], batch.as_str());
}

#[test]
fn an_invalid_file_fails_as_a_whole_and_nothing_is_sent() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server));
    let file = upload(&serving, &[line("a", "x"), line("a", "y"), "{\n".to_owned()].concat());
    let batch = create(&serving, &file, "1h");
    let ended = wait(&serving, &batch, "it has failed", |batch| batch["status"] == "failed");
    let errors = ended["errors"]["data"].as_array().unwrap();
    assert_eq!(
        errors.iter().map(|error| (&error["code"], error["line"].as_u64())).collect::<Vec<_>>(),
        [(&"duplicate_custom_id".into(), Some(2)), (&"invalid_json_line".into(), Some(3))]
    );
    assert!(errors[0]["message"].is_string() && errors[0]["param"] == "custom_id");
    let wrong = |change: fn(&mut Value)| {
        let mut new = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        change(&mut new);
        serving.post("/v1/batches", &new)
    };
    wrong(|new| new["endpoint"] = "/v1/other".into()).is(400);
    wrong(|new| new["completion_window"] = "soon".into()).is(400);
    wrong(|new| new["input_file_id"] = "file-none".into()).is(404);
    serving.get("/v1/files/..%2F..%2Fqueue.db/content").is(404);
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_batch_goes_on_after_kills_and_pays_no_answered_line_again() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("llm.concurrency", 8);
    let total = 300;
    let content: String = (0..total).map(|n| line(&format!("l{n:03}"), &format!("docid:{n}"))).collect();
    let mut serving = Serving::start(&workspace);
    let file = upload(&serving, &content);
    let batch = create(&serving, &file, "24h");
    for kill in 1..=3 {
        server.wait_until("more lines are answered", |ledger| ledger.requests() > kill * 60);
        serving.process.signal("KILL");
        drop(serving);
        serving = Serving::start(&workspace);
    }
    let ended = wait(&serving, &batch, "it is complete", |batch| batch["status"] == "completed");
    assert_eq!(ended["request_counts"]["completed"], total);
    let output = lines_of(&serving, &ended["output_file_id"]);
    let expected: Vec<String> = (0..total).map(|n| format!("l{n:03}")).collect();
    assert_eq!(ids(&output), expected);
    let repeated: u32 = server.ledger().calls.iter().map(|call| call.served.saturating_sub(1)).sum();
    assert!(repeated <= 3 * 8, "{repeated} lines were paid twice, with 8 in flight at each of 3 kills");
}

#[test]
fn a_cancelled_batch_and_an_expired_one_keep_finished_lines() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let held = |id: Option<&str>| id == Some("held");
    let server = ModelServer::script().hold(move |ask, _| held(ask.docid.as_deref()) && !gate.load(Ordering::SeqCst)).start();
    let serving = Serving::start(&workspace(&server).set("llm.concurrency", 1).set("serve.keys", ""));
    let file = upload(&serving, &[line("a", "docid:1"), line("b", "docid:held"), line("c", "docid:3")].concat());
    let batch = create(&serving, &file, "24h");
    wait(&serving, &batch, "one line is answered", |batch| batch["request_counts"]["completed"] == 1);
    server.wait_until("the second line is in flight", |ledger| ledger.requests() == 2);
    assert_eq!(serving.delete(&format!("/v1/files/{file}")).is(409).json()["error"]["code"], "file_in_use");
    let cancelling = serving.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).is(200).json();
    assert_eq!(cancelling["status"], "cancelling");
    open.store(true, Ordering::SeqCst);
    let ended = wait(&serving, &batch, "it is cancelled", |batch| batch["status"] == "cancelled");
    assert_eq!(ids(&lines_of(&serving, &ended["output_file_id"])), ["a", "b"]);
    assert!(ended["error_file_id"].is_null() && server.requests() == 2);
    serving.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).is(409);

    open.store(false, Ordering::SeqCst);
    let batch = create(&serving, &file, "1s");
    server.wait_until("the held line is in flight", |ledger| ledger.requests() == 4);
    wait(&serving, &batch, "its window is over", |batch| {
        batch["expires_at"].as_u64().unwrap() < std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    });
    open.store(true, Ordering::SeqCst);
    let ended = wait(&serving, &batch, "it is expired", |batch| batch["status"] == "expired");
    assert_eq!(ids(&lines_of(&serving, &ended["output_file_id"])), ["a", "b"]);
    let errors = lines_of(&serving, &ended["error_file_id"]);
    assert_eq!((ids(&errors), &errors[0]["error"]["code"]), (vec!["c"], &"batch_expired".into()));
}

#[test]
fn files_and_batches_of_one_key_do_not_exist_for_another() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.keys", "keys.toml");
    let keys = ["a", "b"].map(|name| workspace.start_with(["serve", "--new-key", name]).finish().exits(0).stdout.trim().to_owned());
    let serving = Serving::start(&workspace).with_header("x-api-key", &keys[0]);
    let file = upload(&serving, &line("a", "docid:1"));
    let batch = create(&serving, &file, "24h");
    wait(&serving, &batch, "it is complete", |batch| batch["status"] == "completed");
    let serving = serving.with_header("x-api-key", &keys[1]);
    for path in [format!("/v1/files/{file}"), format!("/v1/files/{file}/content"), format!("/v1/batches/{batch}")] {
        serving.get(&path).is(404);
    }
    serving.delete(&format!("/v1/files/{file}")).is(404);
    serving.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).is(404);
    for path in ["/v1/files", "/v1/batches"] {
        assert_eq!(serving.get(path).is(200).json()["data"], json!([]));
    }
}

#[test]
fn the_oldest_files_are_removed_beyond_the_size_limit() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    let serving = Serving::start(&workspace);
    let large = "x".repeat(700_000);
    let [old, new] = [upload(&serving, &large), upload(&serving, &large)];
    drop(serving);
    let ledger = rusqlite::Connection::open(workspace.path("server/requests.db")).unwrap();
    // Both are older than two minutes, which a file stays in any case.
    ledger.execute("UPDATE files SET created_ms = iif(id = ?1, 1000, 2000)", [&old]).unwrap();
    drop(ledger);
    let serving = Serving::start(&workspace.set("serve.retention_mb", 1));
    serving.wait_at("/v1/files", "one file is left", |files| files["data"].as_array().unwrap().len() == 1);
    serving.get(&format!("/v1/files/{old}")).is(404);
    serving.get(&format!("/v1/files/{new}/content")).is(200);
}
