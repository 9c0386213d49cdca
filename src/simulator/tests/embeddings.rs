//! Embeddings over real HTTP.

use super::{Seen, assert_balanced, post, start};
use crate::simulator::Simulator;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

async fn embed(simulator: &Simulator, body: &Value) -> Seen {
    post(format!("{}/v1/embeddings", simulator.base_url()), &[("authorization", "Bearer k")], body).await.unwrap()
}

fn of(input: &Value) -> Value {
    json!({ "model": "text-embedding-3-small", "input": input })
}

fn vector(entry: &Value) -> Vec<f64> {
    entry["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn every_form_of_input_gets_a_vector_for_each_item() {
    let simulator = start("[prices]\ninput = 2.0").await;
    for (input, count, tokens) in [
        (json!("a text of 24 characters."), 1, 6),
        (json!(["one", "two more words"]), 2, 1 + 4),
        (json!([5, 6, 7]), 1, 3),
        (json!([[5, 6, 7], [8]]), 2, 4),
    ] {
        let seen = embed(&simulator, &of(&input)).await;
        assert_eq!(seen.status, 200, "{}", seen.text);
        let reply = seen.json();
        assert_eq!(reply["data"].as_array().unwrap().len(), count);
        assert_eq!((&reply["usage"]["prompt_tokens"], &reply["usage"]["total_tokens"]), (&json!(tokens), &json!(tokens)));
        for (index, entry) in reply["data"].as_array().unwrap().iter().enumerate() {
            let vector = vector(entry);
            let length: f64 = vector.iter().map(|number| number * number).sum();
            assert!(vector.len() == 256 && (length - 1.0).abs() < 1e-4 && entry["index"] == index);
        }
    }
    let ledger = simulator.ledger();
    assert_eq!((ledger.requests, ledger.served, ledger.embedded_inputs, ledger.embedded_again), (4, 4, 6, 1));
    assert_eq!((ledger.input_tokens, ledger.output_tokens, ledger.cost_usd.to_string().as_str()), (18, 0, "$0.000036"));
    assert_balanced(&ledger);
}

#[tokio::test]
async fn a_vector_does_not_depend_on_its_request_or_encoding() {
    let simulator = start("").await;
    let together = embed(&simulator, &of(&json!(["one text", "another text", "a third"]))).await.json();
    let mut alone = of(&json!("another text"));
    let numbers = vector(&embed(&simulator, &alone).await.json()["data"][0]);
    assert_eq!(vector(&together["data"][1]), numbers);
    alone["encoding_format"] = json!("base64");
    let bytes = STANDARD.decode(embed(&simulator, &alone).await.json()["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f32> = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are single precision")]
    let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    assert_eq!(decoded, numbers);
    alone["dimensions"] = json!(8);
    let short = STANDARD.decode(embed(&simulator, &alone).await.json()["data"][0]["embedding"].as_str().unwrap()).unwrap();
    assert_eq!(short.len(), 32);
}

#[tokio::test]
async fn invalid_inputs_are_refused() {
    let simulator = start("").await;
    for (field, value, status, words) in [
        ("input", json!(""), 400, "empty string"),
        ("input", json!(["a", ""]), 400, "input[1]"),
        ("input", json!([]), 400, "empty array"),
        ("input", json!([[]]), 400, "empty array"),
        ("input", json!([["a"]]), 400, "token ids"),
        ("input", json!([1, -1]), 400, "token ids"),
        ("input", json!({}), 400, "expected a string"),
        ("input", Value::Null, 400, "Missing required"),
        ("dimensions", json!(0), 400, "dimensions"),
        ("encoding_format", json!("hex"), 400, "hex"),
        ("model", json!("unknown"), 404, "unknown"),
    ] {
        let mut body = of(&json!("fine"));
        body[field] = value;
        let seen = embed(&simulator, &body).await;
        let message = seen.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(seen.status == status && message.contains(words), "{field}: {} {message}", seen.status);
    }
    let ledger = simulator.ledger();
    assert_eq!((ledger.errors, ledger.billed), (11, 0));
}

#[tokio::test]
async fn requests_beyond_the_limits_are_refused_in_the_words_of_servers() {
    let limits = "[embeddings]\nmax_inputs = 3\nmax_tokens = 20\nmax_input_tokens = 10\n";
    let many = json!(["a", "b", "c", "d"]);
    let heavy = json!(vec!["x".repeat(40); 3]);
    let long = json!(["x".repeat(44)]);
    for (wording, status, expected) in [
        ("openai", 400, ["must be 3 or less", "Requested 30 tokens, max 20", "context length is 10 tokens"]),
        ("dashscope", 400, ["not be larger than 3", "[1, 20]", "[1, 10]"]),
        ("gemini", 400, ["at most 3 requests", "(20)", "(10)"]),
        ("siliconflow", 413, ["4 > maximum allowed batch size 3", "20", "10"]),
        ("llama_server", 500, ["max: 3", "batch size: 20", "batch size: 10"]),
        ("proxy", 413, ["Too Large", "Too Large", "Too Large"]),
    ] {
        let simulator = start(&format!("{limits}wording = '{wording}'")).await;
        for (input, words) in [&many, &heavy, &long].into_iter().zip(expected) {
            let seen = embed(&simulator, &of(input)).await;
            assert!(seen.status == status && seen.text.contains(words), "{wording}: {} {}", seen.status, seen.text);
        }
        assert_eq!(embed(&simulator, &of(&json!(["a", "b", "c"]))).await.status, 200);
    }
}

#[tokio::test]
async fn quirks_change_responses_as_promised() {
    let texts = json!(["one", "two", "three", "four"]);
    let quirk = async |name: &str, encoding: &str| {
        let simulator = start(&format!("[embeddings]\ndimensions = 8\nmax_input_tokens = 1\nquirks = ['truncates', '{name}']")).await;
        let mut body = of(&texts);
        body["encoding_format"] = json!(encoding);
        (embed(&simulator, &body).await, simulator.ledger())
    };
    let (seen, ledger) = quirk("shuffled", "float").await;
    let indexes: Vec<u64> = seen.json()["data"].as_array().unwrap().iter().map(|entry| entry["index"].as_u64().unwrap()).collect();
    assert_eq!((indexes, ledger.served, &seen.json()["usage"]["prompt_tokens"]), (vec![2, 3, 0, 1], 1, &json!(4)));
    let (seen, _) = quirk("base64_ignored", "base64").await;
    assert_eq!(vector(&seen.json()["data"][0]).len(), 8);
    let (seen, ledger) = quirk("count_short", "base64").await;
    assert_eq!((seen.json()["data"].as_array().unwrap().len(), ledger.invalid), (3, 1));
    let (seen, _) = quirk("null", "float").await;
    assert_eq!(seen.json()["data"][2]["embedding"][0], Value::Null);
    let (seen, _) = quirk("nan", "float").await;
    assert!(serde_json::from_str::<Value>(&seen.text).is_err() && seen.text.contains("[NaN,"));
    let (seen, _) = quirk("wrong_dimensions", "float").await;
    assert_eq!(vector(&seen.json()["data"][0]).len(), 7);
}

#[tokio::test]
async fn faults_limits_and_poison_apply_to_embeddings() {
    let simulator = start("[[poison]]\nmarker = 'spoilt'\nfault = 'rejected'").await;
    assert_eq!(embed(&simulator, &of(&json!(["fine", "a spoilt text"]))).await.status, 400);
    assert_eq!(embed(&simulator, &of(&json!(["fine"]))).await.status, 200);
    let simulator = start("[faults]\ncut = 1.0\nfaults_per_call = 1").await;
    let seen = embed(&simulator, &of(&json!(["one", "two"]))).await;
    assert_eq!((seen.json()["data"].as_array().unwrap().len(), simulator.ledger().cut), (1, 1));
    assert_eq!(embed(&simulator, &of(&json!(["one", "two"]))).await.json()["data"].as_array().unwrap().len(), 2);
    let simulator = start("requests_per_second = 0.001\nburst = 1").await;
    assert_eq!(embed(&simulator, &of(&json!("one"))).await.status, 200);
    let seen = embed(&simulator, &of(&json!("one"))).await;
    assert_eq!((seen.status, seen.header("x-ratelimit-remaining-requests")), (429, "0"));
}
