//! Histories in virtual time, with slow and lost messages, dead processes and restarts of the service.

#![allow(clippy::unwrap_used)]

use super::account::{Account, AccountLimits, TERM_S, WINDOW};
use super::ledger::Ledger;
use super::purse::{Purse, Record};
use crate::ask::lease::{Grant, LeaseRequest, PerLimit, Rates, Spending};
use crate::model::Money;
use fastrand::Rng;
use std::collections::BTreeMap;

/// Sixty requests a second, 40 in flight.
const LIMITS: AccountLimits = AccountLimits { per_minute: [3600.0, 0.0, 0.0, 0.0], in_flight: 40, nodes: 0, slow_start: false };
const STEP_S: f64 = 0.05;

fn usd(usd: f64) -> Money {
    Money::from_usd(usd)
}

/// A process that always has more requests.
#[derive(Debug, Clone)]
struct Process {
    name: String,
    store: String,
    number: u64,
    lease: Rates,
    until: f64,
    used: f64,
    granted: Money,
    next_at: f64,
}

/// A message on its way. It arrives at the service, then its reply at the process.
enum Travelling {
    Request { sent: f64, request: LeaseRequest },
    Reply { node: String, sent: f64, number: u64, rates: Rates, grant: Grant },
}

struct World {
    rng: Rng,
    now: f64,
    cap: Money,
    account: Account,
    purse: Purse,
    /// What is durable.
    ledger: BTreeMap<String, Record>,
    learns_until: f64,
    processes: Vec<Process>,
    started: usize,
    /// What was spent in each store.
    stores: BTreeMap<String, Money>,
    travelling: Vec<(f64, Travelling)>,
    most: f64,
}

impl World {
    fn new(seed: u64, cap: Money) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            now: 0.0,
            cap,
            account: Account::new("model".to_owned(), &LIMITS, 0.0),
            purse: Purse::new(Some(cap), Money::ZERO, Vec::new(), 0.0),
            ledger: BTreeMap::new(),
            learns_until: 0.0,
            processes: Vec::new(),
            started: 0,
            stores: BTreeMap::new(),
            travelling: Vec::new(),
            most: 0.0,
        }
    }

    fn start(&mut self) {
        // On a new store, or on that of a process that has died.
        let free: Vec<String> =
            self.stores.keys().filter(|store| self.processes.iter().all(|process| process.store != **store)).cloned().collect();
        let store = self.rng.choice(&free).filter(|_| self.started.is_multiple_of(2)).cloned().unwrap_or(format!("store {}", self.started));
        let granted = *self.stores.entry(store.clone()).or_default();
        let (name, next_at) = (format!("process {}", self.started), self.now);
        let (lease, until) = (Rates::default(), 0.0);
        self.processes.push(Process { name, store, number: 0, lease, until, used: 0.0, granted, next_at });
        self.started += 1;
    }

    fn restart_service(&mut self) {
        self.account = Account::new("model".to_owned(), &LIMITS, self.now);
        self.purse = Purse::new(Some(self.cap), Money::ZERO, self.ledger.values().cloned().collect(), self.now);
        self.learns_until = self.now + TERM_S;
    }

    fn step(&mut self, ends: bool) {
        self.now += STEP_S;
        let now = self.now;
        for process in &mut self.processes {
            let spent = self.stores.get_mut(&process.store).unwrap();
            if process.until > now {
                process.used += process.lease.per_second[0].unwrap_or(0.0) * STEP_S;
            }
            let more = usd(0.01 * self.rng.f64());
            if !ends && *spent + more <= process.granted {
                *spent += more;
            }
            if process.next_at <= now {
                process.next_at = now + 1.0;
                let held_s = (process.until - now).max(0.0);
                let needs = *spent + usd(0.02);
                let (wants, ended) = (*spent + usd(0.05 + 0.1 * self.rng.f64()), ends);
                let spending = Spending { id: process.store.clone(), spent: *spent, needs, wants, ended, settled: Vec::new() };
                let request = LeaseRequest {
                    node: process.name.clone(),
                    lease: process.number,
                    held: if held_s > 0.0 { process.lease } else { Rates::default() },
                    held_s,
                    waits: true,
                    used: [process.used, 0.0, 0.0, 0.0],
                    in_flight: if held_s > 0.0 { process.lease.in_flight.unwrap_or(0) } else { 0 },
                    spenders: vec![spending],
                    ..LeaseRequest::default()
                };
                let arrives = now + 0.4 * self.rng.f64();
                self.travelling.push((arrives, Travelling::Request { sent: now, request }));
            }
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.travelling).into_iter().partition(|(at, _)| *at <= now);
        self.travelling = later;
        for (_, message) in due {
            self.deliver(message);
        }
        self.check();
    }

    fn deliver(&mut self, message: Travelling) {
        let now = self.now;
        match message {
            Travelling::Request { .. } if self.rng.f64() < 0.05 => {}
            Travelling::Request { sent, request } => {
                let (number, rates) = self.account.lease(&LIMITS, &request, now < self.learns_until, now);
                let mut changed = Vec::new();
                let grant = self.purse.ask(&request.node, &request.spenders[0], now, &mut changed);
                self.ledger.extend(changed.into_iter().map(|record| (record.id.clone(), record)));
                if self.rng.f64() > 0.05 {
                    let arrives = now + 0.4 * self.rng.f64();
                    self.travelling.push((arrives, Travelling::Reply { node: request.node, sent, number, rates, grant }));
                }
            }
            Travelling::Reply { node, sent, number, rates, grant } => {
                // A process has one exchange at a time, so an older reply never follows a newer one.
                if let Some(process) = self.processes.iter_mut().find(|process| process.name == node).filter(|own| number > own.number) {
                    (process.number, process.lease, process.until) = (number, rates, sent + TERM_S);
                    process.granted = process.granted.max(grant.granted.unwrap());
                }
            }
        }
    }

    fn check(&mut self) {
        let in_force = || self.processes.iter().filter(|process| process.until > self.now);
        let rate: f64 = in_force().map(|process| process.lease.per_second[0].unwrap()).sum();
        let places: u32 = in_force().map(|process| process.lease.in_flight.unwrap()).sum();
        assert!(rate <= 60.0 + 1e-6 && places <= 40, "{rate} a second, {places} in flight at {}", self.now);
        let spent: Money = self.stores.values().copied().sum();
        assert!(spent <= self.cap, "{spent} spent of {}", self.cap);
        self.most = self.most.max(rate);
    }
}

