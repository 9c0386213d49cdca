//! Admits requests to one account, within its limits.
//!
//! Providers limit accounts, so all runs of a process on one account share its state (`Accounts`).
//! A governor is the view that one run has of an account. It admits a request when all of these hold
//! at the same time:
//!
//! - it is the first in line;
//! - no refusal keeps the gate closed;
//! - a place among the requests in flight is free;
//! - every limit of requests and tokens has enough left;
//! - the budget has enough money left.
//!
//! A waiting request holds none of these. Requests about earlier documents go first, so that
//! documents in work are finished.
//!
//! Promises:
//!
//! - The governor admits no more than the known limits of the provider allow.
//! - After a refusal it admits no request before the time that the refusal names, unless refusals
//!   have proved to be random. Other processes learn of it within a slice (`lease`).
//! - A request larger than a bucket goes when the bucket is full.
//! - Reservations are settled when the request has ended, however it ends.

mod accounts;
mod bucket;
mod calibration;
mod change;
mod clock;
mod configured;
mod ending;
mod file;
mod headers;
mod learner;
mod lease;
mod limit;
mod limits;
mod memory;
mod need;
mod permit;
mod pin;
#[cfg(test)]
mod property;
#[cfg(test)]
mod provider;
mod queue;
mod quota;
mod random_refusals;
mod service;
mod shared_file;
mod spending;
mod store;
#[cfg(test)]
mod tests;

pub use accounts::Accounts;
pub use change::GovernorStatus;
pub use ending::{Ending, Refusal};
pub use need::Need;
pub use permit::Permit;
pub use quota::{Quota, Reserved};

use super::allowance::Allowance;
use super::budget::{Budget, BudgetReached, NoRoom};
use super::budget_service::NoLease;
use super::day_budget::{DayReached, DayRoom};
use super::settings::LimitSettings;
use super::timeouts::at;
use crate::insight::Rate;
use crate::model::{Money, WaitReason};
use accounts::SharedAccount;
use configured::ConfiguredLimits;
use limits::Taken;
use parking_lot::{Mutex, MutexGuard};
use queue::{Local, PlaceTimes, Waiter, Waiting};
use service::Spender;
use spending::share;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::{Wait, Wanted};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Admission of one run's requests to an account.
#[derive(Debug)]
pub struct Governor {
    account: Arc<SharedAccount>,
    local: Mutex<Local>,
    /// Where further money comes from, if the run gets it in shares.
    allowance: Option<Arc<Allowance>>,
    /// The money of the run, if a purse pays for it.
    spender: OnceLock<Arc<Spender>>,
    stop: CancellationToken,
    abandon: CancellationToken,
}

/// How a run uses an account.
#[derive(Debug)]
pub struct GovernorSettings<'s> {
    /// Maximum requests in flight.
    pub concurrency: usize,
    /// The limits of the settings.
    pub limits: &'s LimitSettings,
    /// Whether to start with a single request.
    pub slow_start: bool,
    /// The cap on money.
    pub budget: Budget,
    /// Once cancelled, no more requests are admitted.
    pub stop: CancellationToken,
    /// Once cancelled, requests in flight are abandoned.
    pub abandon: CancellationToken,
}

/// A request that asks for admission.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// The number of its document, or of the first one if it carries several calls. Earlier
    /// documents go first.
    pub document: u64,
    /// The requests and tokens it needs of the account's limits, for all its calls.
    pub need: Need,
    /// Its maximum cost for all its calls; `None` if a price is unknown.
    pub at_most: Option<Money>,
}

/// Why a request is not admitted at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The run is stopping.
    Stopped,
    /// The budget is used up.
    OverBudget(BudgetReached),
    /// The budget of the day is used up.
    OverDay(DayReached),
    /// The budget service has no money left, with the message.
    OverPurse(String),
    /// The budget service gives no lease.
    NoLease(NoLease),
}

impl From<NoRoom> for NotAdmitted {
    fn from(no_room: NoRoom) -> Self {
        match no_room {
            NoRoom::Total(reached) => Self::OverBudget(reached),
            NoRoom::Day(reached) => Self::OverDay(reached),
        }
    }
}

/// The run is stopping, so no more requests are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Shorter waits, in seconds, are the usual pace and are not reported.
const PACE_S: f64 = 1.0;

