//! What the requests of a run were: over time, by task, and how long they took. One pass over the ledger, in memory that does
//! not grow with it.

use super::distribution::{Distribution, Spread};
use crate::model::FailureCode;
use crate::store::AttemptRecord;
use serde::Serialize;
use std::collections::BTreeMap;

/// Stretches of time into which a run is divided.
pub const STRETCHES: u32 = 60;
/// The ledger has times in these.
const MILLISECOND: f64 = 0.001;
/// Tasks that are told apart; a job file may have any number.
const TASKS: usize = 200;

/// Adds up requests.
#[derive(Debug)]
pub struct Activity {
    from_ms: i64,
    /// Milliseconds of a stretch.
    width: f64,
    /// Until when what has not ended counts as in flight.
    to_ms: i64,
    /// Whether a run is at work: then requests without an end are in flight, otherwise nobody knows their end.
    at_work: bool,
    /// What happened in each stretch.
    pub over_time: Vec<Stretch>,
    /// Times of requests that got a reply, in seconds.
    pub latency: Distribution,
    /// Times in line, in seconds.
    pub turn: Distribution,
    /// Input tokens of a request.
    pub input: Distribution,
    /// Output tokens of a request.
    pub output: Distribution,
    /// All requests.
    pub totals: Totals,
    tasks: BTreeMap<String, (Totals, Distribution)>,
}

/// What happened in a stretch of time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Stretch {
    /// Requests that ended.
    pub ended: u64,
    /// Those that the provider refused for its limits or its load.
    pub refused: u64,
    /// Requests in flight, on average.
    pub in_flight: f64,
    /// Money of requests that ended, in US dollars.
    pub usd: f64,
}

/// Sums over requests.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Requests sent.
    pub requests: u64,
    /// Those that brought an answer.
    pub answered: u64,
    /// Those that repeated an earlier one.
    pub retries: u64,
    /// Those that the provider refused for its limits or its load.
    pub refused: u64,
    /// Those in flight, or of which nobody knows the end.
    pub open: u64,
    /// Input tokens, cached or not.
    pub input_tokens: u64,
    /// Those that came from the provider's prompt cache.
    pub cached_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Money, in US dollars, as far as it is known.
    pub usd: f64,
    /// Requests of unknown cost.
    pub unpriced: u64,
    /// Time of all requests, in seconds.
    pub seconds: f64,
}

/// The requests of a task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskUse {
    /// Its name.
    pub task: String,
    /// Sums.
    pub totals: Totals,
    /// Times of requests that got a reply, in seconds.
    pub latency: Option<Spread>,
}

impl Activity {
    /// Nothing yet, of a run between two times in milliseconds since 1970.
    pub fn new(from_ms: i64, to_ms: i64, at_work: bool) -> Self {
        let width = ((to_ms - from_ms) as f64 / f64::from(STRETCHES)).max(1.0 / f64::from(STRETCHES));
        Self {
            from_ms,
            width,
            to_ms,
            at_work,
            over_time: vec![Stretch::default(); STRETCHES as usize],
            latency: Distribution::new(MILLISECOND),
            turn: Distribution::new(MILLISECOND),
            input: Distribution::new(1.0),
            output: Distribution::new(1.0),
            totals: Totals::default(),
            tasks: BTreeMap::new(),
        }
    }

    /// Adds a request.
    pub fn add(&mut self, attempt: &AttemptRecord) {
        let name = attempt.call.split(" (").next().unwrap_or_default();
        let name = if self.tasks.len() < TASKS || self.tasks.contains_key(name) { name } else { "(others)" };
        if !self.tasks.contains_key(name) {
            self.tasks.insert(name.to_owned(), (Totals::default(), Distribution::new(MILLISECOND)));
        }
        if let Some((totals, _)) = self.tasks.get_mut(name) {
            totals.add(attempt);
        }
        self.totals.add(attempt);
        if let Some(queued) = attempt.queued_ms {
            self.turn.add((attempt.sent_ms - queued) as f64 / 1000.0);
        }
        self.flight(attempt);
        let Some(ended) = attempt.ended_ms else { return };
        let stretch = self.stretch_of(ended);
        stretch.ended += 1;
        stretch.refused += u64::from(is_refusal(attempt));
        stretch.usd += attempt.pico_usd.unwrap_or(0) as f64 / 1e12;
        // How soon a refusal comes says nothing about how long an answer takes.
        if !is_refusal(attempt) {
            let seconds = (ended - attempt.sent_ms) as f64 / 1000.0;
            self.latency.add(seconds);
            if let Some((_, latency)) = self.tasks.get_mut(name) {
                latency.add(seconds);
            }
        }
        if attempt.outcome.as_deref() == Some("answered") {
            attempt.input_tokens.into_iter().for_each(|n| self.input.add(n as f64));
            attempt.output_tokens.into_iter().for_each(|n| self.output.add(n as f64));
        }
    }

