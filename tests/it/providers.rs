//! Requests to providers, and the handling of their responses.

use crate::order::ECHO;
use crate::support::{Ask, Dialect, Finished, ModelServer, Reply, Workspace, jpeg};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

const KEY: &str = "sk-canary-5e1f0a9c77d24b3f8d6a";

fn anthropic(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().env("ANTHROPIC_API_KEY", KEY).set("llm.provider", "anthropic").set("llm.base_url", server.url());
    workspace.write("echo.toml", ECHO);
    workspace.set("llm.retry.base_ms", 1)
}

fn openai(server: &ModelServer) -> Workspace {
    let workspace =
        Workspace::new().env("OPENAI_API_KEY", KEY).set("llm.provider", "openai").set("llm.base_url", format!("{}/v1", server.url()));
    workspace.write("echo.toml", ECHO);
    workspace.set("llm.retry.base_ms", 1)
}

fn compatible(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    workspace
}

/// Checks that a request has no unwanted field. Current models reject such fields, or bulk work
/// does not need them.
fn assert_nothing_unwanted(ask: &Ask) {
    for field in ["temperature", "top_p", "top_k", "tools", "tool_choice", "n", "thinking"] {
        assert!(ask.body.get(field).is_none(), "the body has {field}: {}", ask.body[field]);
    }
    assert_eq!(ask.body["stream"], false);
    assert_eq!(ask.header("content-type"), Some("application/json"));
    assert!(ask.header("user-agent").unwrap().starts_with("docmill/"));
    assert!(ask.header("content-length").is_some(), "the body is sent without its length");
}

/// Checks that strict schemas are closed and require all fields.
fn assert_strict(schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "{schema}");
        let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(required, properties.keys().collect::<Vec<_>>(), "{schema}");
        properties.values().for_each(assert_strict);
    }
    if schema["items"].is_object() {
        assert_strict(&schema["items"]);
    }
}

#[test]
fn anthropic_is_asked_as_its_reference_says() {
    let server = ModelServer::start();
    let workspace = anthropic(&server);
    workspace.doc("part.jpg", jpeg(1)).doc("text.txt", "docid:t1 is a text");
    let run = workspace.run([""; 0]).exits(0);
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), 13);
    for ask in &ledger.asks {
        assert_nothing_unwanted(ask);
        assert_eq!((ask.dialect, ask.path.as_str()), (Dialect::Messages, "/v1/messages"));
        assert_eq!(ask.header("x-api-key"), Some(KEY));
        assert_eq!(ask.header("authorization"), None);
        assert_eq!(ask.header("anthropic-version"), Some("2026-10-21"));
        assert_eq!(ask.body["model"], "claude-haiku-5-5");
        assert!(ask.body["max_tokens"].as_u64().unwrap() >= 4000, "no room for thinking: {}", ask.body["max_tokens"]);
        assert_eq!(ask.body["system"][0]["type"], "text");
        assert_eq!(ask.body["messages"].as_array().unwrap().len(), 1);
        assert_eq!(ask.body["messages"][0]["role"], "user");
        assert_eq!(ask.body["output_config"]["format"]["type"], "json_schema");
        assert_strict(&ask.schema);
        // Anthropic rejects keywords outside the subset that it compiles.
        for keyword in ["minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "multipleOf"] {
            assert!(!ask.schema.to_string().contains(&format!("\"{keyword}\"")), "the schema has {keyword}: {}", ask.schema);
        }
    }
    let analyses: Vec<_> = ledger.asks.iter().filter(|ask| !ask.images.is_empty()).collect();
    assert_eq!(analyses.len(), 6, "the aggregation needs no image");
    for ask in analyses {
        let content = ask.body["messages"][0]["content"].as_array().unwrap();
        assert_eq!(content.iter().map(|block| block["type"].as_str().unwrap()).collect::<Vec<_>>(), ["image", "text"]);
        assert_eq!(content[0]["source"]["type"], "base64");
        assert_eq!(ask.images[0].media_type, "image/jpeg");
        assert_eq!(ask.images[0].bytes, jpeg(1), "an image within all limits is passed on as it is");
        assert_eq!(ask.schema["properties"]["suitability"]["enum"], json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
        assert_eq!(content[0], ledger.asks.iter().find(|ask| !ask.images.is_empty()).unwrap().body["messages"][0]["content"][0]);
    }
    // Calls on one text begin with their shared part, so that it can be cached.
    let text_calls: Vec<_> = ledger.asks.iter().filter(|ask| ask.docid.as_deref() == Some("t1")).collect();
    assert_eq!(text_calls.len(), 6);
    for ask in &text_calls {
        assert_eq!(ask.body["messages"][0]["content"][0], text_calls[0].body["messages"][0]["content"][0]);
        assert_eq!(ask.body["system"], text_calls[0].body["system"]);
    }
    // The usage of 7 calls adds up, with cache reads counted separately.
    let row = run.csv("material").rows[0].clone();
    assert_eq!((row["provider"].as_str(), row["model"].as_str()), ("anthropic", "claude-haiku-5-5"));
    assert_eq!(row["cached_tokens"], "140");
    let row = &run.jsonl("material")[0];
    for call in row["calls"].as_array().unwrap() {
        let usage = &call["usage"];
        let (fresh, output) = (usage["uncached_input"].as_f64().unwrap(), usage["output"].as_f64().unwrap());
        let cost = fresh * 0.1e-6 + 20.0 * 0.01e-6 + output * 0.5e-6;
        let stated = call["cost_usd"].as_f64().unwrap();
        assert!((stated - cost).abs() < 1e-12, "{stated} is not {cost}");
    }
}

