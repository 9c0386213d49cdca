//! Leases the limits of one account to processes. The caller passes the time, in seconds.
//!
//! Promise: what the processes may use together never exceeds the limits. A lease counts until it
//! expires, or until its process has told that it has a newer one. So neither a lost reply nor a dead
//! process lets two processes use the same capacity.

use super::shares::{fair, fair_units, floor_to};
use crate::ask::lease::{LeaseRequest, PerLimit, Rates};
use std::collections::BTreeMap;

/// Seconds for which a lease is valid. Processes refresh it each second.
pub(super) const TERM_S: f64 = 5.0;
/// Seconds until a growth refusal may lower the ramp again.
const RAMP_AGAIN_S: f64 = 5.0;
/// Share of the limit with which a slow start begins.
const SLOW: f64 = 0.1;
/// Share of its rate that a process uses if the rate is its limit.
const NEARLY: f64 = 0.85;
/// Number of the limit of requests in [`PerLimit`].
const REQUESTS: usize = 0;

/// Used share of a limit. The rest makes up for estimates of tokens that are too low.
const USED: PerLimit<f64> = [1.0, 0.93, 0.93, 0.93];
/// Length of the window that limits requests, relative to that of the limit. It makes up for requests
/// that travel for different times.
pub(super) const WINDOW: f64 = 1.02;
/// Requests that are late by so many seconds are made up for, within the window.
const LATE_S: f64 = 0.01;
/// Maximum burst of tokens, in seconds of their rate.
const TOKENS_S: f64 = 3.0;

/// The limits of an account; 0 means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AccountLimits {
    /// Limits per minute.
    pub per_minute: PerLimit<f64>,
    /// Maximum requests in flight.
    pub in_flight: u32,
    /// Processes for which the limits are divided when the service is away; 0 to send nothing then.
    pub nodes: u32,
    /// Whether the rate begins low and grows by a fifth every ten seconds.
    pub slow_start: bool,
}

/// An account, and the processes that use it.
#[derive(Debug)]
pub(super) struct Account {
    pub label: String,
    nodes: BTreeMap<String, Node>,
    /// No request may be sent before this time.
    opens_at: f64,
    ramp: Ramp,
    /// Limits per minute in the headers of replies; 0 if unknown.
    declared: PerLimit<f64>,
    /// What processes have used that have ended.
    gone: PerLimit<f64>,
}

/// The usable share of the limits.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    share: f64,
    from: f64,
}

/// A process.
#[derive(Debug)]
struct Node {
    /// Leases that may be in force, oldest first.
    leases: Vec<Lease>,
    number: u64,
    seen_at: f64,
    used: PerLimit<f64>,
    /// What it had used when it joined. An earlier membership has counted that.
    joined: PerLimit<f64>,
    /// Amounts per second, lately.
    pace: PerLimit<f64>,
    /// When the pace was computed, and what was used by then.
    paced: (f64, PerLimit<f64>),
    waits: bool,
    in_flight: u32,
    ramps: u32,
}

/// What a process may use.
#[derive(Debug, Clone, Copy)]
struct Lease {
    number: u64,
    amounts: Leased,
    until: f64,
}

/// Shares of the limits, before reserves are deducted. 0 where there is no limit.
#[derive(Debug, Clone, Copy, Default)]
struct Leased {
    per_second: PerLimit<f64>,
    in_flight: u32,
}

/// The state of an account for people and metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AccountStatus {
    pub limit_per_second: PerLimit<f64>,
    pub granted_per_second: PerLimit<f64>,
    pub used: PerLimit<f64>,
    pub in_flight_limit: u32,
    pub in_flight: u32,
    pub nodes: usize,
    pub closed_s: f64,
}

impl Account {
    pub fn new(label: String, limits: &AccountLimits, now: f64) -> Self {
        let ramp = Ramp { share: if limits.slow_start { SLOW } else { 1.0 }, from: now };
        Self { label, nodes: BTreeMap::new(), opens_at: 0.0, ramp, declared: PerLimit::default(), gone: PerLimit::default() }
    }

    /// Renews the lease of a process. Returns its number and what it allows.
    ///
    /// `learning`: the service was restarted, and other processes may hold leases that it does not
    /// know. Then each process keeps what it has.
    pub fn lease(&mut self, limits: &AccountLimits, request: &LeaseRequest, learning: bool, now: f64) -> (u64, Rates) {
        self.forget(now);
        self.hear(request, now);
        if request.leaves {
            if let Some(node) = self.nodes.remove(&request.node) {
                self.retire(&node);
            }
            return (request.lease, Rates::default());
        }
        let amounts = if learning { self.kept(&request.node, now) } else { self.share_of(limits, &request.node, now) };
        let limited = self.per_second(limits);
        let Some(node) = self.nodes.get_mut(&request.node) else { return (request.lease, Rates::default()) };
        node.number += 1;
        node.leases.push(Lease { number: node.number, amounts, until: now + TERM_S });
        (node.number, amounts.rates(&limited, limits.in_flight > 0))
    }

