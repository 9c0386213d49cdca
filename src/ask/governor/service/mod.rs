//! Shares the limits of an account with other machines, by leases of a budget service.
//!
//! Each process holds a lease: rates for its requests and tokens, and requests in flight. A task
//! refreshes it once a second, so the calls themselves never wait for the network. The sum of all
//! leases is within the limits of the account.
//!
//! If the service is away, the process uses up its lease. Then it goes on at the safe rate of the
//! service, if there is one. Otherwise it sends nothing until the service is back, and gives up after
//! `budget.service_wait_s`.

mod keeper;
mod spender;
#[cfg(test)]
mod tests;

pub(super) use spender::{Purse, Room, Spender};

use super::clock::Clock;
use super::configured::ConfiguredLimits;
use super::limits::{Limits, Taken};
use super::store::{LimitStore, Line, Report, Wait, Wanted};
use crate::ask::budget_service::{BudgetService, NoLease};
use crate::ask::fault::Pressure;
use crate::ask::lease::{LEASE_VERSION, LeaseReply, LeaseRequest, PerLimit, Rates};
use crate::model::WaitReason;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The limits of one account, by leases.
#[derive(Debug)]
pub(super) struct ServiceStore {
    shared: Arc<Shared>,
    /// The task that refreshes the lease. It ends with the store.
    _task: JoinSet<()>,
}

/// The account, as the service knows it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// A hash of address, model and key.
    pub account: String,
    /// The name for people.
    pub label: String,
}

#[derive(Debug)]
struct Shared {
    named: Named,
    /// A random name of this process.
    node: String,
    /// How long to wait without a lease.
    patience: Duration,
    purse: Purse,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What this process has used and learned.
    limits: Limits,
    runs: usize,
    lease: Option<Lease>,
    /// Number of the newest lease.
    number: u64,
    /// What the service allows when it is away.
    safe: Option<Rates>,
    in_flight: u32,
    /// When the newest requests were sent, oldest first.
    sent: VecDeque<f64>,
    /// Whether a request had to wait for the lease since the last refresh.
    waits: bool,
    /// Lines that wait for a lease.
    lines: Vec<Line>,
    /// The time until which a refusal that this process has seen closes the account.
    closed_until: f64,
    ramps: u32,
    declared: PerLimit<f64>,
    /// When the service last answered.
    heard_at: f64,
    /// Whether the service did not answer the newest request.
    is_away: bool,
    /// Why no lease comes any more.
    lost: Option<NoLease>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    rates: Rates,
    until: f64,
}

/// Seconds between two refreshes.
const REFRESH_S: f64 = 1.0;
/// Seconds by which a reply may be late.
const LATE_S: f64 = 0.2;

impl ServiceStore {
    /// Joins the account, and starts the task that refreshes the lease.
    pub fn open(limits: Limits, service: Arc<BudgetService>, named: Named, clock: Clock) -> Self {
        let shared = Arc::new(Shared::new(limits, (service.address(), service.patience), named, clock.now()));
        let mut task = JoinSet::new();
        task.spawn(keeper::keep(Arc::clone(&shared), service, clock));
        Self { shared, _task: task }
    }
}

impl LimitStore for ServiceStore {
    fn take(&self, wanted: &Wanted, now: f64) -> Result<Taken, Wait> {
        self.shared.state.lock().take(wanted, now)
    }

    fn lease(&self, line: Line, _now: f64) {
        self.shared.state.lock().line_up(line);
    }

    fn report(&self, report: Report, now: f64) {
        if self.shared.state.lock().report(&report, now) {
            self.shared.purse.urgent.notify_one();
        }
    }

    fn configure(&self, old: Option<&ConfiguredLimits>, new: Option<&ConfiguredLimits>, now: f64) {
        let mut state = self.shared.state.lock();
        state.runs = state.runs + usize::from(new.is_some()) - usize::from(old.is_some());
        state.limits.configure(old, new, now);
    }

    fn known(&self, _now: f64) -> Limits {
        self.shared.state.lock().limits.clone()
    }

    fn purse(&self) -> Option<&Purse> {
        Some(&self.shared.purse)
    }

    fn is_away(&self) -> bool {
        self.shared.state.lock().is_away
    }

    fn lost(&self) -> Option<NoLease> {
        self.shared.state.lock().lost.clone()
    }
}

impl Shared {
    fn new(limits: Limits, (address, patience): (&str, Duration), named: Named, now: f64) -> Self {
        let state = State {
            limits,
            runs: 0,
            lease: None,
            number: 0,
            safe: None,
            in_flight: 0,
            sent: VecDeque::new(),
            waits: false,
            lines: Vec::new(),
            closed_until: 0.0,
            ramps: 0,
            declared: PerLimit::default(),
            heard_at: now,
            is_away: false,
            lost: None,
        };
        let node = format!("{:032x}", fastrand::u128(..));
        Self { named, node, patience, purse: Purse::new(address.to_owned()), state: Mutex::new(state) }
    }

