//! Measures the slots of a stage: working, waiting for input, or blocked by the next stage.

use crate::failpoint;
use crate::model::{StageUse, WaitReason};
use futures::poll;
use parking_lot::{Mutex, MutexGuard};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Counts the finished items of a stage and the time that its slots spend in each state.
///
/// Times are integrals over the slots. Each change updates them, so they include unfinished work.
#[derive(Debug)]
pub struct StageMeter {
    name: &'static str,
    done: AtomicU64,
    slots: Mutex<Slots>,
    /// Turns metering off, to measure its cost.
    off: bool,
}

#[derive(Debug)]
struct Slots {
    count: usize,
    /// Slots that work.
    working: usize,
    /// Slots that wait for memory.
    held: usize,
    /// Whether the next stage has no room, so that idle slots are blocked.
    full: bool,
    /// Time of the last update of the sums.
    at: Instant,
    /// Seconds, summed over all slots.
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

/// Ends the state of a slot when dropped.
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

    /// Counts `n` finished items.
    pub fn done(&self, n: u64) {
        self.done.fetch_add(n, Relaxed);
    }

    /// The number of finished items.
    pub fn count(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Marks a slot as working until the guard is dropped.
    pub fn working(&self) -> InState<'_> {
        self.begin();
        InState(self, |slots| slots.working = slots.working.saturating_sub(1))
    }

    /// Marks a slot as working until [`StageMeter::end`].
    pub fn begin(&self) {
        self.change(|slots| slots.working += 1);
    }

    /// Marks a slot as idle.
    pub fn end(&self) {
        self.change(|slots| slots.working = slots.working.saturating_sub(1));
    }

    /// Adds work that was timed elsewhere.
    pub fn worked(&self, time: Duration) {
        self.change(|slots| slots.sums.working += time.as_secs_f64());
    }

    /// Sets the number of slots from now on.
    pub fn set_slots(&self, count: usize) {
        self.change(|slots| slots.count = count);
    }

    /// Sets whether the next stage is full.
    pub fn set_full(&self, full: bool) {
        self.change(|slots| slots.full = full);
    }

    /// Waits for room in the next stage. Meanwhile idle slots count as blocked.
    pub async fn room<T>(&self, sending: impl Future<Output = T>) -> T {
        let mut sending = pin!(sending);
        // Usually there is room.
        if let Poll::Ready(sent) = poll!(sending.as_mut()) {
            return sent;
        }
        self.set_full(true);
        let _room_again = InState(self, |slots| slots.full = false);
        sending.await
    }

    /// Waits for memory. Meanwhile one slot counts as blocked.
    pub async fn memory<T>(&self, taking: impl Future<Output = T>) -> T {
        let mut taking = pin!(taking);
        if let Poll::Ready(taken) = poll!(taking.as_mut()) {
            return taken;
        }
        self.change(|slots| slots.held += 1);
        let _taken = InState(self, |slots| slots.held = slots.held.saturating_sub(1));
        taking.await
    }

    /// Working time, summed over all slots.
    pub fn work(&self) -> Duration {
        Duration::try_from_secs_f64(self.sums().0.working).unwrap_or_default()
    }

    /// The shares of the states. `held` are seconds, summed over all slots, in which requests were
    /// held back.
    pub fn usage(&self, held: Vec<(WaitReason, f64)>) -> StageUse {
        let (sums, slots) = self.sums();
        let all = sums.all.max(f64::MIN_POSITIVE);
        // Times measured elsewhere may overlap slightly. Work takes its share first, then the
        // reasons for waiting, then the lack of room.
        let mut rest = all;
        let mut share = |seconds: f64| {
            let taken = seconds.clamp(0.0, rest);
            rest -= taken;
            taken / all
        };
        let busy = share(sums.working);
        let in_all: f64 = held.iter().map(|(_, seconds)| seconds).sum();
        let held = held.into_iter().filter(|(_, seconds)| *seconds > 0.0).map(|(why, seconds)| (why, share(seconds))).collect();
        // Held requests also keep documents without room, so their time is subtracted.
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
        self.slots.lock()
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
    async fn a_slot_is_blocked_only_while_there_is_no_room() {
        let meter = StageMeter::new("read", 1);
        meter.room(std::future::ready(())).await;
        assert!(meter.usage(Vec::new()).blocked.abs() < f64::EPSILON);
        let (make_room, wait) = tokio::sync::oneshot::channel::<()>();
        let (room, ()) = tokio::join!(meter.room(wait), async {
            tokio::task::yield_now().await;
            assert!(meter.slots().full);
            make_room.send(()).expect("the receiver waits");
        });
        room.expect("there is room");
        assert!(!meter.slots().full);
        assert!(meter.usage(Vec::new()).blocked > 0.0);
    }
}
