//! The limits of the account: buckets for requests and tokens, and seats for concurrency.
//!
//! A request takes from all of its buckets or from none. The exception is a request that finds no
//! free seat: it still counts as a request. Limits are exact at any time scale. A refused request
//! costs nothing. Requests never wait here: they pass or are refused.

mod bucket;
mod quota;

use super::scenario::{Change, Scenario};
use bucket::Bucket;
use parking_lot::{Mutex, MutexGuard};
use quota::Quota;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The kind of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitKind {
    Requests,
    Input,
    Output,
    /// Input and output together.
    Tokens,
}

pub(super) const LIMIT_KINDS: [LimitKind; 4] = [LimitKind::Requests, LimitKind::Input, LimitKind::Output, LimitKind::Tokens];

/// The amounts that a request takes. An amount of 0 takes nothing, but is refused while the level
/// is negative.
pub(super) type Charge = Vec<(LimitKind, u64)>;

/// The state of one limit, for the headers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LimitState {
    pub(super) meter: LimitKind,
    /// Amount per minute.
    pub(super) limit: f64,
    /// Amount available now.
    pub(super) remaining: u64,
    /// Time until the limit is fully available.
    pub(super) reset: Duration,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A limit is exceeded; the one with the longest wait.
    Limit { meter: LimitKind, wait: Duration },
    /// All seats are taken.
    Seats,
}

/// A seat of a request in progress; dropping it frees the seat.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug)]
struct Meters {
    quota: Quota,
    buckets: [Option<Bucket>; LIMIT_KINDS.len()],
    /// Number of requests that reached the limits.
    reached: u64,
    changes: VecDeque<Change>,
}

/// The limits of one simulator.
#[derive(Debug)]
pub(super) struct Limits {
    meters: Mutex<Meters>,
    taken: Arc<AtomicUsize>,
}

impl Limits {
    pub(super) fn new(scenario: &Scenario, now: Instant) -> Self {
        let quota = Quota::of(scenario);
        let mut meters =
            Meters { quota, buckets: [const { None }; LIMIT_KINDS.len()], reached: 0, changes: scenario.change.clone().into() };
        meters.set(now);
        Self { meters: Mutex::new(meters), taken: Arc::default() }
    }

    fn meters(&self) -> MutexGuard<'_, Meters> {
        self.meters.lock()
    }

    /// Admits or refuses a request. Returns the state of its limits afterwards.
    pub(super) fn admit(&self, charge: &Charge, now: Instant) -> (Result<Seat, Refusal>, Vec<LimitState>) {
        let mut meters = self.meters();
        meters.count(now);
        let passage = meters.pass(charge, &self.taken);
        (passage, meters.states(charge))
    }

    /// Charges produced output.
    pub(super) fn produced(&self, tokens: u64, now: Instant) {
        if let Some(bucket) = &mut self.meters().buckets[LimitKind::Output as usize] {
            bucket.fill(now);
            bucket.take(tokens);
        }
    }
}

impl Meters {
    /// Gives every bucket the rate of the quota.
    fn set(&mut self, now: Instant) {
        for meter in LIMIT_KINDS {
            let (rate, capacity) = self.quota.of_meter(meter);
            let bucket = &mut self.buckets[meter as usize];
            match bucket {
                _ if rate <= 0.0 => *bucket = None,
                Some(bucket) => bucket.set(rate, capacity, now),
                None => *bucket = Some(Bucket::new(rate, capacity, now)),
            }
        }
    }

    /// Counts a request, applies due changes, and refills the buckets.
    fn count(&mut self, now: Instant) {
        while let Some(change) = self.changes.pop_front_if(|change| change.after_requests <= self.reached) {
            self.quota.change(&change);
            self.set(now);
        }
        self.reached += 1;
        self.buckets.iter_mut().flatten().for_each(|bucket| bucket.fill(now));
    }

    fn pass(&mut self, charge: &Charge, taken: &Arc<AtomicUsize>) -> Result<Seat, Refusal> {
        let waits = charge.iter().filter_map(|(meter, amount)| {
            let wait = self.buckets[*meter as usize].as_ref()?.wait(*amount);
            Some((*meter, wait)).filter(|_| !wait.is_zero())
        });
        if let Some((meter, wait)) = waits.max_by_key(|(_, wait)| *wait) {
            return Err(Refusal::Limit { meter, wait });
        }
        // A request without a free seat still counts as a request.
        let seats = self.quota.concurrency;
        let before = taken.fetch_add(1, Ordering::AcqRel);
        let seat = Seat(Arc::clone(taken));
        let has_seat = seats == 0 || before < seats;
        for (meter, amount) in charge {
            if let Some(bucket) = &mut self.buckets[*meter as usize]
                && (has_seat || *meter == LimitKind::Requests)
            {
                bucket.take(*amount);
            }
        }
        if has_seat { Ok(seat) } else { Err(Refusal::Seats) }
    }

    fn states(&self, charge: &Charge) -> Vec<LimitState> {
        let state = |(meter, _): &(LimitKind, u64)| {
            let bucket = self.buckets[*meter as usize].as_ref()?;
            let (limit, _) = self.quota.of_meter(*meter);
            Some(LimitState { meter: *meter, limit: limit.ceil(), remaining: bucket.remaining(), reset: bucket.reset() })
        };
        charge.iter().filter_map(state).collect()
    }
}
