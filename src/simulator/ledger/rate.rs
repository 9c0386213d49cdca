//! Times of served requests: first, last, and most within one second.
//!
//! The counts are exact with little memory. Times arrive in the order of responses, so only those
//! are kept that an earlier time may still join.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Times since the start of the simulator.
#[derive(Debug, Clone, Default)]
pub(super) struct ServedTimes {
    /// Requests in progress: when they reached the limits, and how many did at that time.
    here: BTreeMap<Duration, u32>,
    /// The latest time.
    latest: Duration,
    /// Served requests that may not be next in order.
    unsorted: BinaryHeap<Reverse<Duration>>,
    /// Served requests in order, within a second of the last one.
    window: VecDeque<Duration>,
    most: u64,
    span: Option<(Duration, Duration)>,
}

impl ServedTimes {
    /// Records that a request reached the limits.
    pub(super) fn come(&mut self, at: Duration) {
        *self.here.entry(at).or_default() += 1;
        self.latest = self.latest.max(at);
    }

    /// Records the end of a request, served or not.
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
        // Clocks are read before this call, so times may arrive slightly late. One second of
        // tolerance is ample.
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

    /// First and last time of a served request.
    pub(super) fn span(&self) -> Option<(Duration, Duration)> {
        self.span
    }

    /// Maximum number of served requests in any second, its end excluded.
    pub(super) fn most_in_a_second(&self) -> u64 {
        let mut all = self.clone();
        while let Some(Reverse(next)) = all.unsorted.pop() {
            all.count(next);
        }
        all.most
    }

    /// Number of times in memory.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.here.len() + self.unsorted.len() + self.window.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The maximum in any second, by brute force.
    fn all_at_once(mut times: Vec<Duration>) -> u64 {
        times.sort_unstable();
        let within = |first: &Duration| times.iter().filter(|time| (*first..*first + SECOND).contains(*time)).count();
        times.iter().map(within).max().unwrap_or(0) as u64
    }

    #[test]
    fn counts_are_exact_for_any_order_of_responses_in_little_memory() {
        for seed in 0..10 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let (mut times, mut here, mut served, mut now) = (ServedTimes::default(), Vec::new(), Vec::new(), Duration::ZERO);
            for _ in 0..2000 {
                now += Duration::from_millis(dice.u64(0..600));
                times.come(now);
                here.push(now);
                if here.len() > 20 {
                    let at = here.swap_remove(dice.usize(0..here.len()));
                    // No request stays for much longer than a minute.
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