#[test]
fn openai_is_asked_as_its_reference_says() {
    let server = ModelServer::start();
    let workspace = openai(&server);
    workspace.doc("part.jpg", jpeg(2)).doc("text.txt", "docid:t2 is a text");
    let run = workspace.run([""; 0]).exits(0);
    let ledger = server.ledger();
    assert_eq!(ledger.requests(), 13);
    for ask in &ledger.asks {
        assert_nothing_unwanted(ask);
        assert_eq!((ask.dialect, ask.path.as_str()), (Dialect::ChatCompletions, "/v1/chat/completions"));
        assert_eq!(ask.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(ask.header("x-api-key"), None);
        assert_eq!(ask.body["model"], "gpt-6-luna");
        assert!(ask.body.get("max_tokens").is_none());
        assert!(ask.body["max_completion_tokens"].as_u64().unwrap() >= 2000);
        let roles: Vec<&str> = ask.body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["developer", "user"]);
        assert_eq!(ask.body["response_format"]["type"], "json_schema");
        assert_eq!(ask.body["response_format"]["json_schema"]["strict"], true);
        assert!(!ask.body["response_format"]["json_schema"]["name"].as_str().unwrap().is_empty());
        assert_strict(&ask.schema);
    }
    let analyses: Vec<_> = ledger.asks.iter().filter(|ask| !ask.images.is_empty()).collect();
    assert_eq!(analyses.len(), 6);
    for ask in analyses {
        assert_eq!(ask.images[0].media_type, "image/jpeg");
        assert_eq!(ask.images[0].bytes, jpeg(2));
        assert_eq!(ask.schema["properties"]["suitability"]["maximum"], 10);
    }
    // `prompt_tokens` includes cached tokens, which must not be paid twice.
    let call = &run.jsonl("text")[0]["calls"][0];
    let usage = &call["usage"];
    assert_eq!(usage["cache_read"], 20);
    let text = &ledger.asks.iter().find(|ask| ask.docid.as_deref() == Some("t2")).unwrap().text;
    assert!(usage["uncached_input"].as_u64().unwrap() < 200 + text.len() as u64 / 4, "{usage}");
    let all = usage["uncached_input"].as_u64().unwrap() + 20;
    let from_csv: u64 = run.csv("text").rows[0]["input_tokens"].parse().unwrap();
    let sum: u64 =
        run.jsonl("text")[0]["calls"].as_array().unwrap().iter().map(|c| c["usage"]["uncached_input"].as_u64().unwrap() + 20).sum();
    assert!(all > 0 && from_csv == sum, "input_tokens {from_csv}, calls {sum}");
}

