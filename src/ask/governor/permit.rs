//! The permit of a request in flight, and what its end shows about limits.

use super::super::dialect::{LimitKind, RateLimitHeader};
use super::super::fault::Pressure;
use super::Governor;
use super::limits::Taken;
use crate::model::{Money, Usage};
use std::time::Duration;

/// Permission to have one request in flight.
///
/// If it is dropped without being settled, the whole reservation counts as spent.
#[derive(Debug)]
pub struct Permit<'g> {
    pub(super) governor: &'g Governor,
    pub(super) taken: Taken,
    pub(super) at_most: Option<Money>,
    pub(super) settled: bool,
}

/// How a request ended, as far as limits are concerned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending<'e> {
    /// Its usage, if known.
    pub usage: Option<Usage>,
    /// Its cost; if `None`, the whole reservation counts as spent.
    pub cost: Option<Money>,
    /// The rate limits in the headers.
    pub rate_limits: &'e [RateLimitHeader],
    /// The refusal, if it was refused.
    pub refused: Option<Refusal>,
}

/// A refusal for reasons that concern other requests too.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Why the provider refused.
    pub pressure: Pressure,
    /// The limit that the refusal names.
    pub meter: Option<LimitKind>,
    /// The wait before the next request.
    pub wait: Duration,
    /// Whether the provider named the wait.
    pub named: bool,
}

/// Maximum random extension of a wait, as a share of it.
///
/// It keeps processes from resuming at the same moment.
const SPREAD: f64 = 0.02;

impl Permit<'_> {
    /// Gives the permit back.
    pub fn end(mut self, ending: &Ending<'_>) {
        self.settled = true;
        self.give_back(ending);
    }

    fn give_back(&self, ending: &Ending<'_>) {
        let governor = self.governor;
        let now = governor.clock.now();
        let mut local = governor.local_now();
        let in_flight = local.in_flight as f64;
        // Processes share the pace of a slow start, so no single process fills the window.
        let (given, others_fill_it) = (local.given, governor.store.is_shared() && !local.waiting.is_empty());
        let pressure = ending.refused.map(|refusal| refusal.pressure);
        governor.store.with(now, |limits| {
            match ending.refused {
                Some(refusal) if matches!(refusal.pressure, Pressure::Rate | Pressure::Ramp) => {
                    let wait = refusal.wait.mul_f64(1.0 + SPREAD * fastrand::f64());
                    limits.refuse(&self.taken, &Refusal { wait, ..refusal }, in_flight, now);
                }
                _ => limits.settle(&self.taken, ending.usage, in_flight >= limits.window() || others_fill_it, now),
            }
            for header in ending.rate_limits {
                limits.observe(&self.taken, header, &given, now);
            }
        });
        local.adapt(pressure == Some(Pressure::Overload), self.taken.sent_at(), now);
        local.budget.settle(self.at_most, ending.cost);
        local.in_flight -= 1;
        local.call_next();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.give_back(&Ending::default());
        }
    }
}
