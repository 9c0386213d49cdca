//! Servers whose responses for several texts cannot be used, and texts without a vector.

use crate::embedding::{embed, number, store, text, vectors, write};
use crate::support::Workspace;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Changes the entries of a response: its vectors, the texts, and the number of the request from 1.
type Change = fn(Vec<Value>, &[String], usize) -> Vec<Value>;

/// A server that counts words as tokens, and changes its responses.
struct Odd {
    url: String,
    /// Texts and tokens of each request.
    requests: Arc<Mutex<Vec<(usize, usize)>>>,
    _runtime: Runtime,
}

impl Odd {
    fn start(has_usage: bool, change: Change) -> Self {
        Self::with_base64(has_usage, change, None)
    }

    /// The server gives this status and body to requests for base64. Without, it ignores the field.
    fn with_base64(has_usage: bool, change: Change, base64: Option<(u16, &'static str)>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let serve = move |body: Bytes| async move {
            let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return (StatusCode::NOT_FOUND, "{}".to_owned()) };
            let texts: Vec<String> = asked["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
            let tokens = texts.iter().map(|text| text.split_whitespace().count()).sum();
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push((texts.len(), tokens));
                seen.len()
            };
            if texts.iter().any(|text| text.contains("spoilt")) {
                return (
                    StatusCode::BAD_REQUEST,
                    json!({"error": {"message": "a text is spoilt", "type": "invalid_request_error"}}).to_string(),
                );
            }
            if let (Some((status, body)), Value::String(_)) = (base64, &asked["encoding_format"]) {
                return (StatusCode::from_u16(status).unwrap(), body.to_owned());
            }
            let entry = |(index, text): (usize, &String)| json!({"index": index, "embedding": vector(text, 32)});
            let data: Vec<Value> = texts.iter().enumerate().map(entry).collect();
            let data = change(data, &texts, number);
            let usage = if has_usage { json!({"prompt_tokens": tokens}) } else { Value::Null };
            // As Python's `json.dumps` writes it.
            (StatusCode::OK, json!({"data": data, "model": "m", "usage": usage}).to_string().replace("\"NaN\"", "NaN"))
        };
        let app = Router::new().fallback(serve);
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, requests, _runtime: runtime }
    }

    fn workspace(&self) -> Workspace {
        let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.base_url", &self.url);
        workspace.set("llm.model", "m").set("llm.retry.base_ms", 1).set("llm.pack.wait_ms", 300).set("llm.pack.max_items", 40)
    }

    fn tokens(&self) -> usize {
        self.requests.lock().unwrap().iter().map(|(_, tokens)| tokens).sum()
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A vector that depends on the text.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let digest = blake3::hash(text.as_bytes());
    digest.as_bytes().iter().cycle().take(dimensions).map(|byte| f32::from(*byte) - 127.5).collect()
}

fn sound(data: Vec<Value>, _: &[String], _: usize) -> Vec<Value> {
    data
}

fn zero_index(mut data: Vec<Value>, _: &[String], _: usize) -> Vec<Value> {
    for entry in &mut data {
        entry["index"] = json!(0);
    }
    data
}

fn last_is_missing(mut data: Vec<Value>, texts: &[String], _: usize) -> Vec<Value> {
    data.truncate(if texts.len() > 2 { texts.len() - 1 } else { texts.len() });
    data
}

fn null(mut data: Vec<Value>, texts: &[String], _: usize) -> Vec<Value> {
    if texts.len() > 1 {
        data[1]["embedding"] = Value::Null;
    }
    data
}

fn other_dimensions(mut data: Vec<Value>, texts: &[String], number: usize) -> Vec<Value> {
    for (entry, text) in data.iter_mut().zip(texts).filter(|_| number > 3) {
        entry["embedding"] = json!(vector(text, 16));
    }
    data
}

fn nan(mut data: Vec<Value>, texts: &[String], _: usize) -> Vec<Value> {
    for (entry, _) in data.iter_mut().zip(texts).filter(|(_, text)| text.contains("undefined")) {
        entry["embedding"][3] = json!("NaN");
    }
    data
}

