//! A process with leases, in virtual time.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::ask::dialect::Dialect;
use crate::ask::governor::need::Need;
use crate::ask::lease::Grant;
use crate::ask::settings::{LimitSettings, SlowStart};
use crate::model::Money;

fn given() -> ConfiguredLimits {
    let settings = LimitSettings {
        requests_per_minute: 0,
        input_tokens_per_minute: 0,
        output_tokens_per_minute: 0,
        tokens_per_minute: 0,
        burst_s: 1.0,
        slow_start: SlowStart::On,
    };
    ConfiguredLimits::new(&settings, true)
}

fn shared() -> Shared {
    let named = Named { account: "hash".to_owned(), label: "host model".to_owned() };
    Shared::new(Limits::new(&given(), 0.0), ("http://127.0.0.1:7077", Duration::from_mins(1)), named, 0.0)
}

fn wanted() -> Wanted {
    let need = Need { input: 10.0, images: 0.0, output: 5.0, max_output: 10.0, dialect: Dialect::ANTHROPIC };
    Wanted { need, in_flight: 0.0, given: given() }
}

fn ended(taken: Taken) -> Report {
    let (usage, refused, rate_limits) = (None, None, Vec::new());
    Report { taken, usage, refused, rate_limits, in_flight: 1.0, others_wait: false, given: given() }
}

/// Twenty requests a second.
fn reply(lease: u64, safe: Option<u32>) -> LeaseReply {
    let rates = |most: u32| Rates {
        per_second: [Some(f64::from(most)), None, None, None],
        burst: [2.0, 0.0, 0.0, 0.0],
        most: Some(most),
        window_s: 1.0,
        in_flight: Some(3),
    };
    LeaseReply { lease, term_s: 5.0, rates: rates(20), safe: safe.map(rates), closed_s: 0.0, grants: Vec::new() }
}

fn refresh(shared: &Shared, reply: &LeaseReply, now: f64) {
    let request = shared.request(now);
    shared.accept(&request, reply, now, now);
}

/// Requests that are sent within `seconds`, each of which ends at once.
fn sent(shared: &Shared, from: f64, seconds: f64) -> usize {
    let (mut now, mut sent) = (from, 0);
    while now < from + seconds {
        let taken = shared.state.lock().take(&wanted(), now);
        match taken {
            Ok(taken) => {
                sent += 1;
                shared.state.lock().report(&ended(taken), now);
            }
            Err(Wait::Until(at, _)) => now = at.max(now + 1e-6),
            Err(_) => return sent,
        }
    }
    sent
}

#[test]
fn a_process_keeps_within_its_lease_and_stops_when_it_has_expired() {
    let shared = shared();
    assert_eq!(shared.state.lock().take(&wanted(), 0.0), Err(Wait::Lease));
    refresh(&shared, &reply(1, None), 0.0);
    for second in 0..4 {
        let count = sent(&shared, f64::from(second), 1.0);
        assert!(count == 20, "{count} in second {second}");
    }
    assert_eq!(shared.state.lock().take(&wanted(), 5.0), Err(Wait::Lease));
    shared.failed(NoLease::Away("refused".to_owned()), 40.0);
    assert_eq!(shared.state.lock().take(&wanted(), 40.0), Err(Wait::Lease), "the service may come back");
    assert!(shared.state.lock().is_away);
    shared.failed(NoLease::Away("refused".to_owned()), 61.0);
    assert_eq!(shared.state.lock().take(&wanted(), 61.0), Err(Wait::Gone));
    assert!(shared.state.lock().lost.as_ref().unwrap().to_string().contains("run the same command again"));
    refresh(&shared, &reply(2, Some(5)), 62.0);
    assert!(!shared.state.lock().is_away);
    assert!(sent(&shared, 62.0, 1.0) >= 19);
    // The service is away, and there is a safe rate.
    shared.failed(NoLease::Away("refused".to_owned()), 130.0);
    assert_eq!(sent(&shared, 130.0, 1.0), 5);
}

#[test]
fn requests_in_flight_are_limited_and_counted_over_all_runs() {
    let shared = shared();
    refresh(&shared, &reply(1, None), 0.0);
    let taken: Vec<Taken> = [0.0, 0.1, 0.2].into_iter().map(|now| shared.state.lock().take(&wanted(), now).unwrap()).collect();
    assert_eq!(shared.state.lock().take(&wanted(), 0.3), Err(Wait::Lease));
    let request = shared.request(0.4);
    assert_eq!((request.in_flight, request.waits, request.lease, request.used[0]), (3, true, 1, 3.0));
    shared.state.lock().report(&ended(taken[0]), 0.5);
    shared.state.lock().take(&wanted(), 0.5).unwrap();
}

#[test]
fn a_run_waits_for_money_and_gives_the_rest_back() {
    let (shared, usd) = (shared(), Money::from_usd);
    let spender = shared.purse.join("store".to_owned(), usd(2.0), Vec::new());
    assert_eq!(shared.purse.room(&spender, usd(2.1)), Room::Asked);
    let request = shared.request(0.0);
    assert_eq!((request.spenders[0].spent, request.spenders[0].needs), (usd(2.0), usd(2.1)));
    let grant = |granted, refused| {
        let grants = vec![Grant { id: "store".to_owned(), granted: Some(usd(granted)), refused, waits: false }];
        LeaseReply { grants, ..reply(1, None) }
    };
    shared.accept(&request, &grant(2.5, false), 0.0, 0.0);
    assert_eq!(shared.purse.room(&spender, usd(2.5)), Room::Now);
    spender.note(usd(2.4), usd(0.1));
    assert_eq!(shared.purse.room(&spender, usd(2.6)), Room::Asked);
    let request = shared.request(1.0);
    shared.accept(&request, &grant(2.5, true), 1.0, 1.0);
    assert_eq!(shared.purse.room(&spender, usd(2.6)), Room::No);
    assert!(shared.purse.no_room(&spender, Some(usd(0.1))).contains("$2.40 spent"));
    // A smaller request may have room.
    assert_eq!(shared.purse.room(&spender, usd(2.55)), Room::Asked);
    spender.end();
    let request = shared.request(2.0);
    assert!(request.leaves && request.spenders[0].ended);
    shared.accept(&request, &grant(2.4, false), 2.0, 2.0);
    assert_eq!(shared.state.lock().take(&wanted(), 2.0), Err(Wait::Lease), "the lease was given back");
    assert!(shared.request(3.0).spenders.is_empty());
}
