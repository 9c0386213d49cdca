//! Predicts the duration of a job by simulating its calls as events.
//!
//! Documents arrive in order, at the rate of preparation. As in a run, calls of earlier documents
//! are sent first. The caller draws durations, and an [`Admission`] decides when a call may be
//! sent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

/// How a call depends on other calls of its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The call depends on no other call.
    #[default]
    Alone,
    /// The call leads: calls that follow wait for it.
    Leads,
    /// The call waits for the leading call.
    Follows,
}

/// The properties of a call that affect the schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Index of the task.
    pub task: usize,
    /// The round. Calls of a later round wait for all earlier calls of their document.
    pub round: u8,
    /// Dependency within the round.
    pub order: Order,
    /// Input tokens.
    pub input: f64,
    /// Input tokens from the provider's prompt cache.
    pub cached: f64,
    /// Output tokens.
    pub output: f64,
    /// Maximum output tokens.
    pub max_output: f64,
}

/// Admits calls by the limits of an account.
pub trait Admission {
    /// The amounts reserved for a call.
    type Taken;
    /// Reserves amounts for a call. The error is the time of the next try.
    fn try_take(&mut self, call: &Load, now: f64) -> Result<Self::Taken, f64>;
    /// Settles a finished call. `in_flight` includes it.
    fn ended(&mut self, call: &Load, taken: Self::Taken, in_flight: usize, now: f64);
    /// Checks whether a further call may be in flight beside `in_flight` others. The error is the
    /// time of the next try. It is `None` if time alone does not change the result.
    fn admits(&mut self, in_flight: usize, now: f64) -> Result<(), Option<f64>>;
}

/// The configuration of the pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Machinery {
    /// Maximum number of calls in flight.
    pub concurrency: usize,
    /// Maximum number of documents in progress.
    pub documents: usize,
    /// Documents prepared per second.
    pub prepared_per_s: f64,
    /// Whether other calls of a task wait for its first call.
    pub preflight: bool,
}

/// The result of a simulation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Forecast {
    /// Seconds until the last answer.
    pub wall_s: f64,
    /// Sum of the durations of all calls, in seconds.
    pub busy_s: f64,
    /// Number of calls.
    pub calls: u64,
}

/// An event of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ended { slot: usize },
    Prepared,
    Turn,
}

/// A time with a total order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Time(f64);

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A document in progress.
struct InFlight {
    calls: Vec<Load>,
    round: u8,
    /// Number of unfinished calls in this round.
    open: usize,
    /// Calls that wait for the leading call.
    followers: Vec<Load>,
}

struct Play<A: Admission> {
    machinery: Machinery,
    account: A,
    now: f64,
    events: BinaryHeap<Reverse<(Time, Event)>>,
    waiting: BTreeMap<(usize, u64), Load>,
    arrivals: u64,
    in_flight: Vec<Option<(usize, Load, A::Taken)>>,
    free: Vec<usize>,
    under_way: HashMap<usize, InFlight>,
    /// Calls that wait for the first call of their task, by task. `None` after that call has ended.
    scouts: HashMap<usize, Option<Vec<(usize, Load)>>>,
    forecast: Forecast,
    /// Time of the next turn event. One event is enough; more would query the account needlessly.
    turn_at: f64,
}

/// Simulates the calls of all documents. `draw` returns the duration of a call of a task, in
/// seconds.
pub fn schedule<A: Admission>(
    documents: impl IntoIterator<Item = Vec<Load>>,
    machinery: Machinery,
    account: A,
    mut draw: impl FnMut(usize) -> f64,
) -> Forecast {
    let mut play = Play {
        machinery,
        account,
        now: 0.0,
        events: BinaryHeap::new(),
        waiting: BTreeMap::new(),
        arrivals: 0,
        in_flight: Vec::new(),
        free: Vec::new(),
        under_way: HashMap::new(),
        scouts: HashMap::new(),
        forecast: Forecast::default(),
        turn_at: f64::INFINITY,
    };
    let mut coming = documents.into_iter().filter(|calls| !calls.is_empty()).enumerate().peekable();
    let mut ready: VecDeque<(usize, Vec<Load>)> = VecDeque::new();
    play.events.push(Reverse((Time(0.0), Event::Prepared)));
    while let Some(Reverse((Time(time), event))) = play.events.pop() {
        play.now = time;
        match event {
            Event::Ended { slot } => play.ended(slot),
            // An earlier turn event replaced this one.
            Event::Turn if time < play.turn_at => continue,
            Event::Turn => play.turn_at = f64::INFINITY,
            Event::Prepared => {
                ready.extend(coming.next());
                // Preparation continues at its rate, even if documents wait in `ready`.
                if coming.peek().is_some() {
                    let next = time + 1.0 / machinery.prepared_per_s.max(f64::MIN_POSITIVE);
                    play.events.push(Reverse((Time(next), Event::Prepared)));
                }
            }
        }
        while play.under_way.len() < machinery.documents.max(1)
            && let Some((place, calls)) = ready.pop_front()
        {
            play.under_way.insert(place, InFlight { calls, round: 0, open: 0, followers: Vec::new() });
            play.next_round(place, 0);
        }
        play.send(&mut draw);
    }
    play.forecast
}