    /// What a process may use when the service is away.
    pub fn safe(&self, limits: &AccountLimits) -> Option<Rates> {
        let limited = self.per_second(limits);
        let nodes = f64::from(limits.nodes);
        let mut amounts = Leased { per_second: limited.map(|limit| limit / nodes), in_flight: limits.in_flight / limits.nodes.max(1) };
        let unit = request_unit(limited[REQUESTS], nodes);
        amounts.per_second[REQUESTS] = floor_to(amounts.per_second[REQUESTS], unit);
        (limits.nodes > 0).then(|| amounts.rates(&limited, limits.in_flight > 0))
    }

    /// Seconds during which the provider wants no request.
    pub fn closed_s(&self, now: f64) -> f64 {
        (self.opens_at - now).max(0.0)
    }

    pub fn status(&self, limits: &AccountLimits, now: f64) -> AccountStatus {
        let of_nodes = |of: &dyn Fn(&Node) -> PerLimit<f64>| self.nodes.values().map(of).fold(PerLimit::default(), sum);
        AccountStatus {
            limit_per_second: self.per_second(limits),
            granted_per_second: of_nodes(&|node| node.newest(now).per_second),
            used: sum(self.gone, of_nodes(&|node| node.used_here())),
            in_flight_limit: limits.in_flight,
            in_flight: self.nodes.values().map(|node| node.in_flight).sum(),
            nodes: self.nodes.len(),
            closed_s: self.closed_s(now),
        }
    }

    /// The limits per second, by settings and headers; 0 without a limit.
    fn per_second(&self, limits: &AccountLimits) -> PerLimit<f64> {
        std::array::from_fn(|kind| {
            let known = [limits.per_minute[kind], self.declared[kind]].into_iter().filter(|limit| *limit > 0.0);
            known.reduce(f64::min).unwrap_or(0.0) / 60.0
        })
    }

    /// Forgets expired leases, and processes that have been silent for the term of a lease.
    fn forget(&mut self, now: f64) {
        let mut gone = Vec::new();
        self.nodes.retain(|_, node| {
            node.leases.retain(|lease| lease.until > now);
            let is_there = !node.leases.is_empty() || now - node.seen_at < TERM_S;
            if !is_there {
                gone.push(node.used_here());
            }
            is_there
        });
        self.gone = gone.into_iter().fold(self.gone, sum);
    }

    fn retire(&mut self, node: &Node) {
        self.gone = sum(self.gone, node.used_here());
    }

    /// Notes what a process tells.
    fn hear(&mut self, request: &LeaseRequest, now: f64) {
        if request.closed_s > 0.0 {
            self.opens_at = self.opens_at.max(now + request.closed_s);
        }
        for (known, told) in self.declared.iter_mut().zip(request.declared) {
            if told > 0.0 {
                *known = told;
            }
        }
        let opens_at = self.opens_at;
        let node = self.nodes.entry(request.node.clone()).or_insert_with(|| Node::new(request, now));
        if request.ramps > node.ramps && now - self.ramp.from > RAMP_AGAIN_S {
            self.ramp = Ramp { share: 0.5 * self.ramp.share(now), from: now };
        }
        node.hear(request, opens_at, now);
    }

    /// What a process has after a restart of the service.
    fn kept(&self, name: &str, now: f64) -> Leased {
        self.nodes.get(name).map_or_else(Leased::default, |node| node.newest(now))
    }

    /// The fair share of a process, without what other processes may still use.
    fn share_of(&self, limits: &AccountLimits, name: &str, now: f64) -> Leased {
        let place = self.nodes.keys().position(|node| node == name).unwrap_or_default();
        let others = || self.nodes.iter().filter(|(node, _)| *node != name).map(|(_, node)| node);
        let (limited, ramp) = (self.per_second(limits), self.ramp.share(now));
        let mut leased = Leased::default();
        for (kind, limit) in limited.into_iter().enumerate().filter(|(_, limit)| *limit > 0.0) {
            let unit = if kind == REQUESTS { request_unit(limit, self.nodes.len() as f64) } else { limit / 50.0 };
            let demands: Vec<f64> = self.nodes.values().map(|node| node.demand(kind, unit, now)).collect();
            let shares = if kind == REQUESTS { fair_units(limit * ramp, unit, &demands) } else { fair(limit * ramp, &demands) };
            let free = limit - others().map(|node| node.outstanding(|leased| leased.per_second[kind])).sum::<f64>();
            let share = shares[place].min(free).max(0.0);
            leased.per_second[kind] = if kind == REQUESTS { floor_to(share, unit) } else { share };
        }
        if limits.in_flight > 0 {
            let most = f64::from(limits.in_flight);
            let demands: Vec<f64> = self.nodes.values().map(|node| node.places(now)).collect();
            let held = |node: &Node| node.outstanding(|leased| f64::from(leased.in_flight)).max(f64::from(node.in_flight));
            let free = most - others().map(held).sum::<f64>();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
            let places = fair_units((most * ramp).max(1.0), 1.0, &demands)[place].min(free).max(0.0) as u32;
            leased.in_flight = places;
        }
        leased
    }
}