impl Governor {
    /// Joins an account.
    fn new(account: Arc<SharedAccount>, settings: GovernorSettings<'_>) -> Self {
        let GovernorSettings { concurrency, limits, slow_start, budget, stop, abandon } = settings;
        let (given, now) = (ConfiguredLimits::new(limits, slow_start), account.clock.now());
        account.store.configure(None, Some(&given), now);
        let local = Local {
            waiting: BTreeMap::new(),
            arrivals: 0,
            given,
            in_flight: 0,
            concurrency,
            paused: false,
            ceiling: concurrency as f64,
            suspicion: None,
            lowered_at: f64::MIN,
            overload: 0.0,
            budget,
            turn_at: 0.0,
            why: None,
            times: PlaceTimes::new(now),
        };
        Self { account, local: Mutex::new(local), allowance: None, spender: OnceLock::new(), stop, abandon }
    }

    /// An account that no other run uses, for tests.
    #[cfg(test)]
    pub fn alone(settings: GovernorSettings<'_>) -> Self {
        let given = ConfiguredLimits::new(settings.limits, settings.slow_start);
        Self::new(Arc::new(SharedAccount::in_memory(&given, clock::Clock::new())), settings)
    }

    /// Converts real time to time of the account.
    pub fn passed(&self, time: Duration) -> Duration {
        time.mul_f64(self.account.clock.speed)
    }

    /// Converts time of the account to real time.
    pub fn on_the_wall(&self, time: Duration) -> Duration {
        time.div_f64(self.account.clock.speed)
    }

