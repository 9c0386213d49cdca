//! Processes that share the limits of an account.

use super::super::ending::Refusal;
use super::super::need::Need;
use super::*;
use crate::ask::dialect::{Dialect, LimitKind};
use crate::ask::settings::{LimitSettings, SlowStart};
use std::fs::File;

const NAME: &str = "account";

/// A hundred requests a second, and ten at once.
fn given() -> ConfiguredLimits {
    let settings = LimitSettings {
        requests_per_minute: 6000,
        input_tokens_per_minute: 0,
        output_tokens_per_minute: 0,
        tokens_per_minute: 0,
        burst_s: 0.1,
        slow_start: SlowStart::Off,
    };
    ConfiguredLimits::new(&settings, false)
}

fn stores(directory: &tempfile::TempDir) -> [FileStore; 3] {
    [(); 3].map(|()| FileStore::without_thread(Limits::new(&given(), 0.0), directory.path(), NAME, 0.0).unwrap())
}

fn wanted() -> Wanted {
    let need = Need { input: 10.0, images: 0.0, output: 5.0, max_output: 10.0, dialect: Dialect::ANTHROPIC };
    Wanted { need, in_flight: 0.0, given: given() }
}

fn line(requests: u8) -> Line {
    let Wanted { need, in_flight, given } = wanted();
    Line { needs: vec![need; requests.into()], places: requests.into(), in_flight, given, turn: Arc::default() }
}

/// Sends the first request of a line.
fn try_send(store: &FileStore, requests: u8, now: f64) -> Result<Taken, Wait> {
    match store.take(&wanted(), now) {
        Err(Wait::Lease) => store.lease(line(requests), now),
        result => return result,
    }
    store.take(&wanted(), now)
}

/// Sends a request, and returns how many the account has sent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
fn send(store: &FileStore, now: f64) -> u64 {
    try_send(store, 1, now).unwrap().sent.of(LimitKind::Requests).round() as u64
}

/// How many requests can be sent at this time.
fn sent_at(store: &FileStore, now: f64) -> usize {
    std::iter::from_fn(|| try_send(store, 1, now).ok()).take(1000).count()
}

#[test]
fn a_process_that_is_stopped_with_the_lock_stops_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, _] = stores(&directory);
    assert_eq!([send(&one, 1.0), send(&other, 1.1), send(&one, 1.2)], [1, 2, 3]);

    let stopped = File::open(directory.path().join(NAME)).unwrap();
    stopped.lock().unwrap();
    // Each counts for itself.
    assert_eq!([send(&one, 2.0), send(&other, 2.1)], [4, 3]);
    // The first goes on in a new file, and the other one adds there what it has sent.
    assert_eq!([send(&one, 3.1), send(&other, 3.2), send(&one, 3.3)], [5, 7, 8]);
    drop(stopped);
    assert_eq!([send(&other, 3.4), send(&one, 3.5)], [9, 10]);
}

#[test]
fn what_was_sent_while_another_process_had_the_lock_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, _] = stores(&directory);
    send(&one, 1.0);
    let holder = File::open(directory.path().join(NAME)).unwrap();
    holder.lock().unwrap();
    send(&one, 2.0);
    holder.unlock().unwrap();
    assert_eq!([send(&other, 2.1), send(&one, 2.2), send(&other, 2.3)], [2, 4, 5]);
}

#[test]
fn all_leases_together_keep_to_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, third] = stores(&directory);
    try_send(&one, 7, 1.0).unwrap();
    // Ten at once, of which one process has leased seven and used one.
    assert_eq!((sent_at(&other, 1.0), sent_at(&third, 1.0), sent_at(&one, 1.0)), (3, 0, 6));
}

#[test]
fn an_expired_lease_is_not_used_and_costs_others_only_its_slice() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, third] = stores(&directory);
    try_send(&one, 10, 1.0).unwrap();
    // The process is stopped, and its amounts flow in again for others.
    assert_eq!((sent_at(&other, 1.0), sent_at(&other, 3.0)), (0, 10));
    assert_eq!((sent_at(&one, 3.0), sent_at(&third, 3.0)), (0, 0));
}