/// Tokens that a server without faults counts.
fn tokens_of_a_sound_server(count: usize) -> usize {
    let server = Odd::start(true, sound);
    let workspace = server.workspace();
    write(&workspace, 0..count);
    embed(&workspace).exits(0);
    server.tokens()
}

#[test]
fn a_server_that_answers_packs_wrongly_costs_at_most_three_times_as_much() {
    const NOTE: &str = "answers requests with several texts wrongly";
    let least = tokens_of_a_sound_server(320);
    for (change, most, why) in [(zero_index as Change, 1, "index 0 is wrong or comes twice"), (last_is_missing, 2, "vectors for 40 inputs")]
    {
        for concurrency in [1, 16] {
            let server = Odd::start(true, change);
            let workspace = server.workspace().set("llm.concurrency", concurrency);
            write(&workspace, 0..320);
            let run = embed(&workspace).exits(0);
            assert_eq!(vectors(&workspace).len(), 320);
            let tokens = server.tokens();
            eprintln!("{why}, {concurrency} at a time: {tokens} tokens, {least} at best, {} requests", server.requests());
            assert!(tokens <= 3 * least, "{why}: {tokens} tokens instead of {least}");
            assert_eq!(run.stderr.matches(NOTE).count(), 1, "{}", run.stderr);
            run.says(&[&server.url, "is wrong or comes twice", "at most", "tokens"][..if most == 1 { 4 } else { 1 }]);
            // Later runs know it.
            let before = server.requests();
            write(&workspace, 320..360);
            embed(&workspace).exits(0).says_nothing_of(NOTE);
            let sizes: Vec<usize> = server.requests.lock().unwrap()[before..].iter().map(|(texts, _)| *texts).collect();
            assert!(sizes.iter().all(|texts| *texts <= most), "{sizes:?}");
        }
    }
}

#[test]
fn a_server_whose_dimensions_change_stops_the_run_before_it_asks_again() {
    let server = Odd::start(true, other_dimensions);
    let workspace = server.workspace();
    write(&workspace, 0..320);
    let run = embed(&workspace);
    assert!([4, 5].contains(&run.code), "{} {}", run.code, run.stderr);
    run.says(&["a vector has 16 dimensions instead of the 32"]);
    let (tokens, least) = (server.tokens(), tokens_of_a_sound_server(320));
    assert!(tokens <= least, "{tokens} tokens instead of {least}");
}

