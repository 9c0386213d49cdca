//! The choice of servers in virtual time, with servers that queue requests like real ones.

use super::choice::{Choice, Seat};
use super::health::{Health, Sign};
use crate::model::ServerState;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Notify;

/// A model server: requests beyond its slots wait in its queue.
#[derive(Debug, Clone, Copy)]
struct Machine {
    slots: usize,
    seconds: f64,
    /// Whether it is killed, and when it is back.
    killed: Option<(f64, f64)>,
}

impl Machine {
    fn is_down(&self, now: f64) -> bool {
        self.killed.is_some_and(|(from, to)| (from..to).contains(&now))
    }
}

/// A call in line or at a server.
#[derive(Debug)]
struct Call {
    seat: Seat,
    server: Option<(usize, f64)>,
}

/// A run of documents with several calls each over machines.
struct World {
    choice: Choice,
    machines: Vec<Machine>,
    calls: Vec<Call>,
    /// Calls of documents that have not begun: the document and its number of calls.
    to_come: Vec<(u64, usize)>,
    window: usize,
    now: f64,
    answered: Vec<u64>,
    /// Answered calls by document and server.
    at: BTreeMap<u64, BTreeMap<usize, u64>>,
    /// When each machine was last free to begin a request, by slot.
    slots: Vec<Vec<f64>>,
    /// Ends of requests: time, seat.
    ends: BTreeSet<(u64, Seat)>,
    lost: u64,
}

const MICRO: f64 = 1e6;

fn micros(at: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive")]
    let micros = (at * MICRO).round() as u64;
    micros
}

impl World {
    fn new(machines: &[Machine], servers: Vec<Health>, documents: u64, calls: usize, window: usize) -> Self {
        Self {
            choice: Choice::new(servers),
            machines: machines.to_vec(),
            calls: Vec::new(),
            to_come: (0..documents).rev().map(|document| (document, calls)).collect(),
            window,
            now: 0.0,
            answered: vec![0; machines.len()],
            at: BTreeMap::new(),
            slots: machines.iter().map(|machine| vec![0.0; machine.slots]).collect(),
            ends: BTreeSet::new(),
            lost: 0,
        }
    }

    /// Sends calls that have got a place.
    fn send(&mut self) {
        while self.calls.len() < self.window {
            let Some((document, calls)) = self.to_come.pop() else { break };
            for _ in 0..calls {
                self.enter(document, None);
            }
        }
        for call in &mut self.calls {
            let Some(server) = call.server.is_none().then(|| self.choice.take(call.seat)).flatten() else { continue };
            let open = self.choice.servers.iter().any(|other| !other.is_away());
            assert!(!open || !self.choice.servers[server].is_away(), "a request goes to a server that is away");
            assert!(self.choice.servers[server].in_flight <= self.choice.servers[server].places().max(1), "too many in flight");
            call.server = Some((server, self.now));
            self.choice.servers[server].sent(self.now);
            let machine = self.machines[server];
            let end = if machine.is_down(self.now) {
                self.now + 0.001
            } else {
                let slot = self.slots[server].iter_mut().min_by(|one, other| one.total_cmp(other)).unwrap();
                *slot = slot.max(self.now) + machine.seconds;
                // A killed machine breaks its connections.
                machine.killed.filter(|(from, _)| (self.now..*slot).contains(from)).map_or(*slot, |(from, _)| from)
            };
            self.ends.insert((micros(end), call.seat));
        }
    }

    fn enter(&mut self, document: u64, avoid: Option<usize>) {
        let seat = self.choice.enter(document, avoid, &Arc::new(Notify::new()), self.now);
        self.calls.push(Call { seat, server: None });
    }