#[test]
fn a_lease_includes_what_flows_in_within_a_slice() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, _] = stores(&directory);
    assert_eq!(sent_at(&one, 1.0), 10);
    let sends_at = |store: &FileStore, now| match try_send(store, 9, now) {
        Ok(taken) => taken.sent_at(),
        Err(Wait::Until(at, _)) => at,
        Err(wait) => panic!("{wait:?}"),
    };
    let at = |store: &FileStore, now| (100.0 * sends_at(store, now)).round();
    // One at once and three in the 30 ms after it. Then it is the turn of any process.
    assert_eq!((at(&one, 1.0135), at(&one, 1.0135), at(&one, 1.0203), at(&one, 1.0203)), (101.0, 102.0, 102.0, 103.0));
    assert_eq!((at(&other, 1.0203), at(&one, 1.0304), at(&one, 1.0402)), (105.0, 103.0, 104.0));
}

#[test]
fn nothing_is_leased_before_the_first_request_may_go() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, third] = stores(&directory);
    assert_eq!(sent_at(&one, 1.0), 10);
    let [others, thirds] = [other, third].map(|store| try_send(&store, 5, 1.005));
    assert!(matches!(others, Err(Wait::Until(at, _)) if (1.01..1.0131).contains(&at)), "{others:?}");
    assert!(matches!(thirds, Err(Wait::Until(at, _)) if (1.01..1.0131).contains(&at)), "{thirds:?}");
}

#[test]
fn a_run_that_waits_for_its_own_request_does_not_hold_up_another_run() {
    let directory = tempfile::tempdir().unwrap();
    let settings = LimitSettings {
        requests_per_minute: 0,
        input_tokens_per_minute: 0,
        output_tokens_per_minute: 0,
        tokens_per_minute: 0,
        burst_s: 1.0,
        slow_start: SlowStart::On,
    };
    let given = ConfiguredLimits::new(&settings, true);
    let store = FileStore::without_thread(Limits::new(&given, 0.0), directory.path(), NAME, 0.0).unwrap();
    let send = |in_flight: f64| {
        let wanted = Wanted { in_flight, given, ..wanted() };
        store.lease(Line { in_flight, given, ..line(1) }, 1.0);
        store.take(&wanted, 1.0)
    };
    // The first run starts slowly: its second request waits for the answer to its first one.
    assert!(send(0.0).is_ok());
    assert_eq!(send(1.0), Err(Wait::Place(WaitReason::SlowStart)));
    // The other run has no request whose end could wake it, so it must ask for itself.
    assert_eq!(store.take(&Wanted { in_flight: 0.0, given, ..wanted() }, 1.0), Err(Wait::Lease));
    assert!(send(0.0).is_ok());
}

#[test]
fn a_refusal_or_a_change_of_the_settings_ends_the_lease() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other, _] = stores(&directory);
    let taken = try_send(&one, 4, 1.0).unwrap();
    one.configure(Some(&given()), Some(&given()), 1.0);
    assert_eq!(one.take(&wanted(), 1.0), Err(Wait::Lease));

    try_send(&one, 4, 1.0).unwrap();
    let refusal = Refusal { pressure: Pressure::Rate, meter: None, wait: Duration::from_secs(2), named: true };
    let report =
        Report { taken, usage: None, refused: Some(refusal), rate_limits: Vec::new(), in_flight: 2.0, others_wait: true, given: given() };
    one.report(report, 1.5);
    for store in [&one, &other] {
        assert!(matches!(try_send(store, 1, 1.6), Err(Wait::Until(at, _)) if at >= 3.5));
    }
}

#[tokio::test]
async fn no_async_worker_waits_for_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(Limits::new(&given(), 0.0), directory.path(), NAME, 0.0).unwrap();
    let holder = store.shared.file.lock();
    let line = line(2);
    let turn = Arc::clone(&line.turn);
    assert_eq!(store.take(&wanted(), 1.0), Err(Wait::Lease));
    store.lease(line, 1.0);
    store.configure(None, Some(&given()), 1.0);
    assert!(store.known(1.0).opens_at() < 1.0);
    drop(holder);
    turn.notified().await;
    let taken = [(); 2].map(|()| store.take(&wanted(), 1.0));
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
}

#[test]
fn the_last_change_is_in_the_file_when_the_store_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(Limits::new(&given(), 0.0), directory.path(), NAME, 0.0).unwrap();
    store.configure(None, Some(&given()), 1.0);
    store.configure(Some(&given()), None, 1.0);
    drop(store);
    let [other, ..] = stores(&directory);
    assert!(other.known(1.0).by_meter.iter().all(Option::is_none));
}
