//! Situations of runs, and the expected sentences.

use super::tests::{run, stage};
use super::*;
use std::collections::BTreeMap;

/// Measurements and the expected result.
struct Case {
    name: &'static str,
    run: Situation,
    /// The expected bottleneck.
    limit: Option<Limit>,
    /// The expected setting.
    key: Option<&'static str>,
    /// Words that the sentence contains.
    says: &'static str,
    /// Words that the sentence must not contain.
    never: &'static [&'static str],
}

/// A run of 10 s without a busy stage.
fn idle() -> Situation {
    let mut idle = run();
    idle.stages[2] = stage("ask", 32, 0.2);
    idle
}

fn with_ask(ask: StageUse) -> Situation {
    let mut run = idle();
    run.stages[2] = ask;
    run
}

/// A run with requests in flight for a share of the time. `held` lists the reasons that held
/// requests back, with their shares.
fn held(busy: f64, held: &[(WaitReason, f64)]) -> Situation {
    with_ask(StageUse { held: held.iter().copied().collect(), waiting: 0.0, ..stage("ask", 32, busy) })
}

fn stage_at(place: usize, name: &'static str, slots: usize, busy: f64) -> Situation {
    let mut run = idle();
    run.stages[place] = stage(name, slots, busy);
    run
}

fn rate(known: Known, used: f64) -> Vec<Rate> {
    vec![Rate { meter: WaitReason::Requests, known, per_second: 100.0, burst: 10.0, used }]
}

fn tail(mut tail: Tail) -> Situation {
    tail.document.push_str("slow.txt");
    Situation { tail: Some(tail), ..idle() }
}