    /// Lets time pass until all calls are answered. Machines that are back are noticed after a probe.
    fn run(&mut self) {
        let mut probe_at: Vec<Option<f64>> = vec![None; self.machines.len()];
        loop {
            self.send();
            let ends_at = self.ends.first().map(|(at, _)| *at as f64 / MICRO);
            let probe = probe_at.iter().flatten().copied().reduce(f64::min);
            let Some(next) = [ends_at, probe, self.choice.changes_at(self.now)].into_iter().flatten().reduce(f64::min) else { break };
            self.now = next.max(self.now);
            assert!(self.now < 1e4, "the run does not end");
            for (server, probe_at) in probe_at.iter_mut().enumerate() {
                if probe_at.is_some_and(|at| at <= self.now) {
                    let is_down = self.machines[server].is_down(self.now);
                    *probe_at = is_down.then_some(self.now + 2.0);
                    if !is_down {
                        self.slots[server].fill(self.now);
                        self.choice.back(server, self.now);
                    }
                }
            }
            while let Some((at, seat)) = self.ends.first().copied().filter(|(at, _)| *at <= micros(self.now)) {
                self.ends.remove(&(at, seat));
                let place = self.calls.iter().position(|call| call.seat == seat).unwrap();
                let (server, sent_at) = self.calls.swap_remove(place).server.unwrap();
                let is_lost = self.machines[server].is_down(self.now);
                let sign = if is_lost { Sign::Gone } else { Sign::Answered };
                if self.choice.end(server, sign, sent_at, self.now) {
                    probe_at[server] = Some(self.now + 0.25);
                }
                if is_lost {
                    self.lost += 1;
                    self.enter(seat.0, Some(server));
                } else {
                    self.answered[server] += 1;
                    *self.at.entry(seat.0).or_default().entry(server).or_default() += 1;
                }
            }
            self.choice.dispatch(self.now);
        }
        assert_eq!((self.calls.len(), self.choice.in_line()), (0, 0));
    }

    /// Share of calls on the server that has most of the calls of their document.
    fn affinity(&self) -> f64 {
        let most: u64 = self.at.values().filter_map(|servers| servers.values().max()).sum();
        most as f64 / self.answered.iter().sum::<u64>() as f64
    }
}

fn health(weight: f64, limit: usize) -> Health {
    Health::new(weight, limit, 0.0)
}

#[test]
fn servers_of_unequal_speed_work_at_their_joint_capacity_and_one_comes_back() {
    let machine = |seconds, killed| Machine { slots: 8, seconds, killed };
    let machines = [machine(0.4, None), machine(0.4, None), machine(0.2, None), machine(0.1, Some((10.0, 20.0)))];
    let servers = machines.iter().map(|_| health(1.0, 16)).collect();
    let mut world = World::new(&machines, servers, 1000, 6, 256);
    world.run();
    let capacity = |server: &Machine| server.slots as f64 / server.seconds;
    let up = |server: &Machine| world.now - server.killed.map_or(0.0, |(from, to)| to - from);
    let most: f64 = machines.iter().map(|server| capacity(server) * up(server)).sum();
    let share = world.answered.iter().sum::<u64>() as f64 / most;
    assert!(share >= 0.95, "{share} of the joint capacity, {:?} in {} s", world.answered, world.now);
    assert!(world.lost <= 16 + 1, "{} calls were in flight", world.lost);
    assert!(world.affinity() >= 0.9, "{}", world.affinity());
}

#[test]
fn shares_follow_weights_while_places_are_free() {
    let machines = [Machine { slots: 1000, seconds: 0.1, killed: None }; 3];
    let servers = [1.0, 1.0, 2.0].map(|weight| health(weight, 1000)).into();
    let mut world = World::new(&machines, servers, 4000, 1, 40);
    world.run();
    let shares = world.answered.iter().map(|n| *n as f64 / 4000.0).collect::<Vec<_>>();
    for (share, wanted) in shares.iter().zip([0.25, 0.25, 0.5]) {
        assert!((share - wanted).abs() < 0.02, "{shares:?}");
    }
}

#[test]
fn a_server_begins_on_trial_and_failures_set_it_aside() {
    let mut one = health(1.0, 8);
    assert_eq!((one.places(), one.state(0.0)), (1, ServerState::Trial));
    one.begin();
    assert!(!one.end(Sign::Answered, 0.0, 1.0));
    assert_eq!((one.places(), one.state(1.0)), (8, ServerState::Up));
    for n in 0..3 {
        one.begin();
        assert_eq!(one.end(Sign::Failed, 1.0, 2.0), n == 2, "three errors in a row");
    }
    assert_eq!(one.state(2.0), ServerState::Away);
    one.back(3.0);
    assert_eq!((one.places(), one.state(3.0)), (1, ServerState::Trial));
    one.begin();
    assert!(one.end(Sign::Failed, 3.0, 4.0), "one failure on trial");
    assert!(one.probe_wait(0) < 1.0);
    for at in [5.0, 7.0, 9.0] {
        one.back(at);
        one.begin();
        one.end(Sign::Failed, at, at + 1.0);
    }
    assert!(one.probe_wait(0) > 10.0, "a server that answers only probes is tried less and less often");
}

