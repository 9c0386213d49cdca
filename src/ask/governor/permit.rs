//! A request in flight, and what its end says about limits.

use super::super::dialect::{LimitKind, RateLimitHeader};
use super::super::fault::Pressure;
use super::Governor;
use super::limits::Taken;
use crate::model::{Money, Usage};
use std::time::Duration;

/// Permission to have one request in flight. Dropped without being settled, the request may have cost what was reserved.
#[derive(Debug)]
pub struct Permit<'g> {
    pub(super) governor: &'g Governor,
    pub(super) taken: Taken,
    pub(super) at_most: Option<Money>,
    pub(super) settled: bool,
}

/// How a request ended, as far as limits go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending<'e> {
    /// What it used, where that is known.
    pub usage: Option<Usage>,
    /// What it cost; `None`: it may have cost as much as it can.
    pub cost: Option<Money>,
    /// What the headers say.
    pub rate_limits: &'e [RateLimitHeader],
    /// What a refusal says, if it is one.
    pub refused: Option<Refusal>,
}

/// The provider would not have a request, for reasons that concern others too.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// What it suffers from.
    pub pressure: Pressure,
    /// The limit that it names.
    pub meter: Option<LimitKind>,
    /// The wait before the next request.
    pub wait: Duration,
    /// Whether the provider has named the wait, and not we.
    pub named: bool,
}

/// All requests do not leave at the moment when the gate opens, but within this share of the wait.
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
        // Processes share the pace of a slow start, so none of them fills its window alone.
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
