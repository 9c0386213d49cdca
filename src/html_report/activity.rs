//! Statistics of a run's requests: over time, by task, and by duration. The module needs one pass
//! over the ledger and constant memory.

use super::distribution::{Distribution, Spread};
use crate::model::FailureCode;
use crate::store::AttemptRecord;
use serde::Serialize;
use std::collections::BTreeMap;

/// Number of time intervals in a run.
pub const STRETCHES: u32 = 60;
/// Resolution of times in the ledger, in seconds.
const MILLISECOND: f64 = 0.001;
/// Maximum number of distinct tasks. Further tasks count as `(others)`.
const MAX_TASKS: usize = 200;

/// Collects statistics of requests.
#[derive(Debug)]
pub struct Activity {
    from_ms: i64,
    /// Length of an interval in milliseconds.
    width: f64,
    /// End of the run so far. Unfinished requests count as in flight until then.
    to_ms: i64,
    /// Whether the run is active. If so, requests without an end are in flight; otherwise their end
    /// is unknown.
    at_work: bool,
    /// Statistics per interval.
    pub over_time: Vec<Stretch>,
    /// Durations of requests with a response, in seconds.
    pub latency: Distribution,
    /// Waiting times before requests, in seconds.
    pub turn: Distribution,
    /// Input tokens per request.
    pub input: Distribution,
    /// Output tokens per request.
    pub output: Distribution,
    /// Sums over all requests.
    pub totals: Totals,
    tasks: BTreeMap<String, (Totals, Distribution)>,
}

/// Statistics of one time interval.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Stretch {
    /// Requests that ended in the interval.
    pub ended: u64,
    /// Requests that the provider refused because of its limits or its load.
    pub refused: u64,
    /// Mean number of requests in flight.
    pub in_flight: f64,
    /// Cost of the requests that ended in the interval, in US dollars.
    pub usd: f64,
}

/// Sums over requests.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Requests sent.
    pub requests: u64,
    /// Requests with an answer.
    pub answered: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Requests that the provider refused because of its limits or its load.
    pub refused: u64,
    /// Requests in flight, or with an unknown end.
    pub open: u64,
    /// Input tokens, cached and uncached.
    pub input_tokens: u64,
    /// Input tokens from the provider's prompt cache.
    pub cached_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Known cost in US dollars.
    pub usd: f64,
    /// Calls of unknown cost.
    pub unpriced: u64,
    /// Sum of all durations, in seconds.
    pub seconds: f64,
}

/// Statistics of one task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskUse {
    /// The task's id.
    pub task: String,
    /// Sums over its requests.
    pub totals: Totals,
    /// Durations of requests with a response, in seconds.
    pub latency: Option<Spread>,
}

impl Activity {
    /// Creates empty statistics of a run. The times are in milliseconds since 1970.
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
        let name = if self.tasks.len() < MAX_TASKS || self.tasks.contains_key(name) { name } else { "(others)" };
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
        // The delay of a refusal says nothing about the duration of an answer.
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

    /// Length of an interval in seconds.
    pub fn stretch_seconds(&self) -> f64 {
        self.width / 1000.0
    }

    /// Tasks by cost, highest first, then by output tokens.
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

    /// Adds a request to all intervals in which it was in flight.
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
    fn time_in_flight_is_distributed_over_the_intervals_without_loss() {
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
    fn zero_length_runs_and_clocks_set_back_are_accepted() {
        let mut activity = Activity::new(5, 5, false);
        activity.add(&request(9_000, Some(2), Some("answered")));
        activity.add(&request(i64::from(u32::MAX), None, None));
        assert_eq!(activity.over_time.iter().map(|stretch| stretch.ended).sum::<u64>(), 1);
    }
}