#[test]
fn a_refusal_closes_only_its_server_and_lowers_its_places() {
    let mut choice = Choice::new(vec![health(1.0, 8), health(1.0, 8)]);
    let turn = Arc::new(Notify::new());
    let ask = |choice: &mut Choice, document, now| {
        let seat = choice.enter(document, None, &turn, now);
        choice.take(seat)
    };
    for document in 0..2 {
        let server = ask(&mut choice, document, 0.0).unwrap();
        choice.end(server, Sign::Answered, 0.0, 0.1);
    }
    choice.servers[0].begin();
    choice.end(0, Sign::Busy(Some(30.0)), 0.2, 0.3);
    assert_eq!(choice.servers[0].state(0.3), ServerState::Paused);
    let served: Vec<_> = (2..12).map(|document| ask(&mut choice, document, 0.4)).collect();
    assert_eq!(served, [vec![Some(1); 8], vec![None; 2]].concat(), "the other one takes what it can");
    choice.dispatch(30.4);
    assert_eq!(choice.in_line(), 0, "it is open again");
    let mut one = health(1.0, 8);
    one.begin();
    one.end(Sign::Answered, 0.0, 0.1);
    for n in 0..4 {
        let at = f64::from(n);
        (0..4).for_each(|_| one.begin());
        (0..4).for_each(|_| assert!(!one.end(Sign::Busy(None), at, at + 0.5)));
    }
    assert!(one.places() < 8);
}

#[test]
fn a_server_that_stops_answering_gets_no_further_requests() {
    let mut choice = Choice::new(vec![health(1.0, 8), health(1.0, 8)]);
    let turn = Arc::new(Notify::new());
    for server in 0..2 {
        choice.servers[server].begin();
        choice.end(server, Sign::Answered, 0.0, 0.5);
    }
    choice.servers[0].begin();
    assert_eq!(choice.servers[0].state(60.0), ServerState::Up, "a call that waits for its admission says nothing");
    choice.servers[0].sent(1.0);
    let own = choice.enter(7, None, &turn, 1.0);
    let home = choice.take(own).unwrap();
    assert_eq!(home, 1, "the other one has a request in flight");
    for document in 10..14 {
        let at = 60.0 + document as f64;
        let seat = choice.enter(document, None, &turn, at);
        let server = choice.take(seat);
        if server == Some(1) {
            choice.end(1, Sign::Answered, at, at + 0.1);
        }
        assert_ne!(server, Some(0), "it has not answered for a minute");
    }
    choice.end(0, Sign::Answered, 1.0, 80.0);
    assert_eq!(choice.servers[0].state(80.0), ServerState::Up);
}

#[test]
fn if_all_servers_are_away_calls_fail_and_end_the_run() {
    let mut choice = Choice::new(vec![health(1.0, 8), health(1.0, 8)]);
    let turn = Arc::new(Notify::new());
    for _ in 0..2 {
        let seat = choice.enter(1, None, &turn, 0.0);
        let server = choice.take(seat).unwrap();
        assert!(choice.end(server, Sign::Gone, 0.0, 0.1));
    }
    assert!(!choice.has_other(0, 0.2) && !choice.has_other(1, 0.2));
    let seat = choice.enter(2, None, &turn, 0.2);
    assert!(choice.take(seat).is_some());
}

fn machines() -> impl Strategy<Value = Vec<Machine>> {
    let killed = proptest::option::of((0.5..20.0_f64, 0.5..10.0_f64).prop_map(|(from, time)| (from, from + time)));
    let machine = (1..12_usize, 0.02..0.5_f64, killed).prop_map(|(slots, seconds, killed)| Machine { slots, seconds, killed });
    proptest::collection::vec(machine, 2..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// `World::send` asserts that no request goes to a server that is away, or beyond its places.
    #[test]
    fn all_calls_are_answered_whatever_servers_do(machines in machines(), calls in 1..8_usize, limit in 1..24_usize) {
        // One server stays up.
        let machines: Vec<Machine> = std::iter::once(Machine { killed: None, ..machines[0] }).chain(machines[1..].iter().copied()).collect();
        let servers = machines.iter().map(|_| health(1.0, limit)).collect();
        let documents = 120;
        let mut world = World::new(&machines, servers, documents, calls, 6 * limit * machines.len());
        world.run();
        prop_assert_eq!(world.answered.iter().sum::<u64>(), documents * calls as u64);
        let killed = machines.iter().filter(|machine| machine.killed.is_some()).count();
        // Each kill loses the calls in flight, and the call of a trial.
        prop_assert!(world.lost <= (killed * (limit + 2)) as u64, "{} calls were lost", world.lost);
        if killed == 0 && calls > 1 {
            prop_assert!(world.affinity() >= 0.9, "{} {:?}", world.affinity(), world.answered);
        }
    }
}
