//! Streams, complete and broken.

use super::{anthropic, assert_balanced, bounded_schema, client, openai, plain_schema, start, to_anthropic, to_openai};
use crate::simulator::Simulator;
use crate::simulator::script::pieces;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

/// The events of a stream: names (if any) and data.
fn events(text: &str) -> Vec<(String, Value)> {
    let field = |block: &str, name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let data = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    text.split_terminator("\n\n").map(|block| (field(block, "event: "), data(field(block, "data: ")))).collect()
}

async fn send(simulator: &Simulator, path: &str, body: &Value) -> reqwest::Response {
    let request = client().post(format!("{}{path}", simulator.base_url())).header("anthropic-version", "2026-10-21");
    request.body(body.to_string()).send().await.unwrap()
}

/// The received text, and whether the body ended properly.
async fn read(mut response: reqwest::Response) -> (String, bool) {
    let mut text = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => text.extend_from_slice(&bytes),
            Ok(None) => return (String::from_utf8(text).unwrap(), true),
            Err(_) => return (String::from_utf8_lossy(&text).into_owned(), false),
        }
    }
}

/// Waits until the server notices the client's action.
async fn until(simulator: &Simulator, done: impl Fn(&Simulator) -> bool) {
    for _ in 0..500 {
        if done(simulator) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", simulator.ledger());
}

#[test]
fn the_tokens_of_the_pieces_add_up() {
    for text in ["", "é", &"word ".repeat(13), &"wörter ".repeat(5000)] {
        let pieces = pieces(text);
        assert_eq!(pieces.iter().map(|(piece, _)| *piece).collect::<String>(), text);
        assert_eq!(pieces.iter().map(|(_, tokens)| tokens).sum::<u64>(), crate::simulator::ask::tokens(text));
        assert!(pieces.len() <= 64);
    }
}

#[tokio::test]
async fn an_anthropic_stream_equals_the_complete_response() {
    let simulator = start("").await;
    let body = to_anthropic("docid:a A document.", &plain_schema());
    let whole = anthropic(&simulator, &body).await.unwrap().json();
    let seen = anthropic(&simulator, &streamed(body)).await.unwrap();
    assert_eq!(seen.header("content-type"), "text/event-stream");
    let events = events(&seen.text);
    assert!(events.iter().all(|(name, data)| data["type"] == name.as_str()), "{events:?}");
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "content_block_delta").collect();
    assert_eq!(names, ["message_start", "content_block_start", "ping", "content_block_stop", "message_delta", "message_stop"]);
    let text: String = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
    assert_eq!(text, whole["content"][0]["text"]);
    assert_eq!(events[0].1["message"]["usage"]["input_tokens"], whole["usage"]["input_tokens"]);
    let end = &events[events.len() - 2].1;
    assert_eq!((&end["delta"]["stop_reason"], &end["usage"]["output_tokens"]), (&json!("end_turn"), &whole["usage"]["output_tokens"]));
    let totals = simulator.ledger();
    assert_eq!((totals.served, totals.duplicates), (2, 1));
    assert_eq!(totals.output_tokens, 2 * whole["usage"]["output_tokens"].as_u64().unwrap());
}

#[tokio::test]
async fn an_openai_stream_has_its_usage_only_on_request() {
    let simulator = start("").await;
    let body = to_openai("A document.", &bounded_schema());
    let whole = openai(&simulator, &body).await.unwrap().json();
    for asked in [false, true] {
        let mut body = streamed(body.clone());
        body["stream_options"] = json!({ "include_usage": asked });
        let mut events = events(&openai(&simulator, &body).await.unwrap().text);
        assert_eq!(events.pop().unwrap().1, json!("[DONE]"));
        assert!(events.iter().all(|(name, data)| name.is_empty() && data["object"] == "chat.completion.chunk"));
        if asked {
            let last = events.pop().unwrap().1;
            assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &whole["usage"]));
        }
        assert!(events.iter().all(|(_, data)| data["usage"].is_null()));
        let text: String = events.iter().filter_map(|(_, data)| data["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, whole["choices"][0]["message"]["content"]);
        assert_eq!(events.last().unwrap().1["choices"][0]["finish_reason"], "stop");
    }
}

#[tokio::test]
async fn refusals_and_cuts_stream_as_well() {
    let simulator = start("[[poison]]\nmarker = 'do:refusal'\nfault = 'refusal'\n[[poison]]\nmarker = 'do:cut'\nfault = 'cut'").await;
    let reason = async |text: &str| {
        let seen = anthropic(&simulator, &streamed(to_anthropic(text, &plain_schema()))).await.unwrap();
        let events = events(&seen.text);
        events.into_iter().find(|(name, _)| name == "message_delta").unwrap().1["delta"]["stop_reason"].clone()
    };
    assert_eq!((reason("do:refusal").await, reason("do:cut").await), (json!("refusal"), json!("max_tokens")));
    let seen = openai(&simulator, &streamed(to_openai("do:refusal", &bounded_schema()))).await.unwrap();
    assert!(events(&seen.text).iter().any(|(_, data)| data["choices"][0]["delta"]["refusal"].is_string()));
    assert_eq!((simulator.ledger().refused, simulator.ledger().cut), (2, 1));
}

