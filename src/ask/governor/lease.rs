//! Leases amounts of shared limits to the line of a run.
//!
//! A lease takes out of the shared limits what the first requests in a line may send within a
//! slice of 30 ms. So the limits hold for the sum of all leases. If the first request must wait,
//! nothing is leased until its time has come, so the next slice may go to any process.

use super::limits::{Limits, Taken};
use super::need::Need;
use super::store::{Line, Wait, Wanted};
use crate::model::WaitReason;

/// Amounts for one request. It may be sent at `taken.at`, not before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leased {
    pub taken: Taken,
    /// What the request waits for until then.
    why: WaitReason,
}

/// A request that got no lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    need: Need,
    /// Requests of its run in flight.
    in_flight: f64,
    wait: Wait,
}

impl Blocked {
    /// What an equal request has to wait for, too; `None` if it may be better off.
    ///
    /// A run with fewer requests in flight may still send, and no other run wakes it.
    pub fn wait(&self, wanted: &Wanted, now: f64) -> Option<Wait> {
        let is_same = self.need == wanted.need
            && match self.wait {
                Wait::Until(at, _) => at > now,
                Wait::Place(_) | Wait::Lease | Wait::Gone => wanted.in_flight >= self.in_flight,
            };
        is_same.then_some(self.wait)
    }
}

/// Seconds for which amounts are leased ahead.
pub(super) const SLICE_S: f64 = 0.03;
/// A lease expires this many seconds after its time: if a process was stopped, others have used what
/// came after. Unused amounts count as used.
const EXPIRES_S: f64 = 1.0;

impl Leased {
    /// Whether its time has passed so long ago that it must not be used any more.
    pub fn is_expired(&self, now: f64) -> bool {
        self.taken.at + EXPIRES_S < now
    }

    /// Uses it up for a request that is sent now, or returns what the request waits for.
    pub fn taken(&self, now: f64) -> Result<Taken, Wait> {
        if self.taken.at > now { Err(Wait::Until(self.taken.at, self.why)) } else { Ok(Taken { at: now, ..self.taken }) }
    }
}

impl Limits {
    /// Adds leases for the requests of `line` to `leased`, which may hold some of them already.
    ///
    /// Returns the first request that got no lease because it must wait, and what it waits for.
    ///
    /// A limit that is not declared is measured by what is sent and refused. So only requests that
    /// are sent now get a lease then.
    pub fn lease(&mut self, line: &Line, leased: &mut Vec<Leased>, now: f64) -> Option<Blocked> {
        let (known, declared) = (leased.len(), self.are_declared());
        // Places that become free within a slice.
        let soon = if declared && self.answer_s() > 0.0 { line.in_flight * SLICE_S / self.answer_s() } else { 0.0 };
        let numbered = line.needs.iter().zip((0_u8..).map(f64::from));
        for (need, ahead) in numbered.take_while(|(_, ahead)| *ahead < (line.places + soon).floor()) {
            if leased.iter().take(known).any(|leased| leased.taken.need == *need) {
                continue;
            }
            let why = self.in_the_way(need, now);
            let wanted = Wanted { need: *need, in_flight: line.in_flight + ahead, given: line.given };
            let by = if declared && ahead > 0.0 { now + SLICE_S } else { now };
            let wait = match self.take(&wanted, now, by) {
                Ok(taken) => {
                    leased.push(Leased { taken, why });
                    continue;
                }
                Err(Wait::Until(at, why)) if why != WaitReason::SlowStart => Wait::Until(at + fastrand::f64() * self.spread_s(), why),
                Err(wait) => wait,
            };
            return Some(Blocked { need: *need, in_flight: wanted.in_flight, wait });
        }
        None
    }

    /// Maximum random extension of a wait. Processes that wait for the same time then take turns.
    ///
    /// It is short against the time in which a bucket fills up, so it costs next to nothing.
    fn spread_s(&self) -> f64 {
        let fills_in = self.by_meter.iter().flatten().map(|limit| limit.bucket.capacity() / limit.bucket.per_second());
        SLICE_S.min(fills_in.fold(f64::MAX, f64::min)) / 10.0
    }
}
