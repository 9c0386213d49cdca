//! Limits: exact with injected instants, and as seen by clients.

use super::{anthropic, openai, plain_schema, start, to_anthropic, to_openai};
use crate::simulator::limits::{LimitKind, Limits, Refusal};
use crate::simulator::scenario::Scenario;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

fn limits(toml_text: &str, now: Instant) -> Limits {
    Limits::new(&Scenario::parse(toml_text).unwrap(), now)
}

fn requests(limits: &Limits, now: Instant) -> Result<(), Duration> {
    match limits.admit(&vec![(LimitKind::Requests, 1)], now).0 {
        Ok(_seat) => Ok(()),
        Err(Refusal::Limit { wait, .. }) => Err(wait),
        Err(Refusal::Seats) => panic!("there is no limit of seats"),
    }
}

fn take(limits: &Limits, meter: LimitKind, amount: u64, now: Instant) -> Result<(), (LimitKind, Duration)> {
    match limits.admit(&vec![(LimitKind::Requests, 1), (meter, amount)], now).0 {
        Ok(_seat) => Ok(()),
        Err(Refusal::Limit { meter, wait }) => Err((meter, wait)),
        Err(Refusal::Seats) => panic!("there is no limit of seats"),
    }
}

#[test]
fn a_request_passes_at_the_computed_nanosecond() {
    let start = Instant::now();
    for rate in ["20", "3", "0.7", "333.333"] {
        let limits = limits(&format!("requests_per_second = {rate}\nburst = 1"), start);
        let mut now = start;
        for _ in 0..50 {
            requests(&limits, now).unwrap();
            let wait = requests(&limits, now).unwrap_err();
            assert!(requests(&limits, now + wait - Duration::from_nanos(1)).is_err());
            now += wait;
        }
    }
    let limits = limits("requests_per_second = 20\nburst = 1", start);
    requests(&limits, start).unwrap();
    assert_eq!(requests(&limits, start), Err(Duration::from_millis(50)));
    let thirds = self::limits("requests_per_second = 3\nburst = 1", start);
    requests(&thirds, start).unwrap();
    assert_eq!(requests(&thirds, start), Err(Duration::from_nanos(333_333_334)), "rounded up");
}

#[test]
fn frequent_updates_do_not_change_the_level() {
    let start = Instant::now();
    let limits = limits("requests_per_second = 7\nburst = 3", start);
    let mut rng = fastrand::Rng::with_seed(4);
    let mut now = start;
    let mut passed = 0;
    let end = start + Duration::from_secs(30);
    while now < end {
        passed += u64::from(requests(&limits, now).is_ok());
        now += Duration::from_nanos(rng.u64(1..2_000_000));
    }
    // The last request was due at most one update before the end.
    passed += u64::from(requests(&limits, end).is_ok());
    assert_eq!(passed, 3 + 30 * 7);
}

#[test]
fn a_request_larger_than_the_bucket_passes_when_it_is_full() {
    let start = Instant::now();
    let limits = limits("input_tokens_per_minute = 6000\nburst_s = 10", start);
    take(&limits, LimitKind::Input, 1, start).unwrap();
    let wait = Duration::from_millis(10);
    assert_eq!(take(&limits, LimitKind::Input, 5000, start), Err((LimitKind::Input, wait)));
    take(&limits, LimitKind::Input, 5000, start + wait).unwrap();
    // 4000 tokens missing at 100 tokens a second.
    assert_eq!(take(&limits, LimitKind::Input, 1, start + wait), Err((LimitKind::Input, Duration::from_millis(40_010))));
}

#[test]
fn output_is_charged_once_it_is_produced() {
    let start = Instant::now();
    let limits = limits("output_tokens_per_minute = 600", start);
    take(&limits, LimitKind::Output, 0, start).unwrap();
    limits.produced(600, start);
    take(&limits, LimitKind::Output, 0, start).unwrap();
    limits.produced(40, start);
    assert_eq!(take(&limits, LimitKind::Output, 0, start), Err((LimitKind::Output, Duration::from_secs(4))));
    take(&limits, LimitKind::Output, 0, start + Duration::from_secs(4)).unwrap();
}

#[test]
fn a_request_takes_from_all_limits_or_not_at_all() {
    let start = Instant::now();
    let limits = limits("requests_per_second = 1\nburst = 2\ntokens_per_minute = 60\nburst_s = 60\nconcurrency = 1", start);
    assert!(limits.admit(&vec![(LimitKind::Requests, 1), (LimitKind::Tokens, 50)], start).0.is_ok());
    let (refused, states) = limits.admit(&vec![(LimitKind::Requests, 1), (LimitKind::Tokens, 20)], start);
    assert_eq!(refused.unwrap_err(), Refusal::Limit { meter: LimitKind::Tokens, wait: Duration::from_secs(10) });
    let left: Vec<_> = states.iter().map(|state| (state.meter, state.limit, state.remaining)).collect();
    assert_eq!(left, [(LimitKind::Requests, 60.0, 1), (LimitKind::Tokens, 60.0, 10)]);
    assert_eq!(states[1].reset, Duration::from_secs(50));
    // The refusal has the longest wait: 60 tokens need 50 s, although a request would pass.
    let _seat = limits.admit(&vec![(LimitKind::Requests, 1), (LimitKind::Tokens, 10)], start).0.unwrap();
    assert_eq!(take(&limits, LimitKind::Tokens, 60, start), Err((LimitKind::Tokens, Duration::from_mins(1))));
    // A request without a seat counts as a request, but uses no tokens.
    let later = start + Duration::from_mins(1);
    let (full, states) = limits.admit(&vec![(LimitKind::Requests, 1), (LimitKind::Tokens, 60)], later);
    assert_eq!(full.unwrap_err(), Refusal::Seats);
    assert_eq!((states[0].remaining, states[1].remaining), (1, 60));
}

