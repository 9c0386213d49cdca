//! The Gemini dialect.

use super::{PNG, Seen, is_valid, plain_schema, post, start};
use crate::simulator::Simulator;
use serde_json::{Value, json};

const MODEL: &str = "gemini-3.8-flash";

fn body(text: &str) -> Value {
    json!({
        "systemInstruction": { "parts": [{ "text": "You judge parts." }] },
        "contents": [{ "role": "user", "parts": [{ "inlineData": { "mimeType": "image/png", "data": PNG } }, { "text": text }] }],
        "generationConfig": {
            "maxOutputTokens": 2000,
            "responseMimeType": "application/json",
            "responseJsonSchema": plain_schema(),
        },
    })
}

async fn gemini(simulator: &Simulator, method: &str, body: &Value) -> Seen {
    let url = format!("{}/v1beta/models/{MODEL}:{method}", simulator.base_url());
    post(url, &[("x-goog-api-key", "k")], body).await.unwrap()
}

fn text(reply: &Value) -> &str {
    reply["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn answers_fit_their_schema_and_streams_say_the_same() {
    let simulator = start("require_key = 'k'").await;
    let seen = gemini(&simulator, "generateContent", &body("docid:g A part.")).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    let whole = seen.json();
    assert!(is_valid(&plain_schema(), &serde_json::from_str(text(&whole)).unwrap()));
    assert_eq!(whole["candidates"][0]["finishReason"], "STOP");
    // 1120 of the image, 16 + 15 characters.
    assert_eq!(whole["usageMetadata"]["promptTokenCount"], 1128);
    let seen = gemini(&simulator, "streamGenerateContent?alt=sse", &body("docid:g A part.")).await;
    let fragments: Vec<Value> =
        seen.text.split_terminator("\n\n").map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap()).collect();
    assert_eq!(fragments.iter().map(text).collect::<String>(), text(&whole));
    let (last, others) = fragments.split_last().unwrap();
    assert_eq!((&last["candidates"][0]["finishReason"], &last["usageMetadata"]), (&json!("STOP"), &whole["usageMetadata"]));
    assert!(others.iter().all(|fragment| fragment["candidates"][0]["finishReason"].is_null()));
    assert_eq!(simulator.ledger().duplicates, 1);
}

#[tokio::test]
async fn the_wait_is_in_the_body_and_nothing_in_the_headers() {
    let simulator = start("input_tokens_per_minute = 1200\nretry_after_s = 37.5").await;
    assert_eq!(gemini(&simulator, "generateContent", &body("one")).await.status, 200);
    let refused = gemini(&simulator, "generateContent", &body("two")).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.keys().all(|name| !name.as_str().contains("rate") && name != "retry-after"), "{:?}", refused.headers);
    let error = &refused.json()["error"];
    assert_eq!(error["status"], "RESOURCE_EXHAUSTED");
    assert!(error["details"][0]["violations"][0]["quotaId"].as_str().unwrap().contains("InputTokensPerModelPerMinute"));
    assert_eq!(error["details"][1]["retryDelay"], "37.5s");
    gemini(&simulator, "generateContent", &body("two")).await;
    assert_eq!((simulator.ledger().early, simulator.ledger().early_resends), (1, 1));
}

#[tokio::test]
async fn invalid_requests_get_gemini_errors() {
    let simulator = start("require_key = 'k'").await;
    let wrong = |path: &str, value: Value| {
        let mut body = body("A part.");
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    for body in [
        wrong("/contents", json!([])),
        wrong("/contents/0/role", json!("assistant")),
        wrong("/contents/0/parts/0/inlineData/data", json!("AAAA")),
        wrong("/generationConfig/maxOutputTokens", json!(0)),
        wrong("/generationConfig/responseMimeType", json!("text/plain")),
    ] {
        let seen = gemini(&simulator, "generateContent", &body).await;
        assert_eq!((seen.status, &seen.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{}", seen.text);
    }
    let url = format!("{}/v1beta/models/gemini-imagined:generateContent", simulator.base_url());
    let seen = post(url.clone(), &[("x-goog-api-key", "k")], &body("")).await.unwrap();
    assert_eq!((seen.status, &seen.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    let seen = post(url, &[], &body("")).await.unwrap();
    assert_eq!((seen.status, &seen.json()["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
}
