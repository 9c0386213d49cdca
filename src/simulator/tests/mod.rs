//! The simulator as seen by its clients, over real HTTP.

mod cache;
mod embeddings;
mod faults;
mod gemini;
mod ledger;
mod limits;
mod refusals;
mod responses;
mod streams;
mod waits;

use super::{LedgerTotals, Scenario, Simulator};
use futures::future::Either;
use serde_json::{Value, json};
use std::pin::pin;
use std::time::{Duration, Instant};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAlgAAAGQCAIAAAA="; // 600 x 400, header only

async fn start(toml_text: &str) -> Simulator {
    Simulator::start(Scenario::parse(toml_text).unwrap(), 0).await.unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

struct Seen {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

async fn post(url: String, headers: &[(&'static str, &str)], body: &Value) -> reqwest::Result<Seen> {
    let mut request = client().post(url).body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Seen { status, headers, text: response.text().await? })
}

async fn anthropic(simulator: &Simulator, body: &Value) -> reqwest::Result<Seen> {
    let headers = [("anthropic-version", "2026-10-21"), ("x-api-key", "k")];
    post(format!("{}/v1/messages", simulator.base_url()), &headers, body).await
}

async fn openai(simulator: &Simulator, body: &Value) -> reqwest::Result<Seen> {
    let headers = [("authorization", "Bearer k")];
    post(format!("{}/v1/chat/completions", simulator.base_url()), &headers, body).await
}

fn closed(fields: &Value) -> Value {
    let names: Vec<_> = fields.as_object().unwrap().keys().collect();
    json!({ "type": "object", "properties": fields, "required": names, "additionalProperties": false })
}

fn plain_schema() -> Value {
    closed(&json!({
        "summary": { "type": "string" },
        "suitability": { "type": "integer", "enum": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
        "tone": { "type": "string", "enum": ["dry", "bold"] },
        "tags": { "type": "array", "items": { "type": "string" } },
        "fine": { "type": "boolean" },
        "ratio": { "type": "number" },
        "note": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
        "nested": closed(&json!({ "kind": { "const": "part" }, "verdict": { "type": "string" } })),
    }))
}

fn bounded_schema() -> Value {
    closed(&json!({
        "score": { "type": "integer", "minimum": 3, "maximum": 5 },
        "share": { "type": "number", "minimum": 0, "maximum": 1 },
        "pairs": { "type": "array", "minItems": 4, "maxItems": 5, "items": { "type": "string" } },
        "maybe": { "type": ["string", "null"] },
        "nested": { "type": "array", "items": closed(&json!({ "name": { "type": "string" } })) },
    }))
}

fn is_valid(schema: &Value, answer: &Value) -> bool {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("answer.json", schema.clone()).unwrap();
    let index = compiler.compile("answer.json", &mut schemas).unwrap();
    schemas.validate(answer, index).is_ok()
}

fn to_anthropic(text: &str, schema: &Value) -> Value {
    json!({
        "model": "claude-haiku-5-5",
        "max_tokens": 2000,
        "system": [{ "type": "text", "text": "You judge parts.", "cache_control": { "type": "ephemeral" } }],
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": text }] }],
        "output_config": { "format": { "type": "json_schema", "schema": schema } },
    })
}

fn to_openai(text: &str, schema: &Value) -> Value {
    json!({
        "model": "gpt-6-luna",
        "max_completion_tokens": 2000,
        "messages": [{ "role": "developer", "content": "You judge parts." }, { "role": "user", "content": text }],
        "response_format": {
            "type": "json_schema",
            "json_schema": { "name": "answer", "strict": true, "schema": schema },
        },
    })
}

fn anthropic_answer(seen: &Seen) -> Value {
    serde_json::from_str(seen.json()["content"][0]["text"].as_str().unwrap()).unwrap()
}

fn openai_answer(seen: &Seen) -> Value {
    serde_json::from_str(seen.json()["choices"][0]["message"]["content"].as_str().unwrap()).unwrap()
}

/// Checks the sum of outcomes that the ledger promises when no request is in progress.
fn assert_balanced(totals: &LedgerTotals) {
    let ends = totals.served
        + totals.invalid
        + totals.cut
        + totals.refused
        + totals.garbled
        + totals.rate_limited
        + totals.errors
        + totals.resets
        + totals.hangs
        + totals.abandoned;
    assert_eq!(totals.requests, ends, "{totals:?}");
}

#[tokio::test]
async fn anthropic_answers_satisfy_their_schema_and_name_their_document() {
    let simulator = start("").await;
    let schema = plain_schema();
    for index in 0..40 {
        let text = format!("docid:doc_{index}-a The harvester gearbox housing was machined from billet.");
        let seen = anthropic(&simulator, &to_anthropic(&text, &schema)).await.unwrap();
        assert_eq!(seen.status, 200, "{}", seen.text);
        assert!(seen.header("request-id").starts_with("req_sim_"));
        let answer = anthropic_answer(&seen);
        assert!(is_valid(&schema, &answer), "{answer}");
        let mark = format!("[simulated] docid:doc_{index}-a ");
        assert!(answer["summary"].as_str().unwrap().starts_with(&mark), "{answer}");
        assert!(answer["nested"]["verdict"].as_str().unwrap().starts_with(&mark));
        for tag in answer["tags"].as_array().unwrap() {
            assert!(tag.as_str().unwrap().starts_with(&mark));
        }
        let reply = seen.json();
        assert_eq!(reply["stop_reason"], "end_turn");
        assert!(reply["usage"]["input_tokens"].as_u64().unwrap() > 15);
        assert!(reply["usage"]["output_tokens"].as_u64().unwrap() > 15);
    }
    simulator.stop().await;
}

#[tokio::test]
async fn openai_answers_satisfy_bounds_and_nested_schemas() {
    let simulator = start("").await;
    let schema = bounded_schema();
    for index in 0..40 {
        let seen = openai(&simulator, &to_openai(&format!("Document {index}"), &schema)).await.unwrap();
        assert_eq!(seen.status, 200, "{}", seen.text);
        assert!(seen.header("x-request-id").starts_with("req_sim_"));
        let answer = openai_answer(&seen);
        assert!(is_valid(&schema, &answer), "{answer}");
        let reply = seen.json();
        assert_eq!(reply["choices"][0]["finish_reason"], "stop");
        let usage = &reply["usage"];
        let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
        assert_eq!(usage["total_tokens"], sum);
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_reply_and_others_get_others() {
    let (first, second, seeded) = (start("").await, start("").await, start("seed = 7").await);
    let body = to_anthropic("One document.", &plain_schema());
    let reply = anthropic(&first, &body).await.unwrap().text;
    assert_eq!(reply, anthropic(&first, &body).await.unwrap().text);
    assert_eq!(reply, anthropic(&second, &body).await.unwrap().text);
    assert_ne!(reply, anthropic(&seeded, &body).await.unwrap().text);
    let other = to_anthropic("Another document.", &plain_schema());
    assert_ne!(reply, anthropic(&first, &other).await.unwrap().text);
    assert_eq!(first.ledger().duplicates, 1);
    assert_eq!(second.ledger().duplicates, 0);
}

#[tokio::test]
async fn text_without_a_schema_is_marked_and_quotes_its_document() {
    let simulator = start("").await;
    let body = json!({
        "model": "simulated-small", "max_tokens": 500,
        "messages": [{ "role": "user", "content": "Zanzibar Zanzibar Zanzibar Zanzibar Zanzibar Zanzibar" }],
    });
    let seen = anthropic(&simulator, &body).await.unwrap();
    let reply = seen.json();
    let text = reply["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("[simulated] ") && text.contains("Zanzibar"), "{text}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_terse_or_cut() {
    let simulator = start("").await;
    let mut body = to_anthropic("A document.", &closed(&json!({ "summary": { "type": "string" } })));
    body["max_tokens"] = json!(25);
    let shorter = anthropic(&simulator, &body).await.unwrap();
    assert_eq!(shorter.json()["stop_reason"], "end_turn");
    body["max_tokens"] = json!(5);
    let cut = anthropic(&simulator, &body).await.unwrap();
    assert_eq!(cut.json()["stop_reason"], "max_tokens");
    assert_eq!(cut.json()["usage"]["output_tokens"], 5);
    let calls = simulator.ledger_calls();
    assert_eq!(calls.len(), 1, "the token limit does not make another call");
    assert_eq!((calls[0].requests, calls[0].served), (2, 1));
}

#[tokio::test]
async fn the_bucket_admits_the_burst_and_reports_the_remainder() {
    let simulator = start("requests_per_second = 20\nburst = 3\nretry_after_s = 2").await;
    let body = to_anthropic("A document.", &plain_schema());
    let mut statuses = Vec::new();
    let started = Instant::now();
    for _ in 0..6 {
        let seen = anthropic(&simulator, &body).await.unwrap();
        assert_eq!(seen.header("anthropic-ratelimit-requests-limit"), "1200");
        let reset = seen.header("anthropic-ratelimit-requests-reset");
        reset.parse::<jiff::Timestamp>().unwrap();
        statuses.push(seen.status);
        if seen.status == 429 {
            assert_eq!(seen.header("retry-after"), "2");
        }
    }
    assert_eq!(statuses[..3], [200, 200, 200]);
    let refilled = started.elapsed().as_secs_f64() * 20.0;
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!(passed as f64 <= 3.0 + refilled, "{statuses:?}");
    tokio::time::sleep(Duration::from_millis(80)).await;
    let seen = openai(&simulator, &to_openai("A document.", &bounded_schema())).await.unwrap();
    assert_eq!(seen.status, 200);
    assert!(seen.header("x-ratelimit-reset-requests").ends_with("ms"));
}

#[tokio::test]
async fn requests_without_a_seat_are_overload() {
    let simulator = start("concurrency = 2\nlatency_ms = 2000\nslow_marker = 'quick'\nslow_ms = 0").await;
    let body = |index: usize| to_anthropic(&format!("Document {index}"), &plain_schema());
    let bodies: Vec<_> = (0..5).map(body).collect();
    let replies = futures::future::join_all(bodies.iter().map(|body| anthropic(&simulator, body))).await;
    let statuses: Vec<_> = replies.into_iter().map(|reply| reply.unwrap().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 529).count(), 3);
    assert!(simulator.ledger().in_flight_max >= 3);
    let (quick, other) = (to_anthropic("quick", &plain_schema()), body(9));
    let (quick, other) = (pin!(anthropic(&simulator, &quick)), pin!(anthropic(&simulator, &other)));
    let first = futures::future::select(quick, other).await;
    assert!(matches!(first, Either::Left((Ok(reply), _)) if reply.status == 200));
}

#[tokio::test]
async fn the_server_reports_ledger_models_and_health() {
    let simulator = start("").await;
    anthropic(&simulator, &to_anthropic("docid:a1 text", &plain_schema())).await.unwrap();
    let get = async |path: &str| {
        let url = format!("{}{path}", simulator.base_url());
        client().get(url).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(get("/health").await, r#"{"status":"ok"}"#);
    assert!(get("/v1/models").await.contains("gpt-6-luna"));
    let totals: LedgerTotals = serde_json::from_str(&get("/ledger").await).unwrap();
    assert_eq!(totals, simulator.ledger());
    let book: Value = serde_json::from_str(&get("/ledger?calls=1").await).unwrap();
    assert_eq!((&book["served"], &book["calls"][0]["docid"]), (&json!(1), &json!("docid:a1")));
}

#[tokio::test]
async fn nothing_listens_after_a_drop() {
    let simulator = start("").await;
    let url = format!("{}/health", simulator.base_url());
    drop(simulator);
    for _ in 0..100 {
        if client().get(&url).send().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the port is still open");
}