/// A document that was alone for 8 s, with one request.
const SLOW: Tail =
    Tail { document: String::new(), alone_s: 8.0, request_s: 8.1, work_s: 8.1, retried: false, others_s: 0.2, answer_ratio: 1.0 };

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let case = |name, run, limit, key, says, never| Case { name, run, limit, key, says, never };
    let requests = Some(Limit::Held(WaitReason::Requests));
    vec![
        case("all places taken", run(), Some(Limit::Concurrency), Some("llm.concurrency"), "raise llm.concurrency 10 -> 80", &[]),
        case(
            "all places taken, and a limit would bind soon that was never waited for",
            Situation { rates: rate(Known::Declared, 500.0), latency_s: 0.05, ..run() },
            Some(Limit::Concurrency),
            Some("llm.concurrency"),
            "then the limit of requests a minute binds",
            &["10 -> 80"],
        ),
        case(
            "all places taken on a server that works on one request after another",
            Situation { latency_s: 0.1, lone_s: 0.01, ..run() },
            Some(Limit::Concurrency),
            None,
            "more would only queue there",
            &["raise"],
        ),
        case(
            "all places taken, while the server has refused now and then",
            with_ask(StageUse { held: BTreeMap::from([(WaitReason::Refusal, 0.3)]), ..stage("ask", 10, 0.65) }),
            Some(Limit::Concurrency),
            None,
            "in flight 65 %",
            &["raise"],
        ),
        case(
            "a long wait that the server has asked for",
            held(0.35, &[(WaitReason::Refusal, 0.6)]),
            Some(Limit::Held(WaitReason::Refusal)),
            None,
            "refusals by the server: requests were held back 60 %",
            &["llm.", "account"],
        ),
        case(
            "the server was away, and everything waited for it",
            Situation { silent_s: 7.0, retries: 12, ..with_ask(stage("ask", 10, 0.9)) },
            Some(Limit::Server),
            None,
            "no response arrived for 7.0 s in all while calls waited for one, 70 % of the time, 12 requests were retried",
            &["llm.", "slow document"],
        ),
        case(
            "the server was away at the end, and the last document was repeated until it came back",
            Situation { silent_s: 7.5, retries: 3, ..tail(Tail { retried: true, request_s: 2.7, ..SLOW }) },
            Some(Limit::Server),
            None,
            "3 requests were retried",
            &["slow document", "slow.txt", "llm.hedge"],
        ),
        case("one slow answer", tail(SLOW), Some(Limit::Straggler), Some("llm.hedge"), "slow.txt took 8.0 s longer", &["account"]),
        case(
            "one slow answer, that was asked for once more",
            Situation { hedge: true, ..tail(SLOW) },
            Some(Limit::Straggler),
            None,
            "slow.txt",
            &["llm.hedge"],
        ),
        case(
            "one slow answer, that is so much longer",
            tail(Tail { answer_ratio: 60.0, ..SLOW }),
            Some(Limit::Straggler),
            None,
            "slow.txt",
            &["llm.hedge"],
        ),
        case(
            "one document with many calls",
            tail(Tail { request_s: 0.2, work_s: 8.0, ..SLOW }),
            Some(Limit::Straggler),
            None,
            "slow.txt",
            &["llm.hedge"],
        ),
        case("one slow answer among others that were as slow", tail(Tail { others_s: 7.5, ..SLOW }), None, None, "", &[]),
        case("the last document was repeated", tail(Tail { retried: true, ..SLOW }), None, None, "", &[]),
        case("the last document waited in line", tail(Tail { request_s: 0.2, work_s: 0.2, ..SLOW }), None, None, "", &[]),
        case(
            "a limit that the settings state",
            Situation { rates: rate(Known::Set(6000), 990.0), ..held(0.25, &[(WaitReason::Requests, 0.7)]) },
            requests,
            Some("llm.limits.requests_per_minute"),
            "llm.limits.requests_per_minute = 6000 was used 98 %; more concurrency does not help, 10 is enough; if the server allows it",
            &["account"],
        ),
        case(
            "a limit that the provider tells",
            Situation { rates: rate(Known::Declared, 990.0), ..held(0.25, &[(WaitReason::Requests, 0.7)]) },
            requests,
            None,
            "98 % of the 6000 that the server declares was used",
            &["llm.", "raise"],
        ),
        case(
            "a limit that refusals have shown",
            Situation { rates: rate(Known::Measured, 990.0), ..held(0.25, &[(WaitReason::Requests, 0.7)]) },
            requests,
            None,
            "refuses more than about 6000",
            &["llm.", "account", "raise"],
        ),
        case(
            "a limit of another run",
            Situation { rates: rate(Known::SetElsewhere, 990.0), ..held(0.25, &[(WaitReason::Requests, 0.7)]) },
            requests,
            None,
            "another run",
            &["llm.", "raise"],
        ),
        case(
            "a limit that is known and far away",
            Situation { rates: rate(Known::Declared, 100.0), ..run() },
            Some(Limit::Concurrency),
            Some("llm.concurrency"),
            "raise",
            &["requests a minute", "account"],
        ),
        case(
            "an overloaded server without limits",
            held(0.2, &[(WaitReason::Overload, 0.75)]),
            Some(Limit::Held(WaitReason::Overload)),
            None,
            "overload: requests were held back 75 %",
            &["llm.", "account", "limit"],
        ),
        case(
            "a careful beginning",
            held(0.2, &[(WaitReason::SlowStart, 0.75)]),
            Some(Limit::Held(WaitReason::SlowStart)),
            None,
            "slow start",
            &["account", "raise"],
        ),
        case(
            "a careful beginning, in which the server said nothing",
            Situation { silent_s: 7.0, ..held(0.03, &[(WaitReason::SlowStart, 0.75)]) },
            Some(Limit::Server),
            None,
            "the server: no response",
            &["slow start"],
        ),
        case(
            "paused by a user",
            held(0.1, &[(WaitReason::Pause, 0.85)]),
            Some(Limit::Held(WaitReason::Pause)),
            None,
            "the pause",
            &["llm."],
        ),
        case("a cap on money", held(0.1, &[(WaitReason::Budget, 0.85)]), Some(Limit::Held(WaitReason::Budget)), None, "budget", &["llm."]),
        case("slow readers", stage_at(0, "read", 16, 0.95), Some(Limit::Reading), Some("read.concurrency"), "16 readers", &["disk"]),
        case(
            "readers that wait for a processor",
            Situation { cpu_s: 36.0, ..stage_at(0, "read", 16, 0.95) },
            Some(Limit::Cores),
            None,
            "all 4 were busy",
            &["read", "disk"],
        ),
        case("reading is not what takes the time", stage_at(0, "read", 16, 0.3), None, None, "", &[]),
        case("slow workers", stage_at(1, "prepare", 1, 0.95), Some(Limit::Preparation), Some("prepare.workers"), "1 -> 4", &[]),
        case("as many workers as cores", stage_at(1, "prepare", 4, 0.95), Some(Limit::Preparation), None, "all 4 cores", &["images"]),
        case(
            "commits to a slow disk",
            Situation { on_disk: true, commit_ms: 12.0, ..stage_at(3, "commit", 1, 0.9) },
            Some(Limit::Commits),
            None,
            "a faster disk would help",
            &[],
        ),
        case(
            "commits that wait for a processor",
            Situation { on_disk: true, commit_ms: 12.0, cpu_s: 24.0, ..stage_at(3, "commit", 1, 0.9) },
            Some(Limit::Commits),
            None,
            "they took 90 %",
            &["disk"],
        ),
        case(
            "commits to memory",
            Situation { on_disk: false, commit_ms: 12.0, ..stage_at(3, "commit", 1, 0.9) },
            Some(Limit::Commits),
            None,
            "they took 90 %",
            &["disk"],
        ),
        case(
            "many commits to a fast disk",
            Situation { on_disk: true, commit_ms: 0.3, ..stage_at(3, "commit", 1, 0.9) },
            Some(Limit::Commits),
            None,
            "they took 90 %",
            &["disk"],
        ),
        case(
            "commits are the largest of little",
            Situation { on_disk: true, commit_ms: 12.0, ..stage_at(3, "commit", 1, 0.4) },
            None,
            None,
            "",
            &[],
        ),
        case(
            "documents have no place, as the settings say",
            Situation { window: Some(2), ..with_ask(StageUse { blocked: 0.9, waiting: 0.0, ..stage("ask", 32, 0.06) }) },
            Some(Limit::Documents),
            Some("llm.documents"),
            "raise llm.documents 2",
            &[],
        ),
        case(
            "documents have no place, and no setting says so",
            with_ask(StageUse { blocked: 0.9, ..stage("ask", 32, 0.06) }),
            None,
            None,
            "",
            &[],
        ),
        case(
            "few documents",
            Situation { chain_s: 9.5, ..with_ask(stage("ask", 1000, 0.01)) },
            Some(Limit::Latency),
            None,
            "at least 9.5 s",
            &["llm."],
        ),
        case("settings were changed meanwhile", Situation { changed: true, ..run() }, None, None, "", &[]),
        case("nothing was sent", Situation { requests: 0, ..run() }, None, None, "", &[]),
        case("over at once", Situation { wall_s: 0.3, ..run() }, None, None, "", &[]),
    ]
}

#[test]
fn every_situation_yields_the_expected_sentence() {
    for Case { name, run, limit, key, says, never } in cases() {
        let found = run.bottleneck();
        let sentence = found.as_ref().map_or("", |found| found.sentence.as_str());
        assert_eq!(found.as_ref().map(|found| found.limit), limit, "{name}: {sentence}");
        let advised = found.as_ref().and_then(|found| found.change.as_ref()).map(|change| change.key);
        assert_eq!(advised, key, "{name}: {sentence}");
        assert!(sentence.contains(says), "{name}: no {says:?} in {sentence:?}");
        for words in never {
            assert!(!sentence.contains(words), "{name}: {words:?} in {sentence:?}");
        }
    }
}
