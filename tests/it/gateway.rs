//! `/v1` of `docmill serve`: requests in OpenAI's format.

use crate::support::serving::{Serving, address_of};
use crate::support::{ModelServer, Reply, Workspace};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn chat(text: &str) -> Value {
    json!({"model": "gpt-6-luna", "messages": [{"role": "user", "content": text}], "max_completion_tokens": 50})
}

const KEY: &str = "sk-of-the-server-0123456789";

/// A workspace whose server asks this model server as OpenAI.
pub(crate) fn workspace(server: &ModelServer) -> Workspace {
    Workspace::new().against(server).set("llm.provider", "openai").set("llm.model", "gpt-6-luna").env("OPENAI_API_KEY", KEY)
}

fn usd(response: &crate::support::serving::Response) -> f64 {
    response.header("x-docmill-cost-usd").unwrap().parse().unwrap()
}

#[test]
fn a_request_reaches_the_provider_as_the_client_wrote_it() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server)).with_header("authorization", "Bearer of-the-client");
    let mut body = chat("docid:1 Hello");
    body["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    body["logprobs"] = json!(true);
    body["seed"] = json!(u64::MAX);
    let answered = serving.post("/v1/chat/completions", &body).is(200);
    let ask = server.ledger().asks[0].clone();
    assert_eq!((&ask.body, ask.header("authorization")), (&body, Some(&*format!("Bearer {KEY}"))));
    assert_eq!(answered.json()["object"], "chat.completion");
    assert_eq!(answered.header("x-docmill-attempts"), Some("1"));
    assert!(answered.header("x-request-id").unwrap().starts_with("req_") && usd(&answered) > 0.0);
}

#[test]
fn transient_failures_are_retried_and_refusals_are_passed_on() {
    let server = ModelServer::script()
        .faults(|ask| match (ask.docid.as_deref(), ask.attempt) {
            (Some("busy"), 1..=2) => Reply::error(ask, 503, "server_is_overloaded", "busy"),
            (Some("bad"), _) => Reply::error(ask, 400, "invalid_image_format", "not an image"),
            (Some("key"), _) => Reply::error(ask, 401, "invalid_api_key", &format!("wrong key {KEY}")),
            (Some("lost"), _) => Reply::Garbage,
            _ => Reply::Ok,
        })
        .start();
    let serving = Serving::start(&workspace(&server));
    let asked = |id: &str| serving.post("/v1/chat/completions", &chat(&format!("docid:{id}")));
    assert_eq!(asked("busy").is(200).header("x-docmill-attempts"), Some("3"));
    let bad = asked("bad").is(400);
    assert_eq!((&bad.json()["error"]["code"], bad.header("x-should-retry")), (&"invalid_image_format".into(), Some("false")));
    // The client does not learn about the key of the server.
    let key = asked("key").is(502);
    assert!(key.json()["error"]["code"] == "upstream_account" && !key.text.contains("sk-of"), "{}", key.text);
    assert_eq!(asked("lost").is(504).json()["error"]["code"], "upstream_lost");
}

