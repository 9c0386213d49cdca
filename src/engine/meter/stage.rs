//! What the slots of a stage do: work, wait for input, or wait for room further on.

use crate::failpoint;
use crate::model::{StageUse, WaitReason};
use futures::poll;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// One stage: what went through, and what its slots did. Times are integrals over its slots, kept up to date at each
/// change, so that what is under way counts too.
#[derive(Debug)]
pub struct StageMeter {
    name: &'static str,
    done: AtomicU64,
    slots: Mutex<Slots>,
    /// For measurements alone.
    off: bool,
}

#[derive(Debug)]
struct Slots {
    count: usize,
    /// Those at work.
    working: usize,
    /// Those that wait for memory.
    held: usize,
    /// Whether there is no room further on, so that nobody who is done can begin anew.
    full: bool,
    /// Until when the sums reach.
    at: Instant,
    /// Seconds of all slots.
    sums: Sums,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    all: f64,
    working: f64,
    blocked: f64,
}

impl Slots {
    fn advance(&mut self) {
        let now = Instant::now();
        let passed = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        let working = self.working.min(self.count);
        let idle = self.count - working;
        let blocked = if self.full { idle } else { self.held.min(idle) };
        self.sums.all += passed * self.count as f64;
        self.sums.working += passed * working as f64;
        self.sums.blocked += passed * blocked as f64;
    }
}

/// Ends a state of a slot.
#[derive(Debug)]
pub struct InState<'m>(&'m StageMeter, fn(&mut Slots));

impl Drop for InState<'_> {
    fn drop(&mut self) {
        self.0.change(self.1);
    }
}

impl StageMeter {
    pub fn new(name: &'static str, slots: usize) -> Self {
        let slots = Slots { count: slots, working: 0, held: 0, full: false, at: Instant::now(), sums: Sums::default() };
        Self { name, done: AtomicU64::new(0), slots: Mutex::new(slots), off: failpoint::is_off("meters") }
    }

    /// Counts `n` pieces of work done.
    pub fn done(&self, n: u64) {
        self.done.fetch_add(n, Relaxed);
    }

    /// How many pieces of work are done.
    pub fn count(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// A slot works for as long as this is kept.
    pub fn working(&self) -> InState<'_> {
        self.begin();
        InState(self, |slots| slots.working = slots.working.saturating_sub(1))
    }

    /// A slot begins to work. Goes with [`StageMeter::end`].
    pub fn begin(&self) {
        self.change(|slots| slots.working += 1);
    }

    /// A slot has ended its work.
    pub fn end(&self) {
        self.change(|slots| slots.working = slots.working.saturating_sub(1));
    }

    /// Adds work that was timed elsewhere.
    pub fn worked(&self, time: Duration) {
        self.change(|slots| slots.sums.working += time.as_secs_f64());
    }

    /// From now on there are so many slots.
    pub fn set_slots(&self, count: usize) {
        self.change(|slots| slots.count = count);
    }

    /// Says whether there is room for more further on.
    pub fn set_full(&self, full: bool) {
        self.change(|slots| slots.full = full);
    }

    /// Waits for room further on: meanwhile slots that do not work are blocked.
    pub async fn room<T>(&self, sending: impl Future<Output = T>) -> T {
        let mut sending = pin!(sending);
        // Mostly there is room.
        if let Poll::Ready(sent) = poll!(sending.as_mut()) {
            return sent;
        }
        self.set_full(true);
        let _room_again = InState(self, |slots| slots.full = false);
        sending.await
    }

    /// Waits for memory: meanwhile one slot is blocked.
    pub async fn memory<T>(&self, taking: impl Future<Output = T>) -> T {
        let mut taking = pin!(taking);
        if let Poll::Ready(taken) = poll!(taking.as_mut()) {
            return taken;
        }
        self.change(|slots| slots.held += 1);
        let _taken = InState(self, |slots| slots.held = slots.held.saturating_sub(1));
        taking.await
    }

    /// Time that all slots together have worked.
    pub fn work(&self) -> Duration {
        Duration::try_from_secs_f64(self.sums().0.working).unwrap_or_default()
    }

    /// Shares of its states. `held` are times, in seconds of all slots, in which others kept them from working.
    pub fn usage(&self, held: Vec<(WaitReason, f64)>) -> StageUse {
        let (sums, slots) = self.sums();
        let all = sums.all.max(f64::MIN_POSITIVE);
        // What was timed elsewhere may overlap by a little. Work comes first, then what kept from it, then the lack of room.
        let mut rest = all;
        let mut share = |seconds: f64| {
            let taken = seconds.clamp(0.0, rest);
            rest -= taken;
            taken / all
        };
        let busy = share(sums.working);
        let in_all: f64 = held.iter().map(|(_, seconds)| seconds).sum();
        let held = held.into_iter().filter(|(_, seconds)| *seconds > 0.0).map(|(why, seconds)| (why, share(seconds))).collect();
        // Who waits for others' turns also keeps the documents that have no room.
        let blocked = share(sums.blocked - in_all);
        StageUse { stage: self.name.into(), done: self.count(), slots, busy, waiting: rest / all, blocked, held }
    }

    fn sums(&self) -> (Sums, usize) {
        let mut slots = self.slots();
        slots.advance();
        (slots.sums, slots.count)
    }

    fn change(&self, change: impl FnOnce(&mut Slots)) {
        if self.off {
            return;
        }
        let mut slots = self.slots();
        slots.advance();
        change(&mut slots);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Sums have no half-written state that a panic elsewhere could leave behind.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(usage: &StageUse) -> f64 {
        usage.busy + usage.waiting + usage.blocked + usage.held.values().sum::<f64>()
    }

    #[test]
    fn states_add_up_to_the_whole_time() {
        let meter = StageMeter::new("read", 4);
        {
            let _one = meter.working();
            let _two = meter.working();
            meter.set_full(true);
            std::thread::yield_now();
        }
        meter.worked(Duration::from_nanos(1));
        for held in [vec![], vec![(WaitReason::Requests, 1e-9), (WaitReason::Ledger, 1e9)]] {
            let usage = meter.usage(held);
            assert!((sum(&usage) - 1.0).abs() < 1e-9, "{usage:?}");
            assert!([usage.busy, usage.waiting, usage.blocked].iter().all(|share| (0.0..=1.0).contains(share)), "{usage:?}");
        }
    }

    #[tokio::test]
    async fn a_slot_that_finds_no_room_is_blocked_and_one_that_finds_it_is_not() {
        let meter = StageMeter::new("read", 1);
        meter.room(std::future::ready(())).await;
        assert!(meter.usage(Vec::new()).blocked.abs() < f64::EPSILON);
        let (let_go, wait) = tokio::sync::oneshot::channel::<()>();
        let (room, ()) = tokio::join!(meter.room(wait), async {
            tokio::task::yield_now().await;
            assert!(meter.slots().full);
            let_go.send(()).expect("somebody waits");
        });
        room.expect("it was let go");
        assert!(!meter.slots().full);
        assert!(meter.usage(Vec::new()).blocked > 0.0);
    }
}
