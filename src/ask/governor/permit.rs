//! The permit of a request in flight, and its result.

use super::super::fault::Pressure;
use super::Governor;
use super::ending::{Ending, Refusal};
use super::limits::Taken;
use super::store::Report;
use crate::model::Money;

/// Permission to have one request in flight.
///
/// If a permit is dropped without being settled, the whole reservation counts as spent.
#[derive(Debug)]
pub struct Permit<'g> {
    pub(super) governor: &'g Governor,
    pub(super) taken: Taken,
    pub(super) at_most: Option<Money>,
    pub(super) settled: bool,
}

/// Maximum random extension of a wait, as a share of the wait.
///
/// The extension prevents processes from resuming at the same moment.
const SPREAD: f64 = 0.02;

impl Permit<'_> {
    /// Releases the permit and reports the request's result.
    pub fn end(mut self, ending: &Ending<'_>) {
        self.settled = true;
        self.give_back(ending);
    }

    fn give_back(&self, ending: &Ending<'_>) {
        let governor = self.governor;
        let now = governor.account.clock.now();
        let mut local = governor.local_now();
        let pressure = ending.refused.map(|refusal| refusal.pressure);
        let spread = |refusal: Refusal| Refusal { wait: refusal.wait.mul_f64(1.0 + SPREAD * fastrand::f64()), ..refusal };
        let report = Report {
            taken: self.taken,
            usage: ending.usage,
            refused: ending.refused.map(spread),
            rate_limits: ending.rate_limits.to_vec(),
            in_flight: local.in_flight as f64,
            others_wait: !local.waiting.is_empty(),
            given: local.given,
        };
        governor.account.store.report(report, now);
        local.adapt(pressure == Some(Pressure::Overload), self.taken.sent_at(), now);
        local.budget.settle(self.at_most, ending.cost);
        governor.note_spending(&local);
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
