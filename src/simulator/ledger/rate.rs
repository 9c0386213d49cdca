//! When requests were served: the first, the last, and the most within one second.
//!
//! Exact, and small: times come in the order of the replies, so only those are kept that an earlier one may still join.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Times from the start of the simulator.
#[derive(Debug, Clone, Default)]
pub(super) struct ServedTimes {
    /// When the requests that are still here came to the limits, and how many did.
    here: BTreeMap<Duration, u32>,
    /// The last time that came.
    latest: Duration,
    /// Served, and perhaps not the next in order.
    unsorted: BinaryHeap<Reverse<Duration>>,
    /// Served and in order: those within a second of the last of them.
    window: VecDeque<Duration>,
    most: u64,
    span: Option<(Duration, Duration)>,
}

impl ServedTimes {
    /// A request comes to the limits.
    pub(super) fn come(&mut self, at: Duration) {
        *self.here.entry(at).or_default() += 1;
        self.latest = self.latest.max(at);
    }

    /// It leaves, served or not.
    pub(super) fn leave(&mut self, at: Duration, served: bool) {
        if let Some(here) = self.here.get_mut(&at) {
            *here -= 1;
            if *here == 0 {
                self.here.remove(&at);
            }
        }
        if served {
            self.unsorted.push(Reverse(at));
            let (first, last) = self.span.unwrap_or((at, at));
            self.span = Some((first.min(at), last.max(at)));
        }
        // Clocks are read before they come here, so the latest is not quite the limit: a second is more than enough.
        let oldest = self.here.first_key_value().map_or(self.latest, |(at, _)| *at);
        while let Some(Reverse(next)) = self.unsorted.peek().copied()
            && next + SECOND <= oldest
        {
            self.unsorted.pop();
            self.count(next);
        }
    }

    fn count(&mut self, next: Duration) {
        while self.window.front().is_some_and(|first| *first + SECOND <= next) {
            self.window.pop_front();
        }
        self.window.push_back(next);
        self.most = self.most.max(self.window.len() as u64);
    }

    /// The first and the last.
    pub(super) fn span(&self) -> Option<(Duration, Duration)> {
        self.span
    }

    /// The most within one second, its end excluded.
    pub(super) fn most_in_a_second(&self) -> u64 {
        let mut all = self.clone();
        while let Some(Reverse(next)) = all.unsorted.pop() {
            all.count(next);
        }
        all.most
    }

    /// How many times are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.here.len() + self.unsorted.len() + self.window.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The most within a second, by looking at all of them.
    fn all_at_once(mut times: Vec<Duration>) -> u64 {
        times.sort_unstable();
        let within = |first: &Duration| times.iter().filter(|time| (*first..*first + SECOND).contains(time)).count();
        times.iter().map(within).max().unwrap_or(0) as u64
    }

    #[test]
    fn whatever_the_order_of_replies_the_counts_are_exact_and_few_times_are_kept() {
        for seed in 0..10 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let (mut times, mut here, mut served, mut now) = (ServedTimes::default(), Vec::new(), Vec::new(), Duration::ZERO);
            for _ in 0..2000 {
                now += Duration::from_millis(dice.u64(0..600));
                times.come(now);
                here.push(now);
                if here.len() > 20 {
                    let at = here.swap_remove(dice.usize(0..here.len()));
                    // Nothing stays for longer than a minute or so.
                    let at = if here[0] + Duration::from_mins(1) < now { std::mem::replace(&mut here[0], at) } else { at };
                    let is_served = dice.f64() < 0.9;
                    times.leave(at, is_served);
                    served.extend(is_served.then_some(at));
                }
                assert!(times.kept() < 500, "{}", times.kept());
            }
            assert_eq!(times.span().unwrap(), (*served.iter().min().unwrap(), *served.iter().max().unwrap()));
            assert_eq!(times.most_in_a_second(), all_at_once(served), "seed {seed}");
        }
    }
}
