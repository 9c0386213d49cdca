use super::change::round_up;
use super::*;
use std::collections::BTreeMap;

pub(super) fn stage(stage: &'static str, slots: usize, busy: f64) -> StageUse {
    StageUse { stage: stage.into(), done: 100, slots, busy, waiting: 1.0 - busy, blocked: 0.0, held: BTreeMap::new() }
}

/// A run of 10 s. All permits were in use for 9.5 s. Other stages took at most 1 s.
pub(super) fn run() -> Situation {
    Situation {
        wall_s: 10.0,
        documents: 100,
        requests: 1000,
        chain_s: 0.1,
        latency_s: 0.1,
        stages: vec![
            stage("read", 16, 0.01),
            stage("prepare", 1, 0.1),
            stage("ask", 10, 0.95),
            stage("commit", 1, 0.05),
            stage("write", 1, 0.02),
        ],
        cores: 4,
        cpu_s: 2.0,
        ..Situation::default()
    }
}

fn changed(found: &Bottleneck) -> (&str, &str, &str) {
    let change = found.change.as_ref().expect("a setting helps");
    (change.key, &change.from, &change.to)
}

#[test]
fn concurrency_is_raised_until_the_next_limit_binds() {
    let found = run().bottleneck().expect("it binds");
    assert_eq!(found.limit, Limit::Concurrency);
    assert_eq!(changed(&found), ("llm.concurrency", "10", "80"));
    let after = found.predicted_s.expect("predicted");
    // Thirteen waves take 0.1 s each. The time outside of them is 0.5 s.
    assert!((after - 1.8).abs() < 0.01, "{after}");
    assert!(found.sentence.contains("raise llm.concurrency 10 -> 80: about 5.6x (10.0 s -> 1.8 s)"), "{}", found.sentence);
}

#[test]
fn an_account_limit_is_named_with_the_sufficient_concurrency() {
    let mut run = run();
    run.stages[2] = StageUse { held: BTreeMap::from([(WaitReason::Requests, 0.7)]), ..stage("ask", 32, 0.25) };
    run.rates = vec![Rate { meter: WaitReason::Requests, known: Known::Set(6000), per_second: 100.0, burst: 10.0, used: 990.0 }];
    let found = run.bottleneck().expect("it binds");
    assert_eq!(found.limit, Limit::Held(WaitReason::Requests));
    assert_eq!(changed(&found), ("llm.limits.requests_per_minute", "6000", "12000"));
    assert!(found.sentence.contains("10 is enough"), "{}", found.sentence);
}

#[test]
fn a_limit_exhausted_by_an_earlier_run_is_named() {
    let mut run = run();
    run.stages[2] = StageUse { held: BTreeMap::from([(WaitReason::Requests, 0.7)]), ..stage("ask", 32, 0.25) };
    run.rates = vec![Rate { meter: WaitReason::Requests, known: Known::Declared, per_second: 100.0, burst: 3000.0, used: 990.0 }];
    assert_eq!(run.bottleneck().expect("it binds").limit, Limit::Held(WaitReason::Requests));
}

#[test]
fn slow_preparation_gets_at_most_all_cores() {
    let mut run = run();
    (run.stages[1], run.stages[2]) = (stage("prepare", 1, 0.97), stage("ask", 32, 0.2));
    let found = run.bottleneck().expect("it binds");
    assert_eq!(changed(&found), ("prepare.workers", "1", "4"));
    (run.stages[1].slots, run.cpu_s) = (4, 39.0);
    let found = run.bottleneck().expect("it binds");
    assert_eq!((found.limit, found.change), (Limit::Cores, None));
}

#[test]
fn a_straggler_is_named() {
    let mut run = run();
    run.stages[2] = stage("ask", 32, 0.2);
    run.tail = Some(Tail { document: "slow.txt".into(), alone_s: 8.0, request_s: 8.1, work_s: 8.1, others_s: 0.2, ..Tail::default() });
    let found = run.bottleneck().expect("it binds");
    assert_eq!(changed(&found), ("llm.hedge", "false", "true"));
    assert!(found.sentence.contains("slow.txt took 8.0 s longer"), "{}", found.sentence);
    // The others take 2 s. The hedge delay is 0.5 s, and a second answer takes 0.1 s. The slow
    // request began 0.1 s before the others ended.
    assert!((found.predicted_s.expect("predicted") - 2.5).abs() < 0.01);
}

#[test]
fn too_few_documents_yield_no_advice() {
    let mut run = run();
    (run.stages[2], run.chain_s, run.wall_s) = (stage("ask", 1000, 0.01), 1.9, 2.0);
    let found = run.bottleneck().expect("it binds");
    assert_eq!((found.limit, found.change), (Limit::Latency, None));
}

#[test]
fn runs_without_work_have_no_bottleneck() {
    assert_eq!(Situation { requests: 0, ..run() }.bottleneck(), None);
    assert_eq!(Situation::default().bottleneck(), None);
}

#[test]
fn suggested_numbers_are_round() {
    assert_eq!([1.0, 9.2, 41.0, 43.2, 128.0, 1001.0].map(round_up), [1, 10, 41, 44, 130, 1100]);
}

#[test]
fn no_setting_makes_a_run_shorter_than_its_longest_request() {
    let found = Situation { longest_s: 6.0, ..run() }.bottleneck().expect("it binds");
    assert_eq!((found.predicted_s, found.then), (Some(6.0), Some(Limit::Straggler)));
    assert_eq!(Situation { changed: true, ..run() }.bottleneck(), None);
}
