//! Faults of a scenario.

use super::{anthropic, anthropic_answer, assert_balanced, bounded_schema, is_valid, openai, plain_schema, start, to_anthropic, to_openai};
use crate::simulator::LedgerTotals;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

#[tokio::test]
async fn every_fault_reaches_the_client_and_the_ledger() {
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
    let waiting = tokio::time::timeout(Duration::from_secs(1), anthropic(&simulator, &hang));
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
        assert!(!is_valid(&schema, &answer), "{answer}");
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
async fn a_disconnected_client_counts_as_abandoned() {
    let simulator = start("latency_ms = 60000").await;
    let body = to_anthropic("A document.", &plain_schema());
    let until = async |condition: fn(&LedgerTotals) -> bool| {
        while !condition(&simulator.ledger()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // The client leaves as soon as its request has arrived.
    tokio::select! {
        reply = anthropic(&simulator, &body) => assert!(reply.is_err(), "the reply came at once"),
        () = until(|totals| totals.in_flight_max == 1) => {}
    }
    until(|totals| totals.abandoned == 1).await;
    assert_balanced(&simulator.ledger());
    assert_eq!(simulator.ledger().abandoned, 1);
    simulator.stop().await;
}