#[test]
fn limits_change_after_so_many_requests() {
    let start = Instant::now();
    let limits = limits(
        "requests_per_second = 20\n\
         [[change]]\nafter_requests = 5\nrequests_per_second = 10\n\
         [[change]]\nafter_requests = 8\nrequests_per_second = 0\ntokens_per_minute = 60",
        start,
    );
    for _ in 0..5 {
        requests(&limits, start).unwrap();
    }
    let (passed, states) = limits.admit(&vec![(LimitKind::Requests, 1)], start);
    assert!(passed.is_ok());
    // 15 of 20 were left. The new capacity is 10, and one is used.
    assert_eq!((states[0].limit, states[0].remaining), (600.0, 9));
    assert_eq!(states[0].reset, Duration::from_millis(100));
    requests(&limits, start).unwrap();
    requests(&limits, start).unwrap();
    let (passed, states) = limits.admit(&vec![(LimitKind::Requests, 1), (LimitKind::Tokens, 60)], start);
    assert!(passed.is_ok());
    assert_eq!(states.len(), 1, "{states:?}");
    assert_eq!(take(&limits, LimitKind::Tokens, 1, start), Err((LimitKind::Tokens, Duration::from_secs(1))));
}

#[tokio::test(start_paused = true)]
async fn anthropic_counts_input_on_arrival_and_output_as_produced() {
    let simulator = start("requests_per_second = 50\ninput_tokens_per_minute = 60000\noutput_tokens_per_minute = 90").await;
    let body = to_anthropic(&"word ".repeat(2000), &plain_schema());
    let seen = anthropic(&simulator, &body).await.unwrap();
    assert_eq!(seen.status, 200);
    for meter in ["requests", "input-tokens", "output-tokens"] {
        let reset = seen.header(&format!("anthropic-ratelimit-{meter}-reset"));
        assert!(reset.parse::<jiff::Timestamp>().is_ok(), "{reset}");
    }
    assert!(httpdate::parse_http_date(seen.header("date")).is_ok());
    assert_eq!(seen.header("anthropic-ratelimit-requests-limit"), "3000");
    assert_eq!(seen.header("anthropic-ratelimit-input-tokens-limit"), "60000");
    // 2504 tokens are used; the remainder is rounded to thousands.
    assert_eq!(seen.header("anthropic-ratelimit-input-tokens-remaining"), "57000");
    let produced = seen.json()["usage"]["output_tokens"].as_u64().unwrap();
    assert!(produced > 90, "the answer alone is {produced}");
    let refused = anthropic(&simulator, &body).await.unwrap();
    assert_eq!(refused.status, 429);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("output tokens"), "{}", refused.text);
    assert_eq!(simulator.ledger().rate_limited, 1);
}

#[tokio::test(start_paused = true)]
async fn openai_reserves_the_output_limit_or_the_prompt() {
    let simulator = start("tokens_per_minute = 6000\nrequests_per_second = 10\nretry_after_s = 0").await;
    let mut body = to_openai("A document.", &super::bounded_schema());
    let seen = openai(&simulator, &body).await.unwrap();
    assert_eq!(seen.header("x-ratelimit-limit-tokens"), "6000");
    assert_eq!(seen.header("x-ratelimit-remaining-tokens"), "4000", "max_completion_tokens is reserved");
    assert_eq!(seen.header("x-ratelimit-reset-tokens"), "20s");
    assert_eq!(seen.header("x-ratelimit-remaining-requests"), "9");
    body["messages"][1]["content"] = json!("four".repeat(5000));
    let refused = openai(&simulator, &body).await.unwrap();
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (429, &json!("tokens")), "the prompt is longer than that");
    assert_eq!(refused.header("retry-after"), "11", "1004 tokens at 100 a second");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(openai(&simulator, &body).await.unwrap().status, 200);
}

#[tokio::test]
async fn headers_can_be_left_out() {
    let simulator = start("headers = false\nrequests_per_second = 0.001\nburst = 1\ninput_tokens_per_minute = 1000").await;
    let body = to_anthropic("A document.", &plain_schema());
    let statuses = [anthropic(&simulator, &body).await.unwrap(), anthropic(&simulator, &body).await.unwrap()].map(|seen| {
        assert!(seen.headers.keys().all(|name| !name.as_str().contains("ratelimit")), "{:?}", seen.headers);
        seen.status
    });
    assert_eq!(statuses, [200, 429]);
}
