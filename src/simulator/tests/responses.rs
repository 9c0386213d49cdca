//! The OpenAI Responses API.

use super::{PNG, Seen, bounded_schema, is_valid, post, start};
use crate::simulator::Simulator;
use serde_json::{Value, json};

fn body(text: &str) -> Value {
    json!({
        "model": "gpt-6-luna",
        "instructions": "You judge parts.",
        "input": [{ "role": "user", "content": [
            { "type": "input_image", "image_url": format!("data:image/png;base64,{PNG}"), "detail": "high" },
            { "type": "input_text", "text": text },
        ] }],
        "max_output_tokens": 2000,
        "prompt_cache_options": { "mode": "explicit" },
        "text": { "format": { "type": "json_schema", "name": "answer", "strict": true, "schema": bounded_schema() } },
    })
}

async fn responses(simulator: &Simulator, body: &Value) -> Seen {
    post(format!("{}/v1/responses", simulator.base_url()), &[("authorization", "Bearer k")], body).await.unwrap()
}

#[tokio::test]
async fn answers_fit_their_schema_and_streams_say_the_same() {
    let simulator = start("").await;
    let seen = responses(&simulator, &body("A part.")).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    let whole = seen.json();
    let text = whole["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(is_valid(&bounded_schema(), &serde_json::from_str(text).unwrap()));
    assert_eq!((&whole["status"], &whole["usage"]["input_tokens"]), (&json!("completed"), &json!(19 * 13 + 6)));
    let mut streamed = body("A part.");
    streamed["stream"] = json!(true);
    let seen = responses(&simulator, &streamed).await;
    let events: Vec<Value> = seen
        .text
        .split_terminator("\n\n")
        .map(|block| {
            let (name, data) = block.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name.strip_prefix("event: ").unwrap());
            data
        })
        .collect();
    assert!(events.iter().enumerate().all(|(index, event)| event["sequence_number"] == index), "{events:?}");
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    assert_eq!(deltas.filter_map(|event| event["delta"].as_str()).collect::<String>(), text);
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["response"]), (&json!("response.completed"), &whole));
}

#[tokio::test]
async fn cuts_and_refusals_say_so() {
    let simulator = start("[[poison]]\nmarker = 'do:refusal'\nfault = 'refusal'\n[[poison]]\nmarker = 'do:cut'\nfault = 'cut'").await;
    let cut = responses(&simulator, &body("do:cut")).await.json();
    assert_eq!((&cut["status"], &cut["incomplete_details"]["reason"]), (&json!("incomplete"), &json!("max_output_tokens")));
    let mut refusal = body("do:refusal");
    assert!(responses(&simulator, &refusal).await.json()["output"][0]["content"][0]["refusal"].is_string());
    refusal["stream"] = json!(true);
    assert!(responses(&simulator, &refusal).await.text.contains("event: response.refusal.delta"));
}

#[tokio::test]
async fn the_cache_and_the_limits_match_openai() {
    let simulator = start("tokens_per_minute = 4100\n[cache]\nenabled = true\nmin_tokens = 100").await;
    let mut marked = body("Steel?");
    marked["input"][0]["content"][0]["prompt_cache_breakpoint"] = json!({ "mode": "explicit" });
    let written = responses(&simulator, &marked).await;
    assert_eq!(written.header("x-ratelimit-remaining-tokens"), "2100");
    assert_eq!(written.json()["usage"]["input_tokens_details"]["cache_write_tokens"], 19 * 13 + 4);
    let read = responses(&simulator, &marked).await;
    assert_eq!(read.json()["usage"]["input_tokens_details"]["cached_tokens"], 19 * 13 + 4);
    let refused = responses(&simulator, &marked).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("rate_limit_exceeded")));
}