#[test]
fn a_senseless_limit_of_tokens_is_an_error_of_the_request_and_not_of_money() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server).set("serve.max_usd", 0.01));
    for (name, value) in [("max_completion_tokens", json!(-1)), ("max_tokens", json!("many")), ("n", json!(0))] {
        let mut body = chat("docid:1");
        body[name] = value;
        let error = serving.post("/v1/chat/completions", &body).is(400).json()["error"].clone();
        assert_eq!((&error["type"], &error["param"]), (&"invalid_request_error".into(), &name.into()), "{error}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn anthropic_is_asked_at_its_address_for_libraries_of_openai() {
    let server = ModelServer::start();
    let settings = Workspace::new().env("ANTHROPIC_API_KEY", KEY).set("llm.provider", "anthropic").set("llm.base_url", server.url());
    let serving = Serving::start(&settings);
    let body = json!({"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "docid:1"}]});
    let answered = serving.post("/v1/chat/completions", &body).is(200);
    let ask = server.ledger().asks[0].clone();
    assert_eq!((&*ask.path, ask.header("authorization")), ("/v1/chat/completions", Some(&*format!("Bearer {KEY}"))));
    assert!(usd(&answered) > 0.0);
    let vectors = serving.post("/v1/embeddings", &json!({"model": "claude-haiku-5-5", "input": "x"})).is(404).json();
    assert_eq!(vectors["error"]["code"], "unsupported_endpoint");
}

#[test]
fn errors_have_the_form_of_openai() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.keys", "keys.toml").set("serve.models", "[\"gpt-6-luna\"]");
    let new_key = |name: &str| workspace.start_with(["serve", "--new-key", name]).finish().exits(0).stdout.trim().to_owned();
    let (run, read) = (new_key("run"), new_key("read"));
    let keys = std::fs::read_to_string(workspace.path("keys.toml")).unwrap();
    workspace.write("keys.toml", keys.replace("name = \"read\"", "role = \"read\"\nname = \"read\""));
    let serving = Serving::start(&workspace);
    let code = |serving: &Serving, path: &str, body: &Value, status: u16| {
        let response = serving.post(path, body).is(status).json();
        assert!(response["error"]["message"].is_string() && response["error"]["type"].is_string(), "{response}");
        response["error"]["code"].clone()
    };
    assert_eq!(code(&serving, "/v1/chat/completions", &chat("x"), 401), "invalid_api_key");
    let refused = serving.get("/v1/models").is(401);
    assert_eq!((refused.header("www-authenticate"), refused.header("x-content-type-options")), (Some("Bearer"), Some("nosniff")));
    let serving = serving.with_header("authorization", &format!("Bearer {read}"));
    assert_eq!(code(&serving, "/v1/chat/completions", &chat("x"), 403), "forbidden");
    let serving = serving.with_header("authorization", &format!("Bearer {run}"));
    let other = json!({"model": "gpt-6.1-sol", "messages": []});
    assert_eq!(code(&serving, "/v1/chat/completions", &other, 404), "model_not_found");
    assert_eq!(code(&serving, "/v1/chat/completions", &json!({"messages": []}), 400), "missing_required_parameter");
    assert_eq!(code(&serving, "/v1/chat/completions", &json!([]), 400), Value::Null);
    assert_eq!(code(&serving, "/v1/nothing", &json!({}), 404), "not_found");
    assert_eq!(code(&serving, "/v1/models", &json!({}), 405), Value::Null);
    let large = serving.post_with("/v1/chat/completions", &[], "x".repeat(32_000_001)).is(413).json();
    assert_eq!(large["error"]["code"], "request_too_large");
    let models = serving.get("/v1/models").is(200).json();
    assert_eq!(models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect::<Vec<_>>(), ["gpt-6-luna"]);
    serving.get("/v1/models/gpt-6-luna").is(200);
    serving.get("/v1/models/nothing").is(404);
    let wrong = serving.get("/v1/files?limit=many").is(400).json();
    assert!(wrong["error"]["message"].as_str().unwrap().contains("limit"), "{wrong}");
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_cap_holds_for_requests_and_runs_together() {
    let server = ModelServer::start();
    let workspace = workspace(&server).set("serve.max_usd", 0.0005);
    let serving = Serving::start(&workspace);
    let mut spent = 0.0;
    let refused = loop {
        let answered = serving.post("/v1/chat/completions", &chat(&"x".repeat(500)));
        if answered.status != 200 {
            break answered;
        }
        spent += usd(&answered);
        assert!(spent < 0.0005, "{spent}");
    };
    assert_eq!(refused.is(429).json()["error"]["code"], "insufficient_quota");
    let sent = server.requests();
    assert!(sent > 1 && spent > 0.0);
    // A restart knows what was spent.
    drop(serving);
    let serving = Serving::start(&workspace);
    let mut more = chat(&"x".repeat(500));
    let refused = serving.post("/v1/chat/completions", &more).is(429);
    assert!(refused.text.contains("Set a lower max_completion_tokens"), "{}", refused.text);
    // A lower limit would not help if the length of the conversation is not known.
    let continued = json!({"model": "gpt-6-luna", "input": "x", "previous_response_id": "resp_1", "max_output_tokens": 50});
    let refused = serving.post("/v1/responses", &continued).is(429);
    assert!(refused.text.contains("previous_response_id") && !refused.text.contains("max_completion_tokens"), "{}", refused.text);
    more["model"] = json!("of-unknown-price");
    assert_eq!(serving.post("/v1/chat/completions", &more).is(400).json()["error"]["code"], "price_unknown");
    assert_eq!(server.requests(), sent);
    let id = serving.submit("text", &[("a.txt", "The pump is great.")]);
    let run = serving.wait(&id, "it ends", |run| run["state"] == "stopped" || run["state"] == "complete");
    assert!(run["cost_usd"].as_f64().unwrap_or(0.0) + spent <= 0.0005, "{run}");
}

#[test]
fn a_killed_server_counts_requests_in_flight_at_their_bound() {
    let server = ModelServer::script().hold(|_, _| true).start();
    let workspace = workspace(&server).set("serve.max_usd", 0.0005);
    let serving = Serving::start(&workspace);
    std::thread::scope(|scope| {
        scope.spawn(|| serving.post_expecting_nothing("/v1/chat/completions", &chat("x")));
        server.wait_until("the request is in flight", |ledger| ledger.requests() == 1);
        serving.process.signal("KILL");
    });
    drop(serving);
    let serving = Serving::start(&workspace);
    let mut most = chat("x");
    most["max_completion_tokens"] = json!(850);
    // The cap has room for this request alone, but not beside the one in doubt.
    serving.post("/v1/chat/completions", &most).is(429);
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_stored_answer_costs_nothing_and_belongs_to_its_owner() {
    let server = ModelServer::start();
    let serving = Serving::start(&workspace(&server)).with_header("x-docmill-store", "true");
    let first = serving.post("/v1/chat/completions", &chat("docid:1")).is(200);
    // The answer is on record when the next request has been recorded.
    serving.post("/v1/chat/completions", &chat("docid:2")).is(200);
    let again = serving.post("/v1/chat/completions", &chat("docid:1")).is(200);
    assert_eq!((again.header("x-docmill-stored"), usd(&again).to_bits(), &again.text), (Some("true"), 0, &first.text));
    assert_eq!(server.requests(), 2);
    let serving = serving.with_header("x-docmill-store", "false");
    serving.post("/v1/chat/completions", &chat("docid:1")).is(200);
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_kept_response_is_fetched_again_and_forgotten() {
    let serving = Serving::start(&Workspace::new().set("serve.dir", "server"));
    let mut body = json!({"model": "simulated-small", "input": "The pump is great.", "store": true});
    let response = serving.post("/v1/responses", &body).is(200);
    let path = format!("/v1/responses/{}", response.json()["id"].as_str().unwrap());
    assert_eq!(serving.get(&path).is(200).text, response.text);
    // A kept response is no stored answer: the same request is asked again.
    let again = serving.post("/v1/responses", &body).is(200);
    assert_eq!(again.header("x-docmill-stored"), None);
    assert_eq!(serving.delete(&path).is(200).json()["deleted"], true);
    assert_eq!(serving.get(&path).is(404).json()["error"]["type"], "invalid_request_error");
    serving.delete(&path).is(404);
    body["store"] = json!(false);
    let other = serving.post("/v1/responses", &body).is(200).json();
    serving.get(&format!("/v1/responses/{}", other["id"].as_str().unwrap())).is(404);
    let description = serving.get("/openapi.json").is(200).json();
    for path in ["/v1/chat/completions", "/v1/responses/{id}", "/v1/files/{id}/content", "/v1/models/{id}"] {
        assert!(description["paths"][path].is_object(), "{path}");
    }
}

#[test]
fn a_run_without_a_cap_leaves_money_to_requests_and_other_runs() {
    let server = ModelServer::script().hold(|ask, _| ask.text.contains("docid:wait")).start();
    let workspace = workspace(&server).set("serve.max_usd", 1.0).set("serve.runs", 2);
    let serving = Serving::start(&workspace);
    let runs: Vec<String> = ["a", "b"].map(|name| serving.submit("text", &[(name, "docid:wait")])).into();
    for id in &runs {
        serving.wait(id, "its call is in flight", |run| run["progress"]["in_flight"].as_u64() > Some(0));
    }
    serving.post("/v1/chat/completions", &chat("docid:1")).is(200);
    let waiting = serving.submit("text", &[("c", "docid:2")]);
    let run = serving.wait(&waiting, "it says why it waits", |run| run["message"] != "");
    assert!(run["message"].as_str().unwrap().contains("serve.runs"), "{run}");
    for id in &runs {
        serving.post(&format!("/api/runs/{id}/cancel"), &json!({})).is(200);
    }
}

#[test]
fn a_stream_passes_events_on_and_hides_usage_that_nobody_asked_for() {
    let serving = Serving::start(&Workspace::new().set("serve.dir", "server"));
    let mut body = json!({"model": "simulated-small", "messages": [{"role": "user", "content": "The pump is great."}], "stream": true});
    let stream = serving.post("/v1/chat/completions", &body).is(200);
    assert!(stream.header("content-type").unwrap().starts_with("text/event-stream"));
    assert!(stream.text.ends_with("data: [DONE]\n\n") && !stream.text.contains("prompt_tokens"), "{}", stream.text);
    body["stream_options"] = json!({"include_usage": true});
    let stream = serving.post("/v1/chat/completions", &body).is(200);
    assert!(stream.text.contains("prompt_tokens"), "{}", stream.text);
    let responses = json!({"model": "simulated-small", "input": "The pump is great.", "stream": true});
    let stream = serving.post("/v1/responses", &responses).is(200);
    assert!(stream.text.contains("event: response.completed"), "{}", stream.text);
}

#[test]
fn a_client_that_leaves_cancels_a_request_that_was_not_sent() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let serving = Serving::start(&workspace(&server).set("llm.concurrency", 1));
    std::thread::scope(|scope| {
        scope.spawn(|| serving.post_expecting_nothing("/v1/chat/completions", &chat("docid:sent")));
        server.wait_until("one request is in flight", |ledger| ledger.requests() == 1);
        serving.post_and_leave("/v1/chat/completions", &chat("docid:waiting"));
        // The server sees a closed connection before it has answered this many later requests.
        (0..50).for_each(|_| drop(serving.get("/healthz").is(200)));
        open.store(true, Ordering::SeqCst);
    });
    serving.post("/v1/chat/completions", &chat("docid:last")).is(200);
    assert!(server.ledger().of("waiting").is_empty() && server.requests() == 2);
}

#[test]
fn a_stopped_server_finishes_requests_in_flight_and_sends_no_others() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = ModelServer::script().hold(move |_, _| !gate.load(Ordering::SeqCst)).start();
    let serving = Serving::start(&workspace(&server).set("llm.concurrency", 1));
    let sent = serving.post_in_background("/v1/chat/completions", &chat("docid:1"));
    server.wait_until("one request is in flight", |ledger| ledger.requests() == 1);
    let reserved = || {
        let metrics = serving.get("/metrics").is(200).text;
        let sample = metrics.lines().find(|line| line.starts_with("docmill_reserved_usd{by=\"requests\"}")).unwrap();
        sample.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let of_one = reserved();
    let second = serving.post_in_background("/v1/chat/completions", &chat("docid:2"));
    while reserved() <= of_one {
        std::thread::yield_now();
    }
    serving.process.signal("TERM");
    serving.process.wait_until_it_says("stopping");
    assert!(second.join().unwrap().contains("server_unavailable"));
    open.store(true, Ordering::SeqCst);
    assert!(sent.join().unwrap().contains("chat.completion"));
    let Serving { process, .. } = serving;
    process.finish().exits(0);
    assert_eq!(server.requests(), 1);
}

/// A simulator, and a server that asks it. A single price makes costs easy to check.
fn with_simulator(max_wait_ms: u64) -> (crate::support::Running, Serving, String) {
    let simulator = Workspace::new().start(["simulate", "--port", "0", "--latency-ms", "0", "--jitter-ms", "0"]);
    let address = address_of(&simulator);
    let workspace = Workspace::new()
        .set("llm.provider", "openai-compatible")
        .set("llm.base_url", format!("{address}/v1"))
        .set("llm.model", "simulated-small")
        .set("prices.\"simulated-small\"", "{input=0.02,output=0}")
        .set("serve.max_wait_ms", max_wait_ms);
    (simulator, Serving::start(&workspace), address)
}

fn ledger_of(serving: &Serving, simulator: &str) -> Value {
    serving.get_from(&format!("{simulator}/ledger")).is(200).json()
}

#[test]
fn inputs_of_many_requests_travel_together_and_share_the_bill() {
    // A long wait, so that packs are full although the machine is busy.
    let (_simulator, serving, address) = with_simulator(5000);
    let bodies: Vec<Value> = (0..192)
        .map(|n| {
            let format = if n % 2 == 0 { "float" } else { "base64" };
            json!({"model": "simulated-small", "input": format!("Text number {n} about pumps."), "encoding_format": format})
        })
        .collect();
    let responses = serving.post_together("/v1/embeddings", &bodies);
    let ledger = ledger_of(&serving, &address);
    assert_eq!((&ledger["requests"], &ledger["embedded_inputs"]), (&6.into(), &192.into()), "{ledger}");
    let (mut tokens, mut cost) = (0, 0.0);
    for (n, response) in responses.into_iter().enumerate() {
        let response = response.is(200);
        cost += usd(&response);
        let json = response.json();
        tokens += json["usage"]["prompt_tokens"].as_u64().unwrap();
        let vector = &json["data"][0]["embedding"];
        assert_eq!((json["data"].as_array().unwrap().len(), vector.is_array()), (1, n % 2 == 0), "{n}");
    }
    assert_eq!(tokens, ledger["input_tokens"].as_u64().unwrap());
    assert!((cost - tokens as f64 * 0.02e-6).abs() < 1e-12, "{cost} for {tokens}");
    // Each got its own vector: alone, a text has the same one.
    let alone = serving.post("/v1/embeddings", &json!({"model": "simulated-small", "input": ["Text number 4 about pumps.", "x"]}));
    let again = serving.post_together("/v1/embeddings", &bodies[4..5]);
    assert_eq!(alone.is(200).json()["data"][0]["embedding"], again[0].json()["data"][0]["embedding"]);
}

#[test]
fn an_input_that_the_provider_refuses_fails_only_its_own_request() {
    let (_simulator, serving, address) = with_simulator(5000);
    let texts = |n: usize| if n == 17 { String::new() } else { format!("Text {n}.") };
    let bodies: Vec<Value> = (0..32).map(|n| json!({"model": "simulated-small", "input": texts(n)})).collect();
    let responses = serving.post_together("/v1/embeddings", &bodies);
    for (n, response) in responses.into_iter().enumerate() {
        response.is(if n == 17 { 400 } else { 200 });
    }
    // A search by halves costs at most two requests for each halving.
    assert!(ledger_of(&serving, &address)["requests"].as_u64().unwrap() <= 11);
}

#[test]
fn a_request_with_more_inputs_than_fit_is_answered_as_one() {
    let (_simulator, serving, address) = with_simulator(1);
    let inputs: Vec<String> = (0..100).map(|n| format!("Text {n}.")).collect();
    let many = serving.post("/v1/embeddings", &json!({"model": "simulated-small", "input": inputs})).is(200).json();
    let indices: Vec<u64> = many["data"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()).collect();
    assert_eq!((indices, &ledger_of(&serving, &address)["embedded_inputs"]), ((0..100).collect(), &100.into()));
    let tokens = serving.post("/v1/embeddings", &json!({"model": "simulated-small", "input": [[1, 2], [3]]})).is(200).json();
    assert_eq!(tokens["data"].as_array().unwrap().len(), 2);
    let empty = serving.post("/v1/embeddings", &json!({"model": "simulated-small", "input": []})).is(400).json();
    assert_eq!(empty["error"]["code"], "empty_array");
}