    /// The next message to the service.
    fn request(&self, now: f64) -> LeaseRequest {
        let spenders = self.purse.spending(now);
        let mut state = self.state.lock();
        let leaves = state.in_flight == 0 && self.purse.have_all_ended();
        if leaves {
            state.lease = None;
        }
        let held = state.lease.filter(|lease| lease.until > now);
        LeaseRequest {
            version: LEASE_VERSION,
            node: self.node.clone(),
            account: self.named.account.clone(),
            label: self.named.label.clone(),
            lease: state.number,
            held: held.map_or_else(Rates::default, |lease| lease.rates),
            held_s: held.map_or(0.0, |lease| lease.until - now),
            waits: std::mem::take(&mut state.waits) || !state.lines.is_empty(),
            used: state.limits.used(),
            in_flight: state.in_flight,
            closed_s: (state.closed_until - now).max(0.0),
            ramps: state.ramps,
            declared: state.declared,
            leaves,
            spenders,
        }
    }

    /// Begins the lease of a reply to a request that was sent at `sent`.
    fn accept(&self, request: &LeaseRequest, reply: &LeaseReply, sent: f64, now: f64) {
        let mut state = self.state.lock();
        (state.heard_at, state.is_away, state.lost, state.safe) = (now, false, None, reply.safe);
        if !request.leaves {
            state.number = reply.lease;
            state.lease = Some(Lease { rates: reply.rates, until: sent + reply.term_s });
        }
        // The time of travel makes no new closure.
        let opens_at = now + reply.closed_s;
        if reply.closed_s > 0.0 && opens_at > state.limits.opens_at() + LATE_S {
            state.limits.close_until(opens_at, fastrand::f64(), now);
        }
        state.wake();
        drop(state);
        self.purse.apply(&request.spenders, &reply.grants, self.patience, now);
    }

    /// Notes that no lease came.
    fn failed(&self, why: NoLease, now: f64) {
        let mut state = self.state.lock();
        state.is_away = matches!(why, NoLease::Away(_));
        if state.is_away && now - state.heard_at <= self.patience.as_secs_f64() {
            // Requests in line learn what they wait for.
            state.wake();
            return;
        }
        let next = "Start the service again, then run the same command again: nothing is lost";
        state.lost = Some(match why {
            NoLease::Away(why) => NoLease::Away(format!("the budget service does not answer: {why}. {next}")),
            NoLease::Refused(why) => NoLease::Refused(format!("budget service {why}")),
        });
        state.wake();
        drop(state);
        self.purse.refuse_all();
    }
}

impl State {
    fn take(&mut self, wanted: &Wanted, now: f64) -> Result<Taken, Wait> {
        let Some(rates) = self.rates(now) else {
            return Err(if self.lost.is_some() { Wait::Gone } else { Wait::Lease });
        };
        let is_empty = rates.per_second.iter().flatten().any(|rate| *rate <= 0.0);
        if is_empty || rates.in_flight.is_some_and(|most| self.in_flight >= most) {
            self.waits = true;
            return Err(Wait::Lease);
        }
        if let Some(at) = self.window_opens(&rates, now) {
            self.waits = true;
            return Err(Wait::Until(at.min(now + REFRESH_S), WaitReason::Requests));
        }
        self.limits.lease_rates(&rates, now);
        let taken = self.limits.take(wanted, now, now);
        match taken {
            Ok(taken) => {
                self.in_flight += 1;
                self.sent.push_back(now);
                Ok(taken)
            }
            // The next lease may allow more.
            Err(Wait::Until(at, why)) => {
                self.waits = true;
                Err(Wait::Until(at.min(now + REFRESH_S), why))
            }
            Err(other) => Err(other),
        }
    }

    /// When a window with the maximum of requests has room again; `None` if it has room now.
    fn window_opens(&mut self, rates: &Rates, now: f64) -> Option<f64> {
        while self.sent.front().is_some_and(|sent| sent + rates.window_s <= now) {
            self.sent.pop_front();
        }
        let most = rates.most? as usize;
        let oldest = self.sent.len().checked_sub(most)?;
        self.sent.get(oldest).map(|sent| sent + rates.window_s)
    }

    /// What this process may use now.
    fn rates(&self, now: f64) -> Option<Rates> {
        self.lease.filter(|lease| lease.until > now).map(|lease| lease.rates).or(self.safe)
    }

    fn line_up(&mut self, line: Line) {
        self.lines.retain(|known| !Arc::ptr_eq(&known.turn, &line.turn));
        self.lines.push(line);
    }

    fn wake(&mut self) {
        for line in self.lines.drain(..) {
            line.turn.notify_one();
        }
    }

    /// Learns from the end of a request. Returns whether others must learn of it soon.
    fn report(&mut self, report: &Report, now: f64) -> bool {
        let before = self.limits.opens_at();
        self.limits.report(report, self.runs > 1, now);
        self.in_flight = self.in_flight.saturating_sub(1);
        for header in report.rate_limits.iter().filter(|header| header.per_minute.is_finite() && header.per_minute > 0.0) {
            self.declared[header.meter as usize] = header.per_minute;
        }
        self.wake();
        let pressure = report.refused.map(|refusal| refusal.pressure);
        self.ramps += u32::from(pressure == Some(Pressure::Ramp));
        let closes = pressure.is_some() && self.limits.opens_at() > before.max(now);
        if closes {
            self.closed_until = self.limits.opens_at();
            self.limits.close_until(self.closed_until, fastrand::f64(), now);
        }
        closes
    }
}