#[test]
fn compatible_servers_are_asked_in_the_words_that_all_of_them_know() {
    let server = ModelServer::start();
    let workspace = compatible(&server);
    workspace.doc("a.txt", "docid:c1");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let ask = &server.ledger().asks[0];
    assert_nothing_unwanted(ask);
    assert_eq!(ask.header("authorization"), None, "there is no key to send");
    assert_eq!(ask.body["model"], "test-model");
    assert_eq!(ask.body["max_tokens"], 100);
    assert!(ask.body.get("max_completion_tokens").is_none());
    // Chat templates of text-only models accept only plain strings.
    assert!(ask.body["messages"].as_array().unwrap().iter().all(|message| message["content"].is_string()));
    let row = &run.csv("echo").rows[0];
    assert_eq!(row["cost_usd"], "", "an unknown price is not zero");
}

#[test]
fn all_calls_obey_retry_after() {
    let server = ModelServer::script()
        .faults(|ask| match (ask.docid.as_deref(), ask.attempt) {
            (Some("r0"), 1) => Reply::Status(429, ask.dialect.error("rate_limit_error", "slow down"), vec![("retry-after", "1".into())]),
            _ => Reply::Ok,
        })
        .start();
    let workspace = anthropic(&server).set("llm.concurrency", 1);
    for n in 0..5 {
        workspace.doc(format!("{n}.txt"), format!("docid:r{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let ledger = server.ledger();
    let limited = ledger.of("r0")[0].arrivals[0];
    for ask in ledger.asks.iter().filter(|ask| ask.arrived > limited) {
        let wait = ask.arrived - limited;
        assert!(wait >= Duration::from_secs(1), "{:?} came {wait:?} after the limit", ask.docid);
    }
    assert_eq!(ledger.requests(), 6);
    assert_eq!(run.csv("echo").row("0.txt")["attempts"], "2");
}

#[test]
fn a_wait_beyond_the_limit_stops_the_run_which_can_be_resumed() {
    let server = ModelServer::script()
        .faults(|ask| match ask.docid.as_deref() {
            Some("p1") => Reply::Status(429, ask.dialect.error("rate_limit_error", "tomorrow"), vec![("retry-after", "86400".into())]),
            _ => Reply::Ok,
        })
        .start();
    let workspace = anthropic(&server).set("llm.concurrency", 1);
    workspace.doc("0.txt", "docid:p0").doc("1.txt", "docid:p1").doc("2.txt", "docid:p2");
    workspace.run(["--job", "echo.toml"]).exits(4).says(&["86400", "max_wait_s"]);
    assert_eq!(server.ledger().of("p1")[0].requests, 1);
}

#[test]
fn an_invalid_answer_is_retried_once_with_the_error() {
    for (workspace, server) in [anthropic as fn(&ModelServer) -> Workspace, openai, compatible].map(|new| {
        let server = ModelServer::script()
            .faults(|ask| match (ask.docid.as_deref(), ask.attempt) {
                (Some("always"), _) | (_, 1) => Reply::WrongShape,
                _ => Reply::Ok,
            })
            .start();
        (new(&server), server)
    }) {
        workspace.doc("a.txt", "docid:once").doc("b.txt", "docid:always");
        let run = workspace.run(["--job", "echo.toml"]).exits(3);
        let ledger = server.ledger();
        let asks: Vec<_> = ledger.asks.iter().filter(|ask| ask.docid.as_deref() == Some("once")).collect();
        assert_eq!(asks.len(), 2);
        let note = asks[1].text.strip_prefix(asks[0].text.as_str()).unwrap();
        assert!(note.contains("said"), "the note does not name the missing field: {note:?}");
        let csv = run.csv("echo");
        let row = csv.row("a.txt");
        assert_eq!((row["status"].as_str(), row["calls"].as_str(), row["attempts"].as_str()), ("ok", "1", "2"));
        assert_eq!(ledger.of("always")[0].requests, 2);
        let row = csv.row("b.txt");
        assert_eq!((row["status"].as_str(), row["failure_code"].as_str()), ("failed", "invalid_answer"));
        assert!(row["output_tokens"].parse::<u64>().unwrap() > 0, "answers that were no good are billed all the same");
    }
}

#[test]
fn a_truncated_answer_is_retried_with_more_output_tokens() {
    let server = ModelServer::script().faults(|ask| if ask.attempt == 1 { Reply::Truncated } else { Reply::Ok }).start();
    let workspace = anthropic(&server);
    workspace.doc("a.txt", "docid:cut");
    workspace.run(["--job", "echo.toml"]).exits(0);
    let limits: Vec<u64> = server.ledger().asks.iter().map(|ask| ask.body["max_tokens"].as_u64().unwrap()).collect();
    assert_eq!(limits.len(), 2);
    assert!(limits[1] > limits[0], "{limits:?}");
}

#[test]
fn the_error_for_a_missing_key_names_its_variable() {
    for (provider, variable) in [("anthropic", "ANTHROPIC_API_KEY"), ("openai", "OPENAI_API_KEY")] {
        let server = ModelServer::start();
        let workspace = Workspace::new().set("llm.provider", provider).set("llm.base_url", server.url());
        workspace.doc("a.txt", "docid:a");
        workspace.run([""; 0]).exits(2).says(&[variable]);
        // An empty variable counts as unset. A plan needs no key.
        let workspace = workspace.env(variable, "");
        workspace.run([""; 0]).exits(2).says(&[variable]);
        workspace.start_with(["plan", "docs"]).finish().exits(0);
        assert_eq!(server.ledger().requests(), 0);
    }
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("llm.api_key_env", "MY_OWN_KEY");
    workspace.doc("a.txt", "docid:a");
    workspace.run([""; 0]).exits(2).says(&["MY_OWN_KEY"]);
    let workspace = workspace.env("MY_OWN_KEY", KEY);
    workspace.run([""; 0]).exits(0);
    assert_eq!(server.ledger().asks[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[test]
fn a_compatible_server_needs_an_address_and_a_model() {
    let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.model", "m");
    workspace.doc("a.txt", "docid:a");
    workspace.run([""; 0]).exits(2).says(&["llm.base_url"]);
    let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.base_url", "http://127.0.0.1:9/v1");
    workspace.doc("a.txt", "docid:a");
    workspace.run([""; 0]).exits(2).says(&["llm.model"]);
    let workspace = Workspace::new().set("llm.provider", "antropic");
    workspace.doc("a.txt", "docid:a");
    workspace.run([""; 0]).exits(2).says(&["llm.provider", "antropic", "anthropic"]);
}

fn fifty_documents(workspace: &Workspace) {
    for n in 0..50 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:f{n}"));
    }
}

#[test]
fn a_bad_key_ends_the_run_after_a_few_requests() {
    let server = ModelServer::script().faults(|ask| Reply::error(ask, 401, "authentication_error", "invalid x-api-key")).start();
    let workspace = anthropic(&server).set("llm.concurrency", 4);
    fifty_documents(&workspace);
    workspace.run(["--job", "echo.toml"]).exits(5).says(&["401", "invalid x-api-key"]);
    let requests = server.ledger().requests();
    assert!((1..=8).contains(&requests), "{requests} requests with a bad key");
}

#[test]
fn an_account_without_credit_ends_the_run_after_a_few_requests() {
    for (new, status, code) in [(anthropic as fn(&ModelServer) -> Workspace, 402, "billing_error"), (openai, 429, "insufficient_quota")] {
        let server = ModelServer::script().faults(move |ask| Reply::error(ask, status, code, "no credit left")).start();
        let workspace = new(&server).set("llm.concurrency", 4);
        fifty_documents(&workspace);
        workspace.run(["--job", "echo.toml"]).exits(5).says(&["no credit left"]);
        let requests = server.ledger().requests();
        assert!((1..=8).contains(&requests), "{requests} requests without credit");
    }
}

#[test]
fn an_unknown_model_ends_the_run_and_the_message_names_close_ids() {
    let server = ModelServer::script().faults(|ask| Reply::error(ask, 404, "not_found_error", "model: claude-sonnet-5-20260205")).start();
    let workspace = anthropic(&server).set("llm.model", "claude-sonnet-5-20260205").set("llm.concurrency", 4);
    fifty_documents(&workspace);
    workspace.run(["--job", "echo.toml"]).exits(5).says(&["claude-sonnet-5-20260205", "claude-sonnet-5-5", "llm.model"]);
    assert!(server.ledger().requests() <= 8);
}

#[test]
fn the_same_command_resumes_after_the_key_is_fixed() {
    let server = ModelServer::script()
        .faults(|ask| match (ask.header("x-api-key"), ask.docid.as_deref()) {
            (Some(KEY), _) | (_, Some("f0" | "f1")) => Reply::Ok,
            _ => Reply::error(ask, 401, "authentication_error", "invalid x-api-key"),
        })
        .start();
    let workspace = anthropic(&server).env("ANTHROPIC_API_KEY", "sk-wrong").set("llm.concurrency", 1);
    fifty_documents(&workspace);
    workspace.run(["--job", "echo.toml"]).exits(5);
    let workspace = workspace.env("ANTHROPIC_API_KEY", KEY);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 50);
    assert!(server.ledger().calls.iter().all(|call| call.served == 1), "an answer was paid twice");
}

#[test]
fn an_unreachable_server_parks_the_run_and_is_named() {
    // A port that has just been free, so no server listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.model", "m");
    let workspace = workspace.set("llm.base_url", format!("http://{address}/v1")).set("llm.retry.base_ms", 1);
    workspace.write("echo.toml", ECHO);
    fifty_documents(&workspace);
    workspace.run(["--job", "echo.toml"]).exits(4).says(&[&address.to_string(), "llm.base_url"]);

    let server = ModelServer::start();
    let workspace = workspace.against(&server);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 50);
}

#[test]
fn a_server_that_disappears_during_a_run_parks_it() {
    let server = ModelServer::script().latency(|_| Duration::from_millis(5)).start();
    let workspace = compatible(&server).set("llm.concurrency", 4).set("llm.retry.max_attempts", 3);
    for n in 0..400 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:g{n}"));
    }
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("some are answered", |ledger| ledger.requests() >= 20);
    drop(server);
    run.finish().exits(4);

    let server = ModelServer::start();
    let run = workspace.against(&server).run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 400);
    assert!(server.ledger().requests() < 400, "what was answered before is asked again");
}

/// All output and files of a run, as text.
fn everything(workspace: &Workspace, run: &Finished) -> String {
    let mut all = format!("{}{}", run.stdout, run.stderr);
    let mut directories = vec![workspace.path("output")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    all
}

#[test]
fn a_key_that_a_server_sends_back_appears_nowhere() {
    let server = ModelServer::script()
        .faults(|ask| {
            let echo = format!("your key {KEY} is not welcome for this");
            match ask.docid.as_deref() {
                Some("k0") => Reply::error(ask, 400, "invalid_request_error", &echo),
                Some("k1") => Reply::error(ask, 500, "api_error", &echo),
                Some("k2") => Reply::StatusText(400, format!("<html>{echo}</html>")),
                Some("k3") => Reply::StatusText(200, format!("<html>{echo}</html>")),
                Some("k4") => Reply::Status(400, json!({"error": {"code": KEY, "type": KEY, "message": "no"}}), Vec::new()),
                Some("k5") => Reply::Refusal,
                _ => Reply::Ok,
            }
        })
        .start();
    let workspace = anthropic(&server);
    for n in 0..8 {
        workspace.doc(format!("{n}.txt"), format!("docid:k{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(run.csv("echo").rows.len(), 8);
    let all = everything(&workspace, &run);
    assert!(all.contains("is not welcome"), "the server's words are lost altogether");
    assert_no_key(&all);

    let server = ModelServer::script().faults(|ask| Reply::error(ask, 401, "authentication_error", &format!("bad key {KEY}"))).start();
    let workspace = anthropic(&server);
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml"]).exits(5);
    assert_no_key(&everything(&workspace, &run));
}

#[test]
fn a_key_in_the_headers_of_a_reply_appears_nowhere() {
    let server = ModelServer::script()
        .faults(|_| Reply::Status(400, json!({"error": {"message": "no"}}), vec![("request-id", format!("req-{KEY}"))]))
        .start();
    let workspace = anthropic(&server);
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_no_key(&everything(&workspace, &run));
}

#[test]
fn truncating_a_long_message_leaves_no_part_of_a_key() {
    // Long messages are truncated. The key must be removed before that.
    let server = ModelServer::script()
        .faults(|ask| {
            let before: usize = ask.docid.as_deref().unwrap().trim_start_matches('k').parse().unwrap();
            Reply::StatusText(400, format!("{}{KEY} and more", "x".repeat(before)))
        })
        .start();
    let workspace = anthropic(&server).set("llm.retry.max_consecutive_failures", 0);
    for before in (0..1200).step_by(11) {
        workspace.doc(format!("{before}.txt"), format!("docid:k{before}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_no_key(&everything(&workspace, &run));
}

#[track_caller]
fn assert_no_key(all: &str) {
    // Not even half of a key may remain.
    for piece in [&KEY[..14], &KEY[KEY.len() - 12..]] {
        if let Some(at) = all.find(piece) {
            let start = (0..=at.saturating_sub(60)).rev().find(|i| all.is_char_boundary(*i)).unwrap_or(0);
            panic!("{piece:?} stands in: ...{}", all[start..].chars().take(160).collect::<String>());
        }
    }
}

#[test]
fn the_simulator_serves_other_processes_and_shows_its_ledger() {
    let workspace = Workspace::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let simulator = workspace.start(["simulate", "--port", &address.port().to_string()]);
    let workspace =
        workspace.env("ANTHROPIC_API_KEY", KEY).set("llm.provider", "anthropic").set("llm.base_url", format!("http://{address}"));
    workspace.write("echo.toml", ECHO);
    fifty_documents(&workspace);
    let ready = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        std::net::TcpStream::connect(address).is_ok()
    });
    assert!(ready, "the simulator does not listen on {address}");
    workspace.run(["--job", "echo.toml"]).exits(0);
    let ledger = get(&address.to_string(), "/ledger");
    assert!(ledger.starts_with("HTTP/1.1 200"), "{ledger}");
    let body: Value = serde_json::from_str(ledger.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert!(body.as_object().unwrap().values().any(|count| *count == 50), "{body}");
    simulator.signal("INT");
    simulator.finish();
}

fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn a_simulated_answer_is_never_reused_for_a_provider() {
    let server = ModelServer::start();
    let workspace =
        Workspace::new().env("ANTHROPIC_API_KEY", "sk-test").set("llm.model", "claude-haiku-5-5").set("simulator.latency_ms", 0);
    workspace.doc("a.txt", "docid:a");
    workspace.run(["--job", "text", "--set", "llm.provider=simulated"]).exits(0);
    let base_url = format!("llm.base_url={}", server.url());
    let run = workspace.run(["--job", "text", "--set", "llm.provider=anthropic", "--set", &base_url]).exits(0);
    assert_eq!(server.ledger().of("a").len(), 6);
    assert!(!run.file("text", "results.jsonl").contains("[simulated]"));
}

#[test]
fn a_key_equal_to_a_word_changes_no_answer() {
    let server = ModelServer::script().answer(|_| serde_json::json!({"said": "we compared ollama with text"})).start();
    for key in ["ollama", "text", "x"] {
        let workspace = Workspace::new().against(&server).env("LOCAL_KEY", key).set("llm.api_key_env", "LOCAL_KEY");
        workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        assert_eq!(run.csv("echo").rows[0]["said"], "we compared ollama with text", "{key}");
    }
}