#[test]
fn leases_and_grants_stay_within_limits_and_cap_whatever_dies() {
    for seed in 0..300 {
        let mut world = World::new(seed, usd(5.0));
        (0..3).for_each(|_| world.start());
        for _ in 0..2000 {
            match world.rng.u32(0..400) {
                0 if world.processes.len() < 6 => world.start(),
                1 if world.processes.len() > 1 => drop(world.processes.swap_remove(0)),
                2 => world.restart_service(),
                _ => {}
            }
            world.step(false);
        }
        // All that is alive ends in order. Then the purse holds only what dead processes may have spent.
        for _ in 0..200 {
            world.step(true);
        }
        let spent: Money = world.stores.values().copied().sum();
        assert!(spent <= world.purse.status().granted && world.most > 40.0, "seed {seed}: {spent}, {}", world.most);
    }
}

fn request(node: &str, lease: u64, used: f64) -> LeaseRequest {
    LeaseRequest { node: node.to_owned(), lease, used: [used, 0.0, 0.0, 0.0], waits: true, ..LeaseRequest::default() }
}

/// Processes that use all that they get: number and rate of their leases, and the requests so far.
#[derive(Default)]
struct Fleet(BTreeMap<String, (u64, f64, f64)>);

impl Fleet {
    /// Requests per minute of some processes after they have refreshed their leases for some seconds.
    fn per_minute(&mut self, account: &mut Account, limits: &AccountLimits, names: &[&str], seconds: std::ops::Range<u32>) -> Vec<u32> {
        for second in seconds {
            for name in names {
                let known = self.0.entry((*name).to_owned()).or_default();
                let used = known.2 + known.1;
                let (number, rates) = account.lease(limits, &request(name, known.0, used), false, f64::from(second));
                *known = (number, rates.per_second[0].unwrap(), used);
                let window = rates.window_s / WINDOW;
                assert!((f64::from(rates.most.unwrap()) - window * known.1).abs() < 1e-6, "{rates:?}");
            }
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
        names.iter().map(|name| (60.0 * self.0[*name].1).round() as u32).collect()
    }
}

#[test]
fn a_process_that_joins_has_its_share_within_three_seconds_and_that_of_a_dead_one_is_free_after_five() {
    let limits = AccountLimits { in_flight: 0, ..LIMITS };
    let (mut account, mut fleet) = (Account::new("model".to_owned(), &limits, 0.0), Fleet::default());
    assert_eq!(fleet.per_minute(&mut account, &limits, &["a"], 0..2), [3600]);
    assert_eq!(fleet.per_minute(&mut account, &limits, &["a", "b", "c"], 2..6), [1200; 3]);
    // The third one is dead.
    assert_eq!(fleet.per_minute(&mut account, &limits, &["a", "b"], 6..10), [1200; 2]);
    assert_eq!(fleet.per_minute(&mut account, &limits, &["a", "b"], 10..13), [1800; 2]);
    // A process that says goodbye leaves its share at once.
    account.lease(&limits, &LeaseRequest { leaves: true, ..request("b", 0, 0.0) }, false, 13.0);
    assert_eq!(fleet.per_minute(&mut account, &limits, &["a"], 13..14), [3600]);
}

#[test]
fn processes_keep_their_shares_while_the_account_is_closed() {
    let limits = AccountLimits { in_flight: 0, ..LIMITS };
    let (mut account, mut fleet) = (Account::new("model".to_owned(), &limits, 0.0), Fleet::default());
    let names = ["a", "b", "c"];
    assert_eq!(fleet.per_minute(&mut account, &limits, &names, 0..6), [1200; 3]);
    let used = fleet.0["a"].2;
    account.lease(&limits, &LeaseRequest { closed_s: 3.0, ..request("a", fleet.0["a"].0, used) }, false, 5.1);
    // No process sends a request for three seconds.
    for second in 6..9 {
        for name in names {
            let known = fleet.0.get_mut(name).unwrap();
            let (number, rates) = account.lease(&limits, &request(name, known.0, known.2), false, f64::from(second));
            *known = (number, rates.per_second[0].unwrap(), known.2);
            assert_eq!(rates.most, Some(20), "{name} at {second} s");
        }
    }
}

#[test]
fn a_small_limit_is_divided_in_requests_per_minute() {
    let limits = AccountLimits { per_minute: [10.0, 0.0, 0.0, 0.0], ..AccountLimits::default() };
    let mut account = Account::new("model".to_owned(), &limits, 0.0);
    let shares = Fleet::default().per_minute(&mut account, &limits, &["a", "b", "c"], 0..6);
    assert_eq!(shares.iter().sum::<u32>(), 10, "{shares:?}");
    assert!(shares.iter().all(|share| *share >= 3), "{shares:?}");
}

#[test]
fn headers_refusals_and_growth_refusals_of_one_process_bind_all() {
    let limits = AccountLimits { in_flight: 0, nodes: 4, ..LIMITS };
    let mut account = Account::new("model".to_owned(), &limits, 0.0);
    assert_eq!(account.safe(&limits).unwrap().most, Some(15));
    let mut most = |request: &LeaseRequest, now| {
        let most = account.lease(&limits, request, false, now).1.most.unwrap();
        (most, account.closed_s(now).round() > 0.0)
    };
    // Headers declare less than the settings.
    let declared: PerLimit<f64> = [1800.0, 0.0, 0.0, 0.0];
    assert_eq!(most(&LeaseRequest { declared, ..request("a", 0, 0.0) }, 0.0), (30, false));
    assert_eq!(most(&LeaseRequest { closed_s: 3.0, ..request("a", 1, 60.0) }, 2.0), (30, true));
    assert_eq!(most(&request("b", 0, 0.0), 2.5), (0, true));
    account.lease(&limits, &LeaseRequest { leaves: true, ..request("b", 0, 0.0) }, false, 3.0);
    let mut most = |request: &LeaseRequest, now| account.lease(&limits, request, false, now).1.most.unwrap();
    assert_eq!(most(&request("a", 2, 150.0), 5.5), 30);
    assert_eq!(most(&LeaseRequest { ramps: 1, ..request("a", 3, 270.0) }, 9.0), 15);
    assert!((16..=30).contains(&most(&LeaseRequest { ramps: 1, ..request("a", 4, 345.0) }, 13.0)));
}

fn spending(spent: f64, needs: f64) -> Spending {
    let (spent, needs) = (usd(spent), usd(needs));
    Spending { id: "store".to_owned(), spent, needs, wants: needs, ..Spending::default() }
}

#[test]
fn money_of_a_dead_process_is_free_when_its_store_tells_what_was_spent() {
    let mut purse = Purse::new(Some(usd(1.0)), Money::ZERO, Vec::new(), 0.0);
    let mut ask = |node: &str, spending: &Spending, now| purse.ask(node, spending, now, &mut Vec::new());
    // What was spent before the service is not deducted.
    let first = ask("one", &spending(3.0, 3.9), 0.0);
    assert!(first.granted.unwrap() >= usd(3.9) && !first.refused);
    let other = Spending { id: "other".to_owned(), ..spending(0.0, 0.5) };
    assert!(ask("two", &other, 1.0).refused, "0.9 dollars were granted");
    // The process is killed, and a new one goes on with the store.
    let waits = ask("three", &spending(3.2, 3.3), 2.0);
    assert!(waits.waits && waits.granted == Some(usd(3.2)), "the process before may still be sending");
    assert!(ask("three", &spending(3.2, 3.3), 6.0).granted.unwrap() >= usd(3.3));
    assert!(!ask("two", &other, 6.0).refused, "0.2 dollars were spent in the store");
    let ended = Spending { ended: true, ..spending(3.25, 0.0) };
    assert_eq!(ask("three", &ended, 7.0).granted, Some(usd(3.25)));
    // A store that another machine has taken over.
    let settled = Spending { settled: vec![("other".to_owned(), usd(0.1))], id: "third".to_owned(), ..spending(0.0, 0.6) };
    assert!(ask("four", &settled, 8.0).granted.is_some());
    assert!(!ask("four", &settled, 12.0).refused, "0.35 of a dollar are spent");
    assert_eq!(purse.status().spent, usd(0.35));
}

#[test]
fn a_ledger_survives_a_kill_in_the_middle_of_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let record = |id: &str, granted, ended| {
        let (base, spent) = (usd(1.0), usd(1.5));
        Record { id: id.to_owned(), node: "node".to_owned(), base, granted: usd(granted), spent, ended }
    };
    let (mut ledger, kept) = Ledger::open(directory.path()).unwrap();
    assert!(!kept.is_old && kept.records.is_empty());
    assert!(Ledger::open(directory.path()).unwrap_err().contains("another budget service"));
    ledger.append(&[record("a", 2.0, false), record("b", 1.7, true), record("a", 3.0, false)]).unwrap();
    drop(ledger);
    let file = directory.path().join("ledger.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{{\"spender\":{{\"id\":\"c\"")).unwrap();
    for _ in 0..2 {
        let (_, kept) = Ledger::open(directory.path()).unwrap();
        assert_eq!((kept.earlier, kept.records, kept.is_old), (usd(0.7), vec![record("a", 3.0, false)], true));
    }
    std::fs::write(&file, "garbage\n").unwrap();
    assert!(Ledger::open(directory.path()).unwrap_err().contains("line 1"));
    // Without a whole line, nothing would count as spent.
    for damaged in ["", "garbage"] {
        std::fs::write(&file, damaged).unwrap();
        assert!(Ledger::open(directory.path()).unwrap_err().contains("no ledger"), "{damaged}");
    }
}

#[test]
fn a_ledger_that_is_written_anew_keeps_ended_runs_apart_until_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let record = |id: &str, granted, ended| {
        let (base, spent) = (usd(0.0), usd(0.5));
        Record { id: id.to_owned(), node: "node".to_owned(), base, granted: usd(granted), spent, ended }
    };
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[record("ended", 0.5, true)]).unwrap();
    // Enough lines that the file is written anew, several times.
    for step in 1..=40 {
        ledger.append(&[record("open", 0.1 * f64::from(step), false)]).unwrap();
    }
    // The run that had ended goes on. What it was granted counts once.
    ledger.append(&[record("ended", 0.75, true)]).unwrap();
    drop(ledger);
    let lines = std::fs::read_to_string(directory.path().join("ledger.jsonl")).unwrap().lines().count();
    assert!(lines < 20, "{lines} lines");
    let (_, kept) = Ledger::open(directory.path()).unwrap();
    assert_eq!((kept.earlier, kept.records), (usd(0.75), vec![record("open", 4.0, false)]));
}