impl<A: Admission> Play<A> {
    /// Begins the next round of a document, from round `from` on. Removes a document without
    /// further calls.
    fn next_round(&mut self, place: usize, from: u8) {
        let Some(document) = self.under_way.get_mut(&place) else { return };
        let Some(round) = document.calls.iter().map(|call| call.round).filter(|round| *round >= from).min() else {
            self.under_way.remove(&place);
            return;
        };
        let (now, later): (Vec<Load>, Vec<Load>) = document.calls.iter().partition(|call| call.round == round);
        (document.calls, document.round, document.open) = (later, round, now.len());
        let leads = now.iter().any(|call| call.order == Order::Leads);
        let (followers, first): (Vec<Load>, Vec<Load>) = now.iter().partition(|call| leads && call.order == Order::Follows);
        document.followers = followers;
        for call in first {
            self.line_up(place, call);
        }
    }

    fn line_up(&mut self, place: usize, call: Load) {
        if self.machinery.preflight {
            match self.scouts.entry(call.task) {
                std::collections::hash_map::Entry::Vacant(entry) => drop(entry.insert(Some(Vec::new()))),
                std::collections::hash_map::Entry::Occupied(mut entry) => {
                    if let Some(waiting) = entry.get_mut() {
                        waiting.push((place, call));
                        return;
                    }
                }
            }
        }
        self.arrivals += 1;
        self.waiting.insert((place, self.arrivals), call);
    }

    fn send(&mut self, draw: &mut impl FnMut(usize) -> f64) {
        while let Some((&turn, &call)) = self.waiting.first_key_value() {
            let in_flight = self.in_flight.len() - self.free.len();
            if in_flight >= self.machinery.concurrency {
                return;
            }
            if let Err(wider_at) = self.account.admits(in_flight, self.now) {
                if let Some(at) = wider_at {
                    self.turn_at(at);
                }
                return;
            }
            match self.account.try_take(&call, self.now) {
                Ok(taken) => {
                    self.waiting.remove(&turn);
                    let seconds = draw(call.task);
                    self.forecast.busy_s += seconds;
                    self.forecast.calls += 1;
                    let slot = self.free.pop().unwrap_or_else(|| {
                        self.in_flight.push(None);
                        self.in_flight.len() - 1
                    });
                    self.in_flight[slot] = Some((turn.0, call, taken));
                    self.events.push(Reverse((Time(self.now + seconds), Event::Ended { slot })));
                }
                Err(at) => {
                    self.turn_at(at);
                    return;
                }
            }
        }
    }

    /// Schedules a try of the first waiting call at `at`. An earlier scheduled try takes
    /// precedence.
    fn turn_at(&mut self, at: f64) {
        // The extra microsecond ensures that rounding never stops the clock.
        let at = at.max(self.now) + 1e-6;
        if at < self.turn_at {
            self.turn_at = at;
            self.events.push(Reverse((Time(at), Event::Turn)));
        }
    }

