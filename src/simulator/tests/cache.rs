//! The prompt cache, as reported by the usage.

use super::{anthropic, bounded_schema, openai, plain_schema, start, to_anthropic, to_openai};
use crate::simulator::ask::{AskBuilder, Delivery, Form};
use crate::simulator::cache::Cache;
use crate::simulator::{CacheTerms, Simulator};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const CACHE: &str = "[cache]\nenabled = true\nmin_tokens = 100\n";

/// A call with a prefix of 4 + 500 tokens and a mark at its end.
fn shared(question: &str) -> Value {
    let mut body = to_anthropic("", &plain_schema());
    body["system"] = json!("You judge parts.");
    body["messages"][0]["content"] = json!([
        { "type": "text", "text": "page".repeat(500), "cache_control": { "type": "ephemeral" } },
        { "type": "text", "text": question },
    ]);
    body
}

/// Tokens uncached, read and written.
async fn split(simulator: &Simulator, body: &Value) -> (u64, u64, u64) {
    let seen = anthropic(simulator, body).await.unwrap();
    assert_eq!(seen.status, 200, "{}", seen.text);
    let usage = &seen.json()["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    (count("input_tokens"), count("cache_read_input_tokens"), count("cache_creation_input_tokens"))
}

#[tokio::test]
async fn a_prefix_is_written_once_and_read_by_others() {
    let simulator = start(CACHE).await;
    assert_eq!(split(&simulator, &shared("Steel?")).await, (2, 0, 504));
    assert_eq!(split(&simulator, &shared("Wood?")).await, (2, 504, 0));
    let longer = {
        let mut body = shared("Wood?");
        body["messages"][0]["content"][1]["cache_control"] = json!({ "type": "ephemeral" });
        body
    };
    assert_eq!(split(&simulator, &longer).await, (0, 504, 2), "only what is new is written");
    let totals = simulator.ledger();
    assert_eq!((totals.fresh_tokens, totals.cache_read_tokens, totals.cache_write_tokens), (4, 1008, 506));
}

#[tokio::test]
async fn everything_before_the_mark_decides_about_a_cache_hit() {
    let simulator = start(CACHE).await;
    split(&simulator, &shared("Steel?")).await;
    let other = |path: &str, value: Value| {
        let mut body = shared("Wood?");
        body[path] = value;
        body
    };
    let schema = json!({ "format": { "type": "json_schema", "schema": super::closed(&json!({ "f": { "type": "string" } })) } });
    let effort = json!({ "format": shared("")["output_config"]["format"], "effort": "low" });
    for body in [
        other("output_config", schema),
        other("output_config", effort),
        other("system", json!("You judge cars.")),
        other("model", json!("claude-sonnet-5-5")),
        other("thinking", json!({ "type": "adaptive" })),
    ] {
        let (_, read, written) = split(&simulator, &body).await;
        assert_eq!((read, written > 500), (0, true), "{body}");
    }
    assert_eq!(split(&simulator, &other("max_tokens", json!(900))).await.1, 504);
}

#[tokio::test]
async fn short_prefixes_and_disabled_caches_are_not_cached() {
    let none = start("").await;
    let large = start("[cache]\nenabled = true\nmin_tokens = 505").await;
    for simulator in [&none, &large] {
        for _ in 0..2 {
            assert_eq!(split(simulator, &shared("Steel?")).await, (506, 0, 0));
        }
    }
    let mut unmarked = shared("Steel?");
    unmarked["messages"][0]["content"][0]["cache_control"] = Value::Null;
    assert_eq!(split(&start(CACHE).await, &unmarked).await, (506, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_prefix_is_readable_from_the_first_byte_and_earlier_requests_write_too() {
    let simulator = start(&format!("latency_ms = 1000\n{CACHE}readable_after_ms = 500")).await;
    let after = async |millis: u64| {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        split(&simulator, &shared("Steel?")).await
    };
    let seen = tokio::join!(after(0), after(0), after(900), after(1400), after(1600));
    let written = (2, 0, 504);
    assert_eq!(seen, (written, written, written, written, (2, 504, 0)));
}

#[tokio::test(start_paused = true)]
async fn unused_prefixes_expire() {
    let simulator = start(&format!("{CACHE}ttl_s = 60")).await;
    let mut seen = Vec::new();
    for pause in [0, 50, 50, 50, 61] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        seen.push(split(&simulator, &shared("Steel?")).await);
    }
    let (written, read) = ((2, 0, 504), (2, 504, 0));
    assert_eq!(seen, [written, read, read, read, written], "each use keeps it for longer");
}

#[test]
fn the_most_recently_used_prefixes_are_kept() {
    let cache = Cache::new(&CacheTerms { enabled: true, min_tokens: 1, ..CacheTerms::default() });
    let now = Instant::now();
    let ask = |n: u64| {
        let mut ask = AskBuilder::new(n, "m", Form::Text, &[]);
        ask.text("user", "page");
        ask.mark();
        ask.finish(u64::MAX, Delivery::default())
    };
    let read = |n: u64| {
        let (tokens, written) = cache.look(&ask(n), now);
        cache.begin(&written, now);
        tokens.cache_read
    };
    assert_eq!(read(0), 0);
    for n in 1..200_000 {
        assert_eq!((read(n), read(0)), (0, 1), "{n}");
    }
    assert_eq!((read(1), read(199_999)), (0, 1));
    assert!(cache.kept() <= 1 << 16, "{}", cache.kept());
}

#[tokio::test]
async fn an_attempt_that_never_answers_writes_nothing() {
    let simulator = start(&format!("{CACHE}[[poison]]\nmarker = 'Steel'\nfault = 'server_error'")).await;
    assert_eq!(anthropic(&simulator, &shared("Steel?")).await.unwrap().status, 500);
    assert_eq!(split(&simulator, &shared("Wood?")).await, (2, 0, 504));
}

#[tokio::test]
async fn cache_reads_do_not_count_towards_the_input_limit() {
    let simulator = start(&format!("input_tokens_per_minute = 520\n{CACHE}")).await;
    for _ in 0..3 {
        split(&simulator, &shared("Steel?")).await;
    }
    let mut other = shared("Steel?");
    other["system"] = json!("You judge cars.");
    assert_eq!(anthropic(&simulator, &other).await.unwrap().status, 429);
    assert_eq!(split(&simulator, &shared("Wood?")).await, (2, 504, 0), "a refused request has neither written nor taken");
}

#[tokio::test]
async fn more_than_four_marks_are_refused() {
    let simulator = start("").await;
    let mut body = to_anthropic("", &plain_schema());
    let part = json!({ "type": "text", "text": "A part.", "cache_control": { "type": "ephemeral" } });
    body["messages"][0]["content"] = json!([part, part, part, part]);
    let seen = anthropic(&simulator, &body).await.unwrap();
    assert!(seen.status == 400 && seen.text.contains("Found 5"), "the system text is marked as well: {}", seen.text);
}

#[tokio::test]
async fn openai_caches_whole_prompts_unless_breakpoints_are_explicit() {
    let simulator = start(CACHE).await;
    let split = async |body: &Value| {
        let seen = openai(&simulator, body).await.unwrap();
        let usage = &seen.json()["usage"];
        let details = &usage["prompt_tokens_details"];
        let count = |value: &Value| value.as_u64().unwrap();
        (count(&usage["prompt_tokens"]), count(&details["cached_tokens"]), count(&details["cache_write_tokens"]))
    };
    let body = |question: &str, options: Value, mark: Value| {
        let mut body = to_openai("", &bounded_schema());
        body["prompt_cache_options"] = options;
        body["messages"][1]["content"] = json!([
            { "type": "text", "text": "page".repeat(500), "prompt_cache_breakpoint": mark },
            { "type": "text", "text": question },
        ]);
        body
    };
    let explicit = || json!({ "mode": "explicit" });
    assert_eq!(split(&body("Steel?", explicit(), json!(null))).await, (506, 0, 0));
    assert_eq!(split(&body("Steel?", json!(null), json!(null))).await, (506, 0, 506));
    assert_eq!(split(&body("Wood?", json!(null), json!(null))).await, (506, 0, 506));
    assert_eq!(split(&body("Steel?", json!(null), json!(null))).await, (506, 506, 0));
    assert_eq!(split(&body("Steel?", explicit(), explicit())).await, (506, 0, 504));
    assert_eq!(split(&body("Wood?", explicit(), explicit())).await, (506, 504, 0));
}