impl Node {
    /// A process that the service does not know. If it has a lease, the service was restarted.
    fn new(request: &LeaseRequest, now: f64) -> Self {
        let mut node = Self {
            leases: Vec::new(),
            number: request.lease,
            seen_at: now,
            used: request.used,
            joined: request.used,
            pace: PerLimit::default(),
            paced: (now, request.used),
            waits: false,
            in_flight: 0,
            ramps: request.ramps,
        };
        if request.held_s > 0.0 {
            let amounts = Leased::from_rates(&request.held);
            node.leases.push(Lease { number: request.lease, amounts, until: now + request.held_s.min(TERM_S) });
            // Without a measurement, the process keeps its share.
            node.pace = amounts.per_second;
        }
        node
    }

    /// Notes what the process tells. `opens_at`: until then, the account was closed.
    fn hear(&mut self, request: &LeaseRequest, opens_at: f64, now: f64) {
        self.leases.retain(|lease| lease.number >= request.lease);
        let (at, before) = self.paced;
        if now - at >= 0.5 {
            let pace: PerLimit<f64> = std::array::from_fn(|kind| ((request.used[kind] - before[kind]) / (now - at)).max(0.0));
            // While the account is closed, processes that send nothing still have demand.
            self.pace = if opens_at > at { std::array::from_fn(|kind| pace[kind].max(self.pace[kind])) } else { pace };
            self.paced = (now, request.used);
        }
        self.number = self.number.max(request.lease);
        (self.seen_at, self.used, self.waits) = (now, request.used, request.waits);
        (self.in_flight, self.ramps) = (request.in_flight, request.ramps);
    }

    /// What it has used since it joined.
    fn used_here(&self) -> PerLimit<f64> {
        std::array::from_fn(|kind| self.used[kind] - self.joined[kind])
    }

    /// What the newest lease allows.
    fn newest(&self, now: f64) -> Leased {
        self.leases.last().filter(|lease| lease.until > now).map_or_else(Leased::default, |lease| lease.amounts)
    }

    /// The largest amount of all leases that may be in force.
    fn outstanding(&self, of: impl Fn(&Leased) -> f64) -> f64 {
        self.leases.iter().map(|lease| of(&lease.amounts)).fold(0.0, f64::max)
    }

    /// Amounts per second that the process can use.
    fn demand(&self, kind: usize, unit: f64, now: f64) -> f64 {
        let granted = self.newest(now).per_second[kind];
        if self.waits && self.pace[kind] >= NEARLY * granted { f64::INFINITY } else { 1.25 * self.pace[kind] + unit }
    }

    /// Requests in flight that the process can use.
    fn places(&self, now: f64) -> f64 {
        let (in_flight, granted) = (f64::from(self.in_flight), f64::from(self.newest(now).in_flight));
        if self.waits && in_flight >= NEARLY * granted { f64::INFINITY } else { 1.25 * in_flight + 1.0 }
    }
}

impl Ramp {
    fn share(self, now: f64) -> f64 {
        (self.share * 1.2_f64.powf((now - self.from).max(0.0) / 10.0)).min(1.0)
    }
}

impl Leased {
    /// The rates for the process. With them, no second has more requests than its share, and no minute
    /// more tokens.
    fn rates(&self, limited: &PerLimit<f64>, has_places: bool) -> Rates {
        let per_second: PerLimit<f64> = std::array::from_fn(|kind| USED[kind] * self.per_second[kind]);
        let requests = self.per_second[REQUESTS];
        let seconds = if requests >= 1.0 && (requests - requests.round()).abs() < 1e-6 { 1.0 } else { 60.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let most = (requests * seconds).round() as u32;
        Rates {
            most: (limited[REQUESTS] > 0.0).then_some(most),
            window_s: WINDOW * seconds,
            per_second: std::array::from_fn(|kind| (limited[kind] > 0.0).then_some(per_second[kind])),
            burst: std::array::from_fn(|kind| {
                if kind == REQUESTS { 1.0 + LATE_S * per_second[kind] } else { (TOKENS_S * self.per_second[kind]).max(1.0) }
            }),
            in_flight: has_places.then_some(self.in_flight),
        }
    }

    fn from_rates(rates: &Rates) -> Self {
        let per_second = std::array::from_fn(|kind| rates.per_second[kind].unwrap_or(0.0).max(0.0) / USED[kind]);
        Self { per_second, in_flight: rates.in_flight.unwrap_or(0) }
    }
}

/// Requests are leased in whole requests a second, or a minute if a second has too few for `nodes`.
fn request_unit(per_second: f64, nodes: f64) -> f64 {
    if per_second >= nodes { 1.0 } else { 1.0 / 60.0 }
}

fn sum(one: PerLimit<f64>, other: PerLimit<f64>) -> PerLimit<f64> {
    std::array::from_fn(|kind| one[kind] + other[kind])
}
