//! Where the shared state of an account is kept.
//!
//! Operations are plain data and return at once: a store in memory, in a file, or behind a service
//! on the network can carry them out. A store whose state is elsewhere answers from what it has
//! leased there. While it renews the lease, requests wait for it (`Wait::Lease`).

use super::super::budget_service::NoLease;
use super::super::dialect::RateLimitHeader;
use super::super::fault::Pressure;
use super::configured::ConfiguredLimits;
use super::ending::Refusal;
use super::limits::{Limits, Taken};
use super::need::Need;
use super::service::Purse;
use crate::model::{Usage, WaitReason};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::Notify;

/// Keeps the state of one account for all runs on it.
///
/// Times are seconds on the clock of the account.
pub(super) trait LimitStore: Debug + Send + Sync {
    /// Takes what a request needs of the limits, or returns what it must wait for.
    fn take(&self, wanted: &Wanted, now: f64) -> Result<Taken, Wait>;

    /// Leases ahead what a line needs, after `take` has returned `Wait::Lease` to its first request.
    fn lease(&self, line: Line, now: f64);

    /// Learns from the end of a request, and returns what it did not use.
    fn report(&self, report: Report, now: f64);

    /// Replaces the settings of one run: from `None` when it begins, to `None` when it ends.
    fn configure(&self, old: Option<&ConfiguredLimits>, new: Option<&ConfiguredLimits>, now: f64);

    /// What is known about the account.
    fn known(&self, now: f64) -> Limits;

    /// The purse that pays for the requests of all runs on the account; `None` if runs pay alone.
    fn purse(&self) -> Option<&Purse> {
        None
    }

    /// Whether the store is elsewhere, and does not answer.
    fn is_away(&self) -> bool {
        false
    }

    /// Why the store gives nothing more; `None` if it does.
    fn lost(&self) -> Option<NoLease> {
        None
    }
}

/// What the first request in the line of a run asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub need: Need,
    /// Requests of this run in flight.
    pub in_flight: f64,
    /// The limits in the settings of this run.
    pub given: ConfiguredLimits,
}

/// The first requests in the line of a run.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub needs: Vec<Need>,
    /// Free places in flight.
    pub places: f64,
    /// Requests of this run in flight.
    pub in_flight: f64,
    /// The limits in the settings of this run.
    pub given: ConfiguredLimits,
    /// Wakes the first request.
    pub turn: Arc<Notify>,
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wait {
    /// This time.
    Until(f64, WaitReason),
    /// The end of another request of its run.
    Place(WaitReason),
    /// A lease. The request asks for it with `lease`, which wakes it.
    Lease,
    /// Nothing: no lease comes any more (`LimitStore::lost`).
    Gone,
}

/// How a request ended.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub taken: Taken,
    /// Its usage, if known.
    pub usage: Option<Usage>,
    /// The refusal, if it was refused.
    pub refused: Option<Refusal>,
    /// The rate limits in the headers.
    pub rate_limits: Vec<RateLimitHeader>,
    /// Requests of its run in flight, including itself.
    pub in_flight: f64,
    /// Whether requests of its run wait.
    pub others_wait: bool,
    /// The limits in the settings of its run.
    pub given: ConfiguredLimits,
}

impl Limits {
    /// Takes what a request needs if it may be sent by the time `by`.
    pub fn take(&mut self, wanted: &Wanted, now: f64, by: f64) -> Result<Taken, Wait> {
        self.pin(&wanted.given, now);
        if let Err(wider_at) = self.admits(wanted.in_flight, now) {
            return Err(wider_at.map_or(Wait::Place(WaitReason::SlowStart), |at| Wait::Until(at, WaitReason::SlowStart)));
        }
        self.try_take(&wanted.need, now, by).map_err(|at| Wait::Until(at, self.in_the_way(&wanted.need, now)))
    }

    /// Learns from the end of a request. `shared`: other runs use the account too.
    pub fn report(&mut self, report: &Report, shared: bool, now: f64) {
        let Report { taken, given, in_flight, .. } = report;
        match &report.refused {
            Some(refusal) if matches!(refusal.pressure, Pressure::Rate | Pressure::Ramp) => self.refuse(taken, refusal, *in_flight, now),
            // Runs share the pace of a slow start, so no single run fills the window.
            _ => self.settle(taken, report.usage, *in_flight >= self.window() || (shared && report.others_wait), now),
        }
        for header in &report.rate_limits {
            self.observe(taken, header, given, now);
        }
    }

    /// Replaces the settings of one run.
    pub fn configure(&mut self, old: Option<&ConfiguredLimits>, new: Option<&ConfiguredLimits>, now: f64) {
        match (old, new) {
            (Some(old), Some(new)) => self.change(old, new, now),
            (None, Some(new)) => self.pin(new, now),
            (Some(old), None) => self.unpin(old, now),
            (None, None) => {}
        }
    }
}
