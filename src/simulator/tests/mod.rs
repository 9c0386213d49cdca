//! The simulator as its clients see it: over real HTTP.

mod cache;
mod gemini;
mod ledger;
mod limits;
mod responses;
mod streams;
mod waits;

use super::{LedgerTotals, Scenario, Simulator};
use serde_json::{Value, json};
use std::fmt::Write as _;
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

/// The sum that the ledger promises, when nothing is in work.
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
        assert!(jsonschema::is_valid(&schema, &answer), "{answer}");
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
        assert!(jsonschema::is_valid(&schema, &answer), "{answer}");
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
async fn an_answer_that_does_not_fit_is_said_shorter_or_cut() {
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
async fn every_fault_is_seen_by_the_client_and_by_the_ledger() {
    let mut toml_text = String::from("retry_after_s = 0.25\n");
    let kinds = "rejected rate_limited server_error overloaded reset hang truncated_body garbage refusal cut invalid";
    for kind in kinds.split(' ') {
        write!(toml_text, "[[poison]]\nmarker = 'do:{kind}.'\nfault = '{kind}'\n").unwrap();
    }
    let simulator = start(&toml_text).await;
    let schema = plain_schema();
    let claude = |kind: &str| to_anthropic(&format!("do:{kind}."), &schema);
    let gpt = |kind: &str| to_openai(&format!("do:{kind}."), &schema);

    let statuses = [
        ("rejected", 400, "invalid_request_error", 400, json!(null)),
        ("rate_limited", 429, "rate_limit_error", 429, json!("rate_limit_exceeded")),
        ("server_error", 500, "api_error", 500, json!(null)),
        ("overloaded", 529, "overloaded_error", 503, json!("server_is_overloaded")),
    ];
    for (kind, status, name, openai_status, code) in statuses {
        let seen = anthropic(&simulator, &claude(kind)).await.unwrap();
        assert_eq!((seen.status, &seen.json()["error"]["type"]), (status, &json!(name)));
        assert_eq!(seen.headers.contains_key("retry-after"), kind == "rate_limited");
        let seen = openai(&simulator, &gpt(kind)).await.unwrap();
        assert_eq!((seen.status, &seen.json()["error"]["code"]), (openai_status, &code));
        if kind == "rate_limited" {
            assert_eq!(seen.header("retry-after"), "0.25");
        }
    }
    let reset = anthropic(&simulator, &claude("reset")).await.err().unwrap();
    assert!(format!("{reset:?}").contains("ConnectionReset"), "{reset:?}");
    let truncated = openai(&simulator, &gpt("truncated_body")).await.err().unwrap();
    assert!(truncated.is_body() || truncated.is_decode(), "{truncated:?}");
    let hang = claude("hang");
    let waiting = tokio::time::timeout(Duration::from_millis(150), anthropic(&simulator, &hang));
    assert!(waiting.await.is_err());

    let garbage = openai(&simulator, &gpt("garbage")).await.unwrap();
    assert_eq!(garbage.status, 200);
    assert!(garbage.text.starts_with("<html>"));
    let refusal = anthropic(&simulator, &claude("refusal")).await.unwrap().json();
    assert_eq!((&refusal["stop_reason"], &refusal["stop_details"]["type"]), (&json!("refusal"), &json!("refusal")));
    let refusal = openai(&simulator, &gpt("refusal")).await.unwrap().json();
    assert!(refusal["choices"][0]["message"]["refusal"].is_string());
    assert!(refusal["choices"][0]["message"]["content"].is_null());
    let cut = anthropic(&simulator, &claude("cut")).await.unwrap().json();
    assert_eq!(cut["stop_reason"], "max_tokens");
    assert!(serde_json::from_str::<Value>(cut["content"][0]["text"].as_str().unwrap()).is_err());
    assert_eq!(openai(&simulator, &gpt("cut")).await.unwrap().json()["choices"][0]["finish_reason"], "length");
    for extra in 0..8 {
        let mut body = claude("invalid");
        body["system"] = json!(format!("Variant {extra}"));
        let answer = anthropic_answer(&anthropic(&simulator, &body).await.unwrap());
        assert!(!jsonschema::is_valid(&schema, &answer), "{answer}");
    }

    let totals = simulator.ledger();
    assert_balanced(&totals);
    let expected = LedgerTotals {
        requests: 24,
        invalid: 8,
        cut: 2,
        refused: 2,
        garbled: 2,
        billed: 14,
        rate_limited: 2,
        errors: 6,
        resets: 1,
        hangs: 1,
        in_flight_max: totals.in_flight_max,
        input_tokens: totals.input_tokens,
        fresh_tokens: totals.input_tokens,
        output_tokens: totals.output_tokens,
        early: totals.early,
        ..LedgerTotals::default()
    };
    assert_eq!(totals, expected);
    assert!(totals.input_tokens > 0 && totals.output_tokens > 0);
}

#[tokio::test]
async fn random_faults_do_not_depend_on_order_and_end_at_the_cap() {
    let toml_text = "[faults]\nserver_error = 0.3\ngarbage = 0.2\nfaults_per_call = 2";
    let mut runs = Vec::new();
    for backwards in [false, true] {
        let simulator = start(toml_text).await;
        let mut order: Vec<usize> = (0..30).collect();
        if backwards {
            order.reverse();
        }
        let mut seen = vec![Vec::new(); 30];
        for index in order {
            for _ in 0..4 {
                let body = to_openai(&format!("Document {index}"), &bounded_schema());
                let reply = openai(&simulator, &body).await.unwrap();
                seen[index].push((reply.status, reply.text.starts_with('<')));
            }
            assert!(seen[index].iter().filter(|reply| **reply == (200, false)).count() >= 2);
        }
        let timeless = LedgerTotals { first_served_s: 0.0, last_served_s: 0.0, served_in_a_second_max: 0, ..simulator.ledger() };
        runs.push((seen, timeless));
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].1.errors > 5 && runs[0].1.garbled > 3, "{:?}", runs[0].1);
}