#[test]
fn a_text_without_a_vector_in_a_pack_is_sent_once_more_alone() {
    let server = Odd::start(true, null);
    let workspace = server.workspace();
    write(&workspace, 0..80);
    embed(&workspace).exits(0);
    assert_eq!(vectors(&workspace).len(), 80);
    assert!(server.requests() <= 10, "{}", server.requests());
    assert_eq!(number(&store(&workspace), "SELECT max(n) FROM (SELECT count(*) AS n FROM attempts GROUP BY document)"), 2);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn many_bad_texts_side_by_side_do_not_stop_the_run() {
    for (word, change, code) in [("spoilt", sound as Change, "rejected"), ("undefined", nan, "invalid_answer")] {
        let server = Odd::start(true, change);
        let workspace = server.workspace().set("llm.pack.max_items", 128);
        write(&workspace, 0..200);
        for n in 0..60 {
            // Texts of one length are neighbours in their pack, wherever their documents are.
            workspace.doc(format!("{:04} bad.txt", 10 + n * 3), format!("a {word} text {n:02}"));
        }
        let csv = embed(&workspace).exits(3).csv("embed");
        let failed: Vec<_> = csv.rows.iter().filter(|row| row["status"] != "ok").collect();
        assert!(failed.len() == 60 && failed.iter().all(|row| row["failure_code"] == code), "{word}: {failed:?}");
        assert_eq!(vectors(&workspace).len(), 200, "{word}");
        let most = number(&store(&workspace), "SELECT max(n) FROM (SELECT count(*) AS n FROM attempts GROUP BY document)");
        assert!(word == "spoilt" || most == 2, "{most} requests for a text");
    }
}

#[test]
fn servers_that_fail_on_base64_are_asked_for_lists() {
    const ALIKE: [(u16, &str); 8] = [
        (400, "{\"error\": {\"message\": \"only float is supported for encoding_format\"}}"),
        (400, "bad request"),
        (422, "{\"detail\": [{\"loc\": [\"body\", \"encoding_format\"], \"msg\": \"Extra inputs are not permitted\"}]}"),
        (500, "KeyError: 'base64'"),
        (500, ""),
        (501, "not implemented"),
        (200, "oops"),
        (200, "{\"data\": [{\"index\": 0, \"embedding\": null}], \"usage\": {\"prompt_tokens\": 9}}"),
    ];
    for reply in ALIKE {
        let server = Odd::with_base64(true, sound, Some(reply));
        let workspace = server.workspace();
        write(&workspace, 0..200);
        embed(&workspace).exits(0);
        assert_eq!(vectors(&workspace).len(), 200, "{reply:?}");
        assert!(server.requests() <= 12, "{reply:?}: {} requests", server.requests());
    }
}

#[test]
fn tasks_that_name_their_model_need_no_other() {
    let server = Odd::start(true, sound);
    let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.base_url", &server.url);
    workspace.write("own.toml", "name = 'own'\ninput = 'text'\n[[task]]\nid = 'v'\n[task.embed]\nmodel = 'special'\n");
    write(&workspace, 0..3);
    let run = workspace.run(["--job", "own.toml", "--limit", "2"]);
    assert!(run.csv("own").rows.iter().all(|row| row["model"] == "special"), "{}", run.stderr);
    workspace.docmill(["vectors", "v.parquet"]).exits(0).says(&["run 1 is not complete"]);
    workspace.run(["--job", "own.toml"]).exits(0);
    workspace.docmill(["vectors", "v.parquet"]).exits(0).says_nothing_of("not complete");
    let url = format!("llm.base_url={}", server.url);
    workspace.docmill(["search", "output", "thing", "--set", "llm.provider=openai-compatible", "--set", &url]).exits(0);
    // A task that asks still needs the model of the settings.
    workspace.run(["--job", "text"]).exits(2).says(&["has no default model"]);
}

#[test]
fn a_server_that_counts_no_tokens_is_noted_once() {
    let server = Odd::start(false, sound);
    let workspace = server.workspace();
    for n in 0..60 {
        workspace.doc(format!("{n}.txt"), text(n) + &"and some more words of it ".repeat(20));
    }
    let run = embed(&workspace).exits(0);
    assert_eq!(run.stderr.matches("cannot check whether it cuts long texts").count(), 1, "{}", run.stderr);
}

#[test]
fn a_document_with_a_bad_chunk_is_partial_and_has_the_other_chunks() {
    let server = Odd::start(true, sound);
    let workspace = server.workspace();
    let section = |n: usize| format!("# Section {n}\n\n{}\n\n", format!("Section {n} has a sentence about thing{n}. ").repeat(30));
    workspace.doc("good.txt", text(1)).doc("long.md", (0..8).map(section).collect::<String>() + "a spoilt end\n");
    let csv = embed(&workspace).exits(3).csv("embed");
    let row = csv.row("long.md");
    let chunks: i64 = row["chunks"].parse().unwrap();
    assert!(row["status"] == "partial" && row["failure_code"] == "rejected" && chunks > 3, "{row:?}");
    assert!(row["failure_message"].starts_with(&format!("1 of {} chunks have no vector", chunks + 1)), "{row:?}");
    assert_eq!(number(&store(&workspace), "SELECT count(*) FROM chunks"), chunks + 1);
    workspace.docmill(["vectors", "v.parquet"]).exits(0).says(&["1 document lacks some or all vectors"]);
    let url = format!("llm.base_url={}", server.url);
    let search = ["search", "output", "thing3", "--set", "llm.provider=openai-compatible", "--set", &url, "--set", "llm.model=m"];
    workspace.docmill(search).exits(0).says(&["1 document lacks some or all vectors"]);
    workspace.docmill(["verify"]).exits(0);
    // The document is complete once the text is good.
    workspace.doc("long.md", (0..8).map(section).collect::<String>() + "a good end\n");
    assert_eq!(embed(&workspace).exits(0).csv("embed").row("long.md")["status"], "ok");
    workspace.docmill(["vectors", "v.parquet"]).exits(0).says_nothing_of("lacks");
}
