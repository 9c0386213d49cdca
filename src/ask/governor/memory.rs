//! Keeps the limits of an account in memory, for one process.

use super::configured::ConfiguredLimits;
use super::limits::{Limits, Taken};
use super::store::{LimitStore, Line, Report, Wait, Wanted};
use parking_lot::Mutex;

/// Limits in memory, and the number of runs that use them.
#[derive(Debug)]
pub(super) struct MemoryStore(Mutex<(Limits, usize)>);

impl MemoryStore {
    pub fn new(limits: Limits) -> Self {
        Self(Mutex::new((limits, 0)))
    }
}

impl LimitStore for MemoryStore {
    fn take(&self, wanted: &Wanted, now: f64) -> Result<Taken, Wait> {
        self.0.lock().0.take(wanted, now, now)
    }

    /// Never needed: all is here.
    fn lease(&self, _line: Line, _now: f64) {}

    fn report(&self, report: Report, now: f64) {
        let (limits, runs) = &mut *self.0.lock();
        limits.report(&report, *runs > 1, now);
    }

    fn configure(&self, old: Option<&ConfiguredLimits>, new: Option<&ConfiguredLimits>, now: f64) {
        let (limits, runs) = &mut *self.0.lock();
        *runs = *runs + usize::from(new.is_some()) - usize::from(old.is_some());
        limits.configure(old, new, now);
    }

    fn known(&self, _now: f64) -> Limits {
        self.0.lock().0.clone()
    }
}
