//! Admits requests to one account, within its limits.
//!
//! Providers limit accounts, so there is one governor for each account. It admits a request when
//! all of these hold at the same time:
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
//! - After a refusal it admits no request before the time that the refusal names.
//! - A request larger than a bucket goes when the bucket is full.
//! - Reservations are settled when the request has ended, however it ends.

mod bucket;
mod calibration;
mod change;
mod clock;
mod configured;
mod headers;
mod learner;
mod limit_store;
mod limits;
mod line;
mod need;
mod permit;
#[cfg(test)]
mod property;
#[cfg(test)]
mod provider;
mod quota;
mod random_refusals;
#[cfg(test)]
mod tests;

pub use change::GovernorStatus;
pub use need::Need;
pub use permit::{Ending, Permit, Refusal};
pub use quota::{Quota, Reserved};

use super::budget::{Budget, BudgetReached};
use super::settings::LimitSettings;
use crate::insight::Rate;
use crate::model::{Money, WaitReason};
use clock::Clock;
use configured::ConfiguredLimits;
use limit_store::LimitStore;
use limits::{Limits, Taken};
use line::{Local, PlaceTimes, Waiter};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Admission to one account.
#[derive(Debug)]
pub struct Governor {
    store: LimitStore,
    clock: Clock,
    local: Mutex<Local>,
    stop: CancellationToken,
    abandon: CancellationToken,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The run is stopping.
    Stopped,
    /// The budget is used up.
    OverBudget(BudgetReached),
}

/// The run is stopping, so no more requests are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Shorter waits, in seconds, are the usual pace and are not reported.
const PACE_S: f64 = 1.0;

impl Governor {
    /// Creates a governor for at most `concurrency` requests in flight.
    ///
    /// Once `stop` is cancelled, it admits no more requests. Once `abandon` is cancelled, it
    /// abandons those in flight. With `slow_start` it starts with a single request.
    pub fn new(
        concurrency: usize,
        limits: &LimitSettings,
        slow_start: bool,
        budget: Budget,
        (stop, abandon): (CancellationToken, CancellationToken),
    ) -> Self {
        let given = ConfiguredLimits::new(limits, slow_start);
        let clock = Clock::new();
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
            times: PlaceTimes::new(clock.now()),
        };
        let store = LimitStore::own(Limits::new(&given, clock.now()));
        Self { store, clock, local: Mutex::new(local), stop, abandon }
    }

    /// Makes the account's time pass `speed` times as fast as real time.
    ///
    /// Rehearsals use this with a simulator whose time passes as fast.
    #[must_use]
    pub fn at_speed(mut self, speed: f64) -> Self {
        self.clock.speed = speed;
        self
    }

    /// Converts real time to time of the account.
    pub fn passed(&self, time: Duration) -> Duration {
        time.mul_f64(self.clock.speed)
    }

    /// Converts time of the account to real time.
    pub fn on_the_wall(&self, time: Duration) -> Duration {
        time.div_f64(self.clock.speed)
    }

    /// Shares the limits with all processes that use the file `name` in `directory`.
    ///
    /// If the file cannot be used, this process counts alone.
    #[must_use]
    pub fn shared(mut self, directory: &Path, name: &str) -> Self {
        let now = self.clock.now();
        let given = self.local().given;
        if let Ok(store) = LimitStore::shared(Limits::new(&given, now), directory, name) {
            store.with(now, |limits| limits.pin(&given, now));
            self.store = store;
        }
        self
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
        let waiter = self.line_up(ticket.document);
        loop {
            let again_at = match self.try_admit(&waiter, ticket)? {
                Turn::Now(taken) => return Ok(Permit { governor: self, taken, at_most: ticket.at_most, settled: false }),
                Turn::At(time) => Some(self.clock.instant(time)),
                Turn::AfterOthers => None,
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(NotAdmitted::Stopped),
                () = waiter.turn.notified() => {}
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
        let seconds = self.store.with(self.clock.now(), |limits| limits.answer_s());
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// How long a limit or a refusal keeps the governor closed; `None` if it is open.
    pub fn closed_for(&self) -> Option<Duration> {
        let now = self.clock.now();
        let opens_at = self.store.with(now, |limits| limits.opens_at());
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
        let seconds = |times: f64| times / self.clock.speed;
        (seconds(local.times.admitted), WaitReason::ALL.into_iter().zip(local.times.held.map(seconds)).collect())
    }

    /// The known limits of the account, and the amounts used.
    pub fn rates(&self) -> Vec<Rate> {
        let given = self.local().given;
        self.store.with(self.clock.now(), |limits| limits.rates(&given))
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock()
    }

    /// Locks the local state, with its times counted until now.
    fn local_now(&self) -> MutexGuard<'_, Local> {
        let mut local = self.local();
        local.advance(self.clock.now());
        local
    }

    fn line_up(&self, document: u64) -> Waiter<'_> {
        let turn = Arc::new(Notify::new());
        let mut local = self.local_now();
        local.arrivals += 1;
        let place = (document, local.arrivals);
        local.waiting.insert(place, Arc::clone(&turn));
        Waiter { governor: self, place, turn }
    }

    fn try_admit(&self, waiter: &Waiter<'_>, ticket: &Ticket) -> Result<Turn, NotAdmitted> {
        let now = self.clock.now();
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
        let in_flight = local.in_flight as f64;
        let given = local.given;
        let (turn, why) = self.store.with(now, |limits| {
            limits.pin(&given, now);
            if let Err(wider_at) = limits.admits(in_flight, now) {
                return Ok((wider_at.map_or(Turn::AfterOthers, Turn::At), Some(WaitReason::SlowStart)));
            }
            if !local.budget.reserve(ticket.at_most).map_err(NotAdmitted::OverBudget)? {
                return Ok((Turn::AfterOthers, Some(WaitReason::Budget)));
            }
            let taken = limits.try_take(&ticket.need, now).map_err(|at| {
                local.budget.settle(ticket.at_most, Some(Money::ZERO));
                (Turn::At(at), Some(limits.in_the_way(&ticket.need, now)))
            });
            Ok(taken.map_or_else(|held| held, |taken| (Turn::Now(taken), None)))
        })?;
        local.why = why;
        match turn {
            Turn::Now(_) => {
                local.in_flight += 1;
                local.turn_at = 0.0;
            }
            Turn::At(time) => local.turn_at = time,
            // A place is missing. No limit of the provider makes the request wait.
            Turn::AfterOthers => local.turn_at = 0.0,
        }
        Ok(turn)
    }
}

impl Drop for Governor {
    fn drop(&mut self) {
        let (given, now) = (self.local().given, self.clock.now());
        self.store.with(now, |limits| limits.unpin(&given, now));
    }
}

enum Turn {
    Now(Taken),
    At(f64),
    /// Try again when another request has ended or was admitted.
    AfterOthers,
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
