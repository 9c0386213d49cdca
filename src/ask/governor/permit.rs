//! A request in flight, and what its end says about limits.

use super::super::dialect::{Meter, Standing};
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
    pub standings: &'e [Standing],
    /// What the provider suffers from, if that is why it refused; with the wait before the next request.
    pub refused: Option<(Pressure, Duration)>,
    /// The limit that it names.
    pub meter: Option<Meter>,
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
        let given = local.given;
        let pressure = ending.refused.map(|(pressure, _)| pressure);
        governor.home.with(now, |limits| {
            match ending.refused {
                Some((pressure @ (Pressure::Rate | Pressure::Ramp), wait)) => {
                    let wait = wait.as_secs_f64() * (1.0 + SPREAD * fastrand::f64());
                    limits.refuse(&self.taken, pressure, ending.meter, wait, in_flight, now);
                }
                _ => limits.settle(&self.taken, ending.usage, in_flight >= limits.window(), now),
            }
            for standing in ending.standings {
                limits.observe(&self.taken, standing, &given, now);
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