    /// Seconds of a stretch.
    pub fn stretch_seconds(&self) -> f64 {
        self.width / 1000.0
    }

    /// Tasks, dearest first; where nothing costs anything, those with the most output.
    pub fn tasks(&self) -> Vec<TaskUse> {
        let task = |(task, (totals, latency)): (&String, &(Totals, Distribution))| TaskUse {
            task: task.clone(),
            totals: totals.clone(),
            latency: latency.spread(),
        };
        let mut tasks: Vec<TaskUse> = self.tasks.iter().map(task).collect();
        tasks.sort_by(|a, b| b.totals.usd.total_cmp(&a.totals.usd).then(b.totals.output_tokens.cmp(&a.totals.output_tokens)));
        tasks
    }

    /// Shares the time of a request out to the stretches in which it was in flight.
    fn flight(&mut self, attempt: &AttemptRecord) {
        let end = match attempt.ended_ms {
            Some(ended) => ended,
            None if self.at_work => self.to_ms,
            None => return,
        };
        let [from, to] = [attempt.sent_ms, end].map(|ms| ((ms - self.from_ms) as f64 / self.width).clamp(0.0, f64::from(STRETCHES)));
        for (at, stretch) in self.over_time.iter_mut().enumerate() {
            let begin = at as f64;
            stretch.in_flight += (to.min(begin + 1.0) - from.max(begin)).max(0.0);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was brought between the borders")]
    fn stretch_of(&mut self, ms: i64) -> &mut Stretch {
        let at = ((ms - self.from_ms) as f64 / self.width).clamp(0.0, f64::from(STRETCHES - 1));
        &mut self.over_time[at as usize]
    }
}

impl Totals {
    fn add(&mut self, attempt: &AttemptRecord) {
        self.requests += 1;
        self.answered += u64::from(attempt.outcome.as_deref() == Some("answered"));
        self.retries += u64::from(attempt.attempt > 1);
        self.refused += u64::from(is_refusal(attempt));
        self.input_tokens += attempt.input_tokens.unwrap_or(0);
        self.cached_tokens += attempt.cached_tokens.unwrap_or(0);
        self.output_tokens += attempt.output_tokens.unwrap_or(0);
        let Some(ended) = attempt.ended_ms else {
            self.open += 1;
            return;
        };
        self.seconds += (ended - attempt.sent_ms).max(0) as f64 / 1000.0;
        match attempt.pico_usd {
            Some(pico) => self.usd += pico as f64 / 1e12,
            None => self.unpriced += 1,
        }
    }
}

fn is_refusal(attempt: &AttemptRecord) -> bool {
    let refusals = [FailureCode::RateLimited, FailureCode::Overloaded];
    attempt.outcome.as_deref().and_then(FailureCode::parse).is_some_and(|code| refusals.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(sent_ms: i64, ended_ms: Option<i64>, outcome: Option<&str>) -> AttemptRecord {
        AttemptRecord {
            document: 1,
            call: "assess (material=metal)".into(),
            attempt: 1,
            queued_ms: Some(sent_ms - 500),
            sent_ms,
            ended_ms,
            outcome: outcome.map(ToOwned::to_owned),
            input_tokens: Some(10),
            cached_tokens: Some(0),
            output_tokens: Some(5),
            pico_usd: Some(1_000_000_000_000),
        }
    }

    #[test]
    fn time_in_flight_is_shared_out_to_the_stretches_and_none_of_it_is_lost() {
        let mut activity = Activity::new(1_000_000, 1_060_000, true);
        activity.add(&request(1_000_500, Some(1_003_000), Some("answered")));
        activity.add(&request(1_002_000, Some(1_002_000), Some("rate_limited")));
        activity.add(&request(1_050_000, None, None));
        let in_flight: Vec<f64> = activity.over_time.iter().map(|stretch| stretch.in_flight).collect();
        assert_eq!(in_flight[..4], [0.5, 1.0, 1.0, 0.0]);
        assert!((in_flight.iter().sum::<f64>() - 12.5).abs() < 1e-9, "{in_flight:?}");
        assert_eq!((activity.totals.requests, activity.totals.refused, activity.totals.open), (3, 1, 1));
        assert_eq!(activity.latency.spread().map(|spread| spread.count), Some(1), "a refusal has no latency");
        assert_eq!(activity.tasks().len(), 1);
        assert!((activity.over_time[3].usd - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_of_no_length_and_a_clock_that_was_set_back_are_taken() {
        let mut activity = Activity::new(5, 5, false);
        activity.add(&request(9_000, Some(2), Some("answered")));
        activity.add(&request(i64::from(u32::MAX), None, None));
        assert_eq!(activity.over_time.iter().map(|stretch| stretch.ended).sum::<u64>(), 1);
    }
}