    fn ended(&mut self, slot: usize) {
        let in_flight = self.in_flight.len() - self.free.len();
        let Some((place, call, taken)) = self.in_flight[slot].take() else { return };
        self.free.push(slot);
        self.account.ended(&call, taken, in_flight, self.now);
        self.forecast.wall_s = self.now;
        if let Some(waiting) = self.scouts.insert(call.task, None).flatten() {
            for (place, call) in waiting {
                self.line_up(place, call);
            }
        }
        let Some(document) = self.under_way.get_mut(&place) else { return };
        document.open -= 1;
        let (round, is_over) = (document.round, document.open == 0);
        if call.order == Order::Leads {
            for follower in std::mem::take(&mut document.followers) {
                self.line_up(place, follower);
            }
        }
        if is_over {
            self.next_round(place, round + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account without limits, or with a limit of calls per second.
    struct Open(Option<f64>, f64);

    /// An account that counts its queries.
    struct Asked<'c>(Open, &'c std::cell::Cell<usize>);

    impl Admission for Asked<'_> {
        type Taken = ();
        fn try_take(&mut self, call: &Load, now: f64) -> Result<(), f64> {
            self.1.set(self.1.get() + 1);
            self.0.try_take(call, now)
        }
        fn ended(&mut self, _: &Load, (): (), _: usize, _: f64) {}
        fn admits(&mut self, _: usize, _: f64) -> Result<(), Option<f64>> {
            Ok(())
        }
    }

    #[test]
    fn a_limited_account_is_queried_a_few_times_per_call() {
        let asked = std::cell::Cell::new(0);
        schedule(vec![vec![CALL]; 1000], WIDE, Asked(Open(Some(5.0), 0.0), &asked), |_| 1.0);
        assert!(asked.get() < 5000, "{}", asked.get());
    }

    impl Admission for Open {
        type Taken = ();
        fn try_take(&mut self, _: &Load, now: f64) -> Result<(), f64> {
            match self.0 {
                Some(_) if now < self.1 => Err(self.1),
                Some(per_s) => {
                    self.1 = self.1.max(now) + 1.0 / per_s;
                    Ok(())
                }
                None => Ok(()),
            }
        }
        fn ended(&mut self, _: &Load, (): (), _: usize, _: f64) {}
        fn admits(&mut self, _: usize, _: f64) -> Result<(), Option<f64>> {
            Ok(())
        }
    }

    const CALL: Load = Load { task: 0, round: 0, order: Order::Alone, input: 1.0, cached: 0.0, output: 1.0, max_output: 1.0 };
    const WIDE: Machinery = Machinery { concurrency: 10, documents: 1000, prepared_per_s: f64::INFINITY, preflight: false };

    fn seconds(documents: Vec<Vec<Load>>, machinery: Machinery, account: Open) -> f64 {
        schedule(documents, machinery, account, |_| 1.0).wall_s
    }

    #[test]
    fn calls_go_in_waves() {
        for (calls, waves) in [(10, 1.0), (11, 2.0), (95, 10.0)] {
            assert!((seconds(vec![vec![CALL]; calls], WIDE, Open(None, 0.0)) - waves).abs() < 1e-9);
        }
    }

    #[test]
    fn later_rounds_and_followers_wait() {
        let document = vec![
            Load { order: Order::Leads, ..CALL },
            Load { order: Order::Follows, ..CALL },
            Load { order: Order::Follows, ..CALL },
            Load { round: 2, ..CALL },
        ];
        assert!((seconds(vec![document.clone()], WIDE, Open(None, 0.0)) - 3.0).abs() < 1e-9);
        // One after another, the two documents take 6 s. In parallel they take 3 s.
        let one_at_a_time = Machinery { documents: 1, ..WIDE };
        assert!((seconds(vec![document.clone(), document.clone()], one_at_a_time, Open(None, 0.0)) - 6.0).abs() < 1e-9);
        assert!((seconds(vec![document.clone(), document], WIDE, Open(None, 0.0)) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn limits_and_preparation_bind() {
        let calls = vec![vec![CALL]; 100];
        assert!((seconds(calls.clone(), WIDE, Open(Some(5.0), 0.0)) - (99.0 / 5.0 + 1.0)).abs() < 1e-3);
        let slow = Machinery { prepared_per_s: 2.0, ..WIDE };
        assert!((seconds(calls.clone(), slow, Open(None, 0.0)) - (99.0 / 2.0 + 1.0)).abs() < 1e-6);
        let scouted = Machinery { preflight: true, concurrency: 100, ..WIDE };
        assert!((seconds(calls, scouted, Open(None, 0.0)) - 2.0).abs() < 1e-9);
    }
}