#[tokio::test]
async fn an_empty_answer_has_an_end() {
    let simulator = start("[faults]\ninvalid = 1").await;
    let mut body = streamed(to_anthropic("A document.", &plain_schema()));
    body["output_config"] = json!(null); // without a schema, what breaks it is to say nothing
    let events = events(&anthropic(&simulator, &body).await.unwrap().text);
    assert!(events.iter().all(|(name, _)| name != "content_block_delta"));
    assert_eq!(events.last().unwrap().0, "message_stop");
    assert_eq!(simulator.ledger().invalid, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_and_ends_on_time() {
    let simulator = start("latency_ms = 9000\nfirst_byte_ms = 2000").await;
    let sent = Instant::now();
    let mut response = send(&simulator, "/v1/messages", &streamed(to_anthropic("A document.", &plain_schema()))).await;
    let seconds = |at: Instant| (at - sent).as_secs_f64();
    let mut arrivals = Vec::new();
    while response.chunk().await.unwrap().is_some() {
        arrivals.push(seconds(Instant::now()));
    }
    // Paused time: only timers advance the clock, by whole milliseconds.
    assert!((arrivals[0] - 2.0).abs() < 0.1, "{arrivals:?}");
    assert!((arrivals.last().unwrap() - 9.0).abs() < 0.3, "{arrivals:?}");
    assert!(arrivals.len() > 4 && arrivals.is_sorted(), "{arrivals:?}");
    let sent = Instant::now();
    send(&simulator, "/v1/messages", &to_anthropic("A document.", &plain_schema())).await;
    assert!(sent.elapsed() >= Duration::from_secs(9), "what is not streamed comes at the end");
}

#[tokio::test]
async fn a_stream_breaks_off_falls_silent_or_turns_into_an_error() {
    let poison = |kind: &str| format!("[[poison]]\nmarker = 'do:{kind}'\nfault = '{kind}'\n");
    let toml_text = ["truncated_body", "stream_error", "stall"].map(poison).concat();
    let simulator = start(&toml_text).await;
    for (path, body) in [
        ("/v1/messages", to_anthropic("do:KIND", &plain_schema()).to_string()),
        ("/v1/chat/completions", to_openai("do:KIND", &bounded_schema()).to_string()),
    ] {
        let body = |kind: &str| streamed(serde_json::from_str(&body.replace("KIND", kind)).unwrap());
        let is_end = |text: &str| text.contains("message_stop") || text.contains("[DONE]");

        let (text, complete) = read(send(&simulator, path, &body("truncated_body")).await).await;
        assert!(!complete && !text.is_empty() && !is_end(&text), "{text}");

        let (text, complete) = read(send(&simulator, path, &body("stream_error")).await).await;
        assert!(complete && !is_end(&text));
        let (name, last) = events(&text).pop().unwrap();
        assert!(last["error"]["message"].is_string(), "{last}");
        assert_eq!(name, if path.ends_with("messages") { "error" } else { "" });

        let before = simulator.ledger().garbled;
        let mut response = send(&simulator, path, &body("stall")).await;
        let mut text = String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()).into_owned();
        until(&simulator, |simulator| simulator.ledger().garbled > before).await;
        while let Ok(chunk) = tokio::time::timeout(Duration::from_millis(50), response.chunk()).await {
            text += &String::from_utf8_lossy(&chunk.unwrap().expect("the connection stays open"));
        }
        assert!(!is_end(&text), "{text}");
    }
    let totals = simulator.ledger();
    assert_eq!((totals.garbled, totals.billed), (6, 6));
    assert_balanced(&totals);
    assert!(totals.output_tokens > 0 && totals.output_tokens < 6 * 100, "half of each: {totals:?}");
}

#[tokio::test]
async fn a_reply_in_one_piece_can_fall_silent_and_an_error_event_needs_a_stream() {
    let simulator =
        start("[[poison]]\nmarker = 'do:stall'\nfault = 'stall'\n[[poison]]\nmarker = 'do:error'\nfault = 'stream_error'").await;
    let mut response = send(&simulator, "/v1/messages", &to_anthropic("do:stall", &plain_schema())).await;
    let promised = response.content_length().unwrap();
    let half = response.chunk().await.unwrap().unwrap();
    assert_eq!(half.len() as u64, promised / 2);
    let waiting = tokio::time::timeout(Duration::from_millis(50), response.chunk());
    assert!(waiting.await.is_err());
    assert_eq!(anthropic(&simulator, &to_anthropic("do:error", &plain_schema())).await.unwrap().status, 529);
    assert_eq!((simulator.ledger().garbled, simulator.ledger().errors), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reply_can_come_byte_by_byte() {
    let simulator = start("drip_ms = 20\n[faults]\ndrip = 1").await;
    let calm = start("").await;
    let body = to_anthropic("A document.", &plain_schema());
    for body in [body.clone(), streamed(body)] {
        let sent = Instant::now();
        let (text, complete) = read(send(&simulator, "/v1/messages", &body).await).await;
        assert!(complete);
        assert!(sent.elapsed() >= Duration::from_millis(20) * u32::try_from(text.len() - 1).unwrap());
        assert_eq!(text, anthropic(&calm, &body).await.unwrap().text);
    }
    let (slow, fast) = (simulator.ledger(), calm.ledger());
    assert_eq!((slow.served, slow.output_tokens), (2, fast.output_tokens));
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_pays_for_the_sent_part() {
    let simulator = start("latency_ms = 60000\nfirst_byte_ms = 0\nconcurrency = 1").await;
    let body = streamed(to_anthropic("A document.", &plain_schema()));
    let mut response = send(&simulator, "/v1/messages", &body).await;
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(anthropic(&simulator, &body).await.unwrap().status, 529, "a stream keeps its seat");
    drop(response);
    until(&simulator, |simulator| simulator.ledger().garbled == 1).await;
    let totals = simulator.ledger();
    assert_balanced(&totals);
    assert!(totals.input_tokens > 0 && totals.output_tokens < 20, "{totals:?}");
}