    /// Waits for a request in flight, unless the run abandons it. Then the request stays in doubt.
    pub async fn unless_abandoned<T>(&self, request: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            reply = request => Ok(reply),
            () = self.abandon.cancelled() => Err(Stopped),
        }
    }

    /// Waits until a request is admitted.
    pub async fn admit(&self, ticket: &Ticket) -> Result<Permit<'_>, NotAdmitted> {
        if self.stop.is_cancelled() {
            return Err(NotAdmitted::Stopped);
        }
        let waiter = self.line_up(ticket);
        let mut grants = self.allowance.as_ref().map(|allowance| allowance.grants());
        let mut of_purse = self.purse().map(|(_, spender)| spender.grants());
        loop {
            // A share that comes after this look wakes the request.
            grants.iter_mut().chain(&mut of_purse).for_each(watch::Receiver::mark_unchanged);
            let again_at = match self.try_admit(&waiter, ticket)? {
                Turn::Now(taken) => return Ok(Permit { governor: self, taken, at_most: ticket.at_most, settled: false }),
                Turn::At(time) => Some(self.account.clock.instant(time)),
                Turn::AfterOthers => None,
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(NotAdmitted::Stopped),
                () = waiter.turn.notified() => {}
                () = share(grants.as_mut()) => {}
                // Boxed, because waiting calls must stay small, and few runs have a purse.
                () = Box::pin(share(of_purse.as_mut())) => {}
                () = at(again_at) => {}
            }
        }
    }

    /// Waits for `time` of the account, or until the run stops.
    pub async fn pause(&self, time: Duration) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(self.on_the_wall(time)) => Ok(()),
        }
    }

    /// Allows at most `most` requests in flight until the next call; `None` lifts this limit.
    pub fn hold_to(&self, most: Option<usize>) {
        let mut local = self.local();
        local.suspicion = most;
        local.call_next();
    }

    /// Maximum requests in flight by the settings.
    pub fn places(&self) -> usize {
        self.local().concurrency
    }

    /// How many requests wait for admission.
    pub fn in_line(&self) -> usize {
        self.local().waiting.len()
    }

    /// Whether no request waits for admission.
    pub fn line_is_empty(&self) -> bool {
        self.local().waiting.is_empty()
    }

    /// The average time of an answer; zero before the first one.
    pub fn usual_answer(&self) -> Duration {
        Duration::try_from_secs_f64(self.account.store.known(self.account.clock.now()).answer_s()).unwrap_or_default()
    }

    /// How long a limit or a refusal keeps the governor closed; `None` if it is open.
    pub fn closed_for(&self) -> Option<Duration> {
        let now = self.account.clock.now();
        let opens_at = self.account.store.known(now).opens_at();
        let turn_at = {
            let local = self.local();
            Some(local.turn_at).filter(|at| !local.waiting.is_empty() && *at > now + PACE_S).unwrap_or(0.0)
        };
        Duration::try_from_secs_f64(opens_at.max(turn_at) - now).ok().filter(|wait| !wait.is_zero())
    }

    /// Seconds of used places in flight, and of empty places by reason.
    ///
    /// Sums over all places so far. Empty places count only while a request waits.
    pub fn held(&self) -> (f64, Vec<(WaitReason, f64)>) {
        let local = self.local_now();
        let seconds = |times: f64| times / self.account.clock.speed;
        (seconds(local.times.admitted), WaitReason::ALL.into_iter().zip(local.times.held.map(seconds)).collect())
    }

    /// The known limits of the account, and the amounts used.
    pub fn rates(&self) -> Vec<Rate> {
        let given = self.local().given;
        self.account.store.known(self.account.clock.now()).rates(&given)
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock()
    }

    /// Locks the local state, with its times counted until now.
    fn local_now(&self) -> MutexGuard<'_, Local> {
        let mut local = self.local();
        local.advance(self.account.clock.now());
        local.blame_service(self.account.store.is_away());
        local
    }

    fn line_up(&self, ticket: &Ticket) -> Waiter<'_> {
        let turn = Arc::new(Notify::new());
        let mut local = self.local_now();
        local.arrivals += 1;
        let place = (ticket.document, local.arrivals);
        local.waiting.insert(place, Waiting { need: ticket.need, turn: Arc::clone(&turn) });
        Waiter { governor: self, place, turn }
    }

    fn try_admit(&self, waiter: &Waiter<'_>, ticket: &Ticket) -> Result<Turn, NotAdmitted> {
        let now = self.account.clock.now();
        let mut local = self.local_now();
        let first = local.waiting.first_key_value().is_some_and(|(place, _)| *place == waiter.place);
        let most = local.suspicion.map_or(local.ceiling, |most| local.ceiling.min(most as f64));
        if !first {
            return Ok(Turn::AfterOthers);
        }
        if local.paused {
            local.why = Some(WaitReason::Pause);
            return Ok(Turn::AfterOthers);
        }
        if local.in_flight as f64 >= most.max(1.0) {
            let fewer = if local.suspicion.is_some() { WaitReason::Suspicion } else { WaitReason::Overload };
            local.why = Some(fewer).filter(|_| most < local.concurrency as f64);
            return Ok(Turn::AfterOthers);
        }
        if let Some(allowance) = &self.allowance {
            local.budget.raise_cap(allowance.granted());
            if local.budget.lacks(ticket.at_most).is_some_and(|cap| allowance.ask(cap)) {
                (local.why, local.turn_at) = (Some(WaitReason::Budget), 0.0);
                return Ok(Turn::AfterOthers);
            }
        }
        if let Some(turn) = self.look_into_purse(&mut local, ticket.at_most)? {
            return Ok(turn);
        }
        match local.budget.reserve(ticket.at_most).map_err(NotAdmitted::from)? {
            DayRoom::Now => {}
            DayRoom::AfterOthers => {
                (local.why, local.turn_at) = (Some(WaitReason::Budget), 0.0);
                return Ok(Turn::AfterOthers);
            }
            DayRoom::Tomorrow(wait) => {
                let at = now + wait.as_secs_f64() * self.account.clock.speed;
                (local.why, local.turn_at) = (Some(WaitReason::Budget), at);
                return Ok(Turn::At(at));
            }
        }
        let wanted = Wanted { need: ticket.need, in_flight: local.in_flight as f64, given: local.given };
        let taken = self.account.store.take(&wanted, now);
        if taken.is_err() {
            local.budget.settle(ticket.at_most, Some(Money::ZERO));
        }
        let turn;
        (turn, local.why, local.turn_at) = match taken {
            Ok(taken) => (Turn::Now(taken), None, 0.0),
            Err(Wait::Until(at, why)) => (Turn::At(at), Some(why), at),
            // A place is missing. No limit of the provider makes the request wait.
            Err(Wait::Place(why)) => (Turn::AfterOthers, Some(why), 0.0),
            Err(Wait::Gone) => return Err(self.account.store.lost().map_or(NotAdmitted::Stopped, NotAdmitted::NoLease)),
            Err(Wait::Lease) => {
                self.account.store.lease(local.line(most.max(1.0) - wanted.in_flight, &waiter.turn), now);
                let why = if self.account.store.is_away() { Some(WaitReason::BudgetService) } else { local.why };
                (Turn::AfterOthers, why, local.turn_at)
            }
        };
        if matches!(turn, Turn::Now(_)) {
            local.in_flight += 1;
            self.note_spending(&local);
        }
        Ok(turn)
    }
}

impl Drop for Governor {
    fn drop(&mut self) {
        let given = self.local().given;
        self.account.store.configure(Some(&given), None, self.account.clock.now());
    }
}

enum Turn {
    Now(Taken),
    At(f64),
    /// Try again when another request has ended or was admitted, when the lease is renewed, or when
    /// the run has got another share of money.
    AfterOthers,
}
