//! Usage in responses, and its effect on rows, ledger and cap.

use crate::order::ECHO;
use crate::support::{Ask, ModelServer, Reply, Workspace};
use serde_json::{Value, json};

/// Prices in dollars per million tokens.
const PRICES: &str = "[prices.test-model]\ninput = 1.0\ncache_read = 0.1\noutput = 10.0\n";

fn chat(ask: &Ask, usage: &Value) -> Reply {
    let answer = json!({"said": ask.docid}).to_string();
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"});
    Reply::Status(200, json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}), Vec::new())
}

/// A run with one document for each usage, which its reply reports.
fn run(usages: Vec<Value>, settings: &[(&str, &str)]) -> (Workspace, ModelServer) {
    let documents = usages.len();
    let server = ModelServer::script()
        .faults(move |ask| {
            let number: usize = ask.docid.as_deref().unwrap().trim_start_matches('d').parse().unwrap();
            chat(ask, &usages[number])
        })
        .start();
    let mut workspace = Workspace::new().against(&server);
    for (key, value) in settings {
        workspace = workspace.set(key, value);
    }
    workspace.write("echo.toml", ECHO);
    workspace.write("pipeline.toml", PRICES);
    for number in 0..documents {
        workspace.doc(format!("d{number:02}.txt"), format!("docid:d{number} is a text"));
    }
    (workspace, server)
}

#[test]
fn all_forms_of_usage_are_billed_once_and_implausible_usage_is_unknown() {
    let cases = vec![
        (json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}), Some(300.0)),
        // The output does not include thinking tokens.
        (json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 1120}), Some(10_300.0)),
        // Cached tokens have other names.
        (json!({"prompt_tokens": 100, "completion_tokens": 20, "prompt_cache_hit_tokens": 80}), Some(228.0)),
        (json!({"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 80}}), Some(228.0)),
        (Value::Null, None),
        (json!({"total_tokens": 120}), None),
        (json!({"prompt_tokens": 100, "completion_tokens": 0}), None),
        (json!({"prompt_tokens": u64::MAX, "completion_tokens": 20}), None),
        (json!({"prompt_tokens": 5_000_000, "completion_tokens": 20}), None),
        (json!({"prompt_tokens": 100, "completion_tokens": i64::MAX}), None),
        (json!({"prompt_tokens": -100, "completion_tokens": 20}), None),
    ];
    let (workspace, server) = run(cases.iter().map(|(usage, _)| usage.clone()).collect(), &[]);
    let finished = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), cases.len());
    for (row, (usage, micro_usd)) in finished.jsonl("echo").iter().zip(&cases) {
        let cost = row["calls"][0]["cost_usd"].as_f64().map(|usd| (usd * 1e9).round() / 1e3);
        assert_eq!(cost, *micro_usd, "{usage}: {row}");
    }
    // A repeated run has nothing to send, and the store is sound.
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
    assert_eq!(server.requests(), cases.len());
}

#[test]
fn the_cap_holds_whatever_usage_a_server_reports() {
    let unbelievable = [
        json!({"prompt_tokens": u64::MAX, "completion_tokens": 1}),
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!({"prompt_tokens": null, "completion_tokens": null}),
        // More output than allowed raises the maximum cost of later requests.
        json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 3120}),
    ];
    for usage in unbelievable {
        let (workspace, server) =
            run(vec![usage.clone(); 60], &[("llm.preflight", "true"), ("llm.concurrency", "8"), ("budget.max_usd", "0.1")]);
        workspace.run(["--job", "echo.toml"]).exits(4);
        assert!((1..60).contains(&server.requests()), "{usage}: {} requests", server.requests());
        let billed = 100e-6 + 3020.0 * 10e-6;
        assert!(!usage.to_string().contains("3120") || billed * server.requests() as f64 <= 0.1, "{usage}: {} requests", server.requests());
    }
}
