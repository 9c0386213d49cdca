//! The forms of a wait, and requests before its end.

use super::{anthropic, plain_schema, start, to_anthropic};
use crate::simulator::openai::go_duration;
use crate::simulator::scenario::Scenario;
use crate::simulator::wait::retry_hint;
use std::time::{Duration, SystemTime};

#[test]
fn rounding_never_shortens_a_wait() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_900);
    let cases = [
        ("seconds", 0.0, 1_200, Some("2"), Some(2_000)),
        ("seconds", 0.25, 1_200, Some("0.25"), Some(250)),
        ("ms", 0.0, 1_200, Some("1200"), Some(1_200)),
        ("ms", 2.5, 1_200, Some("2500"), Some(2_500)),
        // 0.9 + 1.2 seconds, rounded up.
        ("date", 0.0, 1_200, Some("Wed, 18 Nov 2026 11:06:43 GMT"), Some(2_100)),
        ("none", 0.0, 1_200, None, None),
    ];
    for (form, fixed, meant, header, wait) in cases {
        let scenario = Scenario::parse(&format!("retry_after = '{form}'\nretry_after_s = {fixed}")).unwrap();
        let told = retry_hint(scenario.retry_after, scenario.retry_after_s, Duration::from_millis(meant), now);
        assert_eq!(told.header.as_ref().map(|(_, value)| value.as_str()), header, "{form}");
        assert_eq!(told.wait, wait.map(Duration::from_millis), "{form}");
        let name = told.header.map(|(name, _)| name);
        assert_eq!(name, (form != "none").then_some(if form == "ms" { "retry-after-ms" } else { "retry-after" }));
    }
}

#[test]
fn durations_are_written_as_go_does() {
    let cases = [(0, "0s"), (120, "120ms"), (59_800, "59.8s"), (360_000, "6m0s"), (3_723_000, "1h2m3s")];
    for (millis, text) in cases {
        assert_eq!(go_duration(Duration::from_millis(millis)), text);
    }
    assert_eq!(go_duration(Duration::from_nanos(1)), "1ms");
}

#[tokio::test(start_paused = true)]
async fn requests_before_the_end_of_the_wait_are_early() {
    let simulator = start("requests_per_second = 2\nburst = 1\nretry_after = 'ms'\nretry_after_s = 0").await;
    let body = |index: usize| to_anthropic(&format!("Document {index}"), &plain_schema());
    assert_eq!(anthropic(&simulator, &body(0)).await.unwrap().status, 200);
    let refused = anthropic(&simulator, &body(1)).await.unwrap();
    assert_eq!(refused.status, 429);
    let wait = Duration::from_millis(refused.header("retry-after-ms").parse().unwrap());
    assert!(wait <= Duration::from_millis(500), "{wait:?}");
    assert_eq!((simulator.ledger().early, simulator.ledger().early_resends), (0, 0));
    // Another call before its end is early. The same call is also an early resend.
    assert_eq!(anthropic(&simulator, &body(2)).await.unwrap().status, 429);
    assert_eq!((simulator.ledger().early, simulator.ledger().early_resends), (1, 0));
    assert_eq!(anthropic(&simulator, &body(1)).await.unwrap().status, 429);
    assert_eq!((simulator.ledger().early, simulator.ledger().early_resends), (2, 1));
    tokio::time::advance(wait).await;
    assert_eq!(anthropic(&simulator, &body(1)).await.unwrap().status, 200);
    let totals = simulator.ledger();
    assert_eq!((totals.rate_limited, totals.early, totals.early_resends), (3, 2, 1));
}