#[tokio::test]
async fn the_bucket_lets_the_burst_pass_and_says_what_is_left() {
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
async fn requests_beyond_the_seats_are_overload() {
    let simulator = start("concurrency = 2\nlatency_ms = 300\nslow_marker = 'quick'\nslow_ms = 0").await;
    let body = |index: usize| to_anthropic(&format!("Document {index}"), &plain_schema());
    let bodies: Vec<_> = (0..5).map(body).collect();
    let replies = futures::future::join_all(bodies.iter().map(|body| anthropic(&simulator, body))).await;
    let statuses: Vec<_> = replies.into_iter().map(|reply| reply.unwrap().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 529).count(), 3);
    let started = Instant::now();
    assert_eq!(anthropic(&simulator, &to_anthropic("quick", &plain_schema())).await.unwrap().status, 200);
    assert!(started.elapsed() < Duration::from_millis(250));
    assert!(simulator.ledger().in_flight_max >= 3);
}

#[tokio::test]
async fn a_client_that_leaves_is_noted() {
    let simulator = start("latency_ms = 60000").await;
    let body = to_anthropic("A document.", &plain_schema());
    let waiting = tokio::time::timeout(Duration::from_millis(150), anthropic(&simulator, &body));
    assert!(waiting.await.is_err());
    for _ in 0..100 {
        if simulator.ledger().abandoned == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_balanced(&simulator.ledger());
    assert_eq!(simulator.ledger().abandoned, 1);
    simulator.stop().await;
}

#[tokio::test]
async fn requests_that_the_anthropic_server_refuses_are_refused() {
    let simulator = start("").await;
    let good = to_anthropic("A document.", &plain_schema());
    let image = |media_type: &str| {
        json!([{ "role": "user", "content": [
            { "type": "image", "source": { "type": "base64", "media_type": media_type, "data": PNG } },
            { "type": "text", "text": "What is it?" },
        ] }])
    };
    let schema = |field: Value| json!({ "format": { "type": "json_schema", "schema": closed(&json!({ "f": field })) } });
    let cases = [
        ("max_tokens", json!(null), 400, "max_tokens"),
        ("temperature", json!(0.5), 400, "temperature"),
        ("max_output_tokens", json!(5), 400, "Extra inputs"),
        ("model", json!("claude-sonnet-5-20260205"), 404, "claude-sonnet-5-20260205"),
        ("messages", json!([{ "role": "assistant", "content": "{" }]), 400, "prefill"),
        ("messages", image("image/jpeg"), 400, "image/png"),
        ("output_config", schema(json!({ "type": "integer", "minimum": 1 })), 400, "'minimum'"),
        ("output_config", schema(json!({ "type": "array", "items": {}, "minItems": 2 })), 400, "minItems"),
        ("output_config", schema(json!({ "type": "object", "properties": {} })), 400, "additionalProperties"),
    ];
    for (field, value, status, message) in cases {
        let mut body = good.clone();
        body[field] = value;
        let seen = anthropic(&simulator, &body).await.unwrap();
        let said = seen.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(seen.status, status, "{field}: {said}");
        assert!(said.contains(message), "{field}: {said}");
    }
    let url = format!("{}/v1/messages", simulator.base_url());
    let seen = post(url, &[], &good).await.unwrap();
    assert!(seen.status == 400 && seen.text.contains("anthropic-version"));
    let mut body = good.clone();
    body["messages"] = image("image/png");
    let seen = anthropic(&simulator, &body).await.unwrap();
    let tokens = seen.json()["usage"]["input_tokens"].as_u64().unwrap();
    assert!((330..=340).contains(&tokens), "22 x 15 patches and a little text, not {tokens}");
}

#[tokio::test]
async fn requests_that_the_openai_server_refuses_are_refused() {
    let simulator = start("").await;
    let good = to_openai("A document.", &bounded_schema());
    let format = |schema: Value| json!({ "type": "json_schema", "json_schema": { "name": "a", "strict": true, "schema": schema } });
    let mut open = bounded_schema();
    open["required"] = json!(["score"]);
    let mut loose = bounded_schema();
    loose["additionalProperties"] = json!(true);
    let cases = [
        ("max_tokens", json!(5), 400, json!("unsupported_parameter")),
        ("model", json!("gpt-5-imagined"), 404, json!("model_not_found")),
        ("messages", json!([]), 400, json!("missing_required_parameter")),
        ("response_format", format(open), 400, json!(null)),
        ("response_format", format(loose), 400, json!(null)),
    ];
    for (field, value, status, code) in cases {
        let mut body = good.clone();
        body[field] = value;
        let seen = openai(&simulator, &body).await.unwrap();
        assert_eq!((seen.status, &seen.json()["error"]["code"]), (status, &code), "{}", seen.text);
    }
    let mut body = good.clone();
    let url = format!("data:image/png;base64,{PNG}");
    let picture = json!({ "type": "image_url", "image_url": { "url": url, "detail": "high" } });
    body["messages"] = json!([{ "role": "user", "content": [{ "type": "text", "text": "What?" }, picture] }]);
    let seen = openai(&simulator, &body).await.unwrap();
    assert_eq!(seen.json()["usage"]["prompt_tokens"], 19 * 13 + 2);
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_both_dialects() {
    let simulator = start("require_key = 'other'").await;
    let seen = anthropic(&simulator, &to_anthropic("A", &plain_schema())).await.unwrap();
    assert_eq!((seen.status, &seen.json()["error"]["type"]), (401, &json!("authentication_error")));
    let seen = openai(&simulator, &to_openai("A", &bounded_schema())).await.unwrap();
    assert_eq!((seen.status, &seen.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(simulator.ledger().errors, 2);
}

#[tokio::test]
async fn the_ledger_the_models_and_the_health_can_be_asked() {
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

#[test]
fn an_impossible_scenario_is_an_error_that_names_the_key() {
    for (text, message) in [
        ("latency = 5", "unknown field `latency`"),
        ("[faults]\nreset = 1.5", "Reset"),
        ("[faults]\nreset = 0.6\nhang = 0.6", "add up"),
        ("requests_per_second = -1.0", "requests_per_second"),
        ("[[poison]]\nmarker = ''\nfault = 'cut'", "empty marker"),
        ("[[poison]]\nmarker = 'x'\nfault = 'explode'", "explode"),
        ("burst_s = 0", "burst_s"),
        ("[prices]\ninput = -1", "prices.input"),
        ("[[change]]\nafter_requests = 5\n[[change]]\nafter_requests = 4", "after_requests"),
        ("[[change]]\nafter_requests = 1\nrequests_per_second = 1e12", "change.requests_per_second"),
        ("retry_after = 'soon'", "soon"),
    ] {
        let error = Scenario::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}
