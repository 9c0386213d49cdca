//! Compares the speed of a sequential and a parallel run.

use crate::cli::table;
use crate::insight::speed_up::{busy_ms, ideal, wall_ms, waves};
use crate::model::Bill;
use crate::store::Request;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The task of an aggregation, which waits for the document's other answers.
const COMBINE: &str = "combine";

/// The requests of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Measurement {
    tasks: BTreeMap<String, Spans>,
    /// Calls on each document: analyses, then aggregations.
    documents: BTreeMap<String, [u64; 2]>,
    pub bill: Bill,
}

#[derive(Debug, Clone, Default)]
struct Spans {
    /// When each request was sent and ended, in milliseconds.
    requests: Vec<(i64, i64)>,
    calls: u64,
    answered: u64,
    /// Total time of answered requests, in milliseconds.
    answered_ms: i64,
}

impl Measurement {
    pub fn add(&mut self, request: Request<'_>) {
        // The label of a call is its task, followed by its axes in brackets.
        let task = request.call.split(" (").next().unwrap_or_default();
        let spans = self.tasks.entry(task.to_owned()).or_default();
        spans.requests.push((request.sent_ms, request.ended_ms));
        if request.attempt == 1 {
            spans.calls += 1;
            self.documents.entry(request.document.to_owned()).or_default()[usize::from(task == COMBINE)] += 1;
        }
        if request.answered {
            spans.answered += 1;
            spans.answered_ms += request.ended_ms - request.sent_ms;
        }
    }

    /// All tasks together.
    fn all(&self) -> Spans {
        let mut all = Spans::default();
        for spans in self.tasks.values() {
            all.requests.extend(&spans.requests);
            all.calls += spans.calls;
            all.answered += spans.answered;
            all.answered_ms += spans.answered_ms;
        }
        all
    }
}

impl Spans {
    /// Mean seconds until an answer.
    fn latency(&self) -> f64 {
        self.answered_ms as f64 / 1000.0 / (self.answered as f64).max(1.0)
    }

    fn unanswered(&self) -> u64 {
        self.requests.len() as u64 - self.answered
    }

    fn began(&self) -> Option<i64> {
        self.requests.iter().map(|span| span.0).min()
    }
}

/// A value of both runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Both<T> {
    sequential: T,
    parallel: T,
}

/// Figures of a task, or of all tasks.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Line {
    task: String,
    calls: u64,
    latency_seconds: Both<f64>,
    /// For a task: time with at least one of its calls in flight. For all: time from first to last
    /// request.
    wall_seconds: Both<f64>,
    speed_up: f64,
    /// Speed-up divided by the maximum calls in flight, from 0 to 1.
    efficiency: f64,
    ideal_speed_up: f64,
}

impl Line {
    fn new(task: &str, spans: Both<&Spans>, wall_ms: fn(&[(i64, i64)]) -> i64, concurrency: u64) -> Self {
        let Both { sequential, parallel } = spans;
        let wall = |spans: &Spans| wall_ms(&spans.requests) as f64 / 1000.0;
        let wall_seconds = Both { sequential: wall(sequential), parallel: wall(parallel) };
        let speed_up = if wall_seconds.parallel > 0.0 { wall_seconds.sequential / wall_seconds.parallel } else { 1.0 };
        let calls = parallel.calls;
        Self {
            task: task.to_owned(),
            calls,
            latency_seconds: Both { sequential: sequential.latency(), parallel: parallel.latency() },
            wall_seconds,
            speed_up,
            efficiency: speed_up / calls.clamp(1, concurrency) as f64,
            ideal_speed_up: ideal(calls, concurrency),
        }
    }

    fn cells(&self) -> Vec<String> {
        let seconds = |seconds: f64| format!("{seconds:.2} s");
        vec![
            self.task.clone(),
            self.calls.to_string(),
            seconds(self.latency_seconds.sequential),
            seconds(self.latency_seconds.parallel),
            seconds(self.wall_seconds.sequential),
            seconds(self.wall_seconds.parallel),
            format!("{:.2}", self.speed_up),
            format!("{:.2}", self.ideal_speed_up),
            format!("{:.0} %", 100.0 * self.efficiency),
        ]
    }
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Comparison {
    concurrency: u64,
    tasks: Vec<Line>,
    all: Line,
    /// The ideal speed-up if aggregations wait for their answers, and documents go in order.
    reachable_speed_up: f64,
    /// Requests without an answer.
    unanswered_requests: Both<u64>,
    cost_usd: Both<Value>,
    #[serde(skip)]
    bills: Both<Bill>,
}

impl Comparison {
    pub fn of(sequential: &Measurement, parallel: &Measurement, concurrency: u64) -> Self {
        let none = Spans::default();
        let mut tasks: Vec<(&String, &Spans)> = sequential.tasks.iter().collect();
        tasks.sort_by_key(|(_, spans)| spans.began());
        let task = |(name, spans): (&String, &Spans)| {
            let both = Both { sequential: spans, parallel: parallel.tasks.get(name).unwrap_or(&none) };
            Line::new(name, both, busy_ms, concurrency)
        };
        let (all_sequential, all_parallel) = (sequential.all(), parallel.all());
        let steps: Vec<Vec<u64>> = parallel.documents.values().map(|steps| steps.to_vec()).collect();
        let cost = |bill: Bill| json!(bill.exact().map(crate::model::Money::usd));
        Self {
            concurrency,
            tasks: tasks.into_iter().map(task).collect(),
            all: Line::new("all", Both { sequential: &all_sequential, parallel: &all_parallel }, wall_ms, concurrency),
            reachable_speed_up: all_parallel.calls as f64 / (waves(&steps, concurrency) as f64).max(1.0),
            unanswered_requests: Both { sequential: all_sequential.unanswered(), parallel: all_parallel.unanswered() },
            cost_usd: Both { sequential: cost(sequential.bill), parallel: cost(parallel.bill) },
            bills: Both { sequential: sequential.bill, parallel: parallel.bill },
        }
    }

    /// Formats the comparison as text.
    pub fn lines(&self) -> Vec<String> {
        /// Ratio of parallel to sequential response time from which a note is added.
        const SLOWER: f64 = 1.1;
        let heads = ["task", "calls", "latency seq.", "latency par.", "sequential", "parallel", "speed-up", "ideal", "efficiency"];
        let rows = self.tasks.iter().chain([&self.all]).map(Line::cells);
        let mut lines = table::lines(&[heads.map(str::to_owned).to_vec()].into_iter().chain(rows).collect::<Vec<_>>(), true);
        let Self { concurrency, all, reachable_speed_up: reachable, .. } = self;
        lines.push(String::new());
        lines.push(format!(
            "{concurrency} calls at a time are {:.1} times as fast as one after another ({:.2} s / {:.2} s from the first request to \
                the last response): {:.0} % of the ideal, which is calls / ceil(calls / {concurrency})",
            all.speed_up,
            all.wall_seconds.sequential,
            all.wall_seconds.parallel,
            100.0 * all.speed_up / all.ideal_speed_up
        ));
        if *reachable < all.ideal_speed_up {
            let share = 100.0 * all.speed_up / reachable;
            lines
                .push(format!("aggregations wait for their answers, so at most {reachable:.2} can be reached; this is {share:.0} % of it"));
        }
        if self.tasks.len() > 1 {
            lines.push(
                "the time of a task is the time with at least one of its calls in flight; its ideal assumes no other tasks".to_owned(),
            );
        }
        let slower = all.latency_seconds.parallel / all.latency_seconds.sequential;
        if slower > SLOWER {
            lines.push(format!(
                "a call takes {slower:.1} times as long in the parallel run: the server slows down under load, so more calls at a time help less"
            ));
        }
        let Both { sequential, parallel } = self.unanswered_requests;
        if sequential + parallel > 0 {
            lines.push(format!("requests without an answer: {sequential} sequential, {parallel} parallel"));
        }
        lines.push(format!("cost: {} sequential, {} parallel", self.bills.sequential, self.bills.parallel));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of 100 ms each, given by label and time of sending.
    fn measurement(calls: &[(&str, i64)]) -> Measurement {
        let mut measurement = Measurement::default();
        for (call, sent_ms) in calls {
            measurement.add(Request { document: "d", call, attempt: 1, sent_ms: *sent_ms, ended_ms: sent_ms + 100, answered: true });
        }
        measurement
    }

    #[test]
    fn tasks_are_compared_by_their_time_in_flight_and_runs_by_their_wall_time() {
        // Two documents: two analyses each, and one aggregation after them.
        let (a, b) = ("assess (material=metal)", "assess (material=wood)");
        let sequential = measurement(&[(a, 0), (b, 100), ("combine", 200), (a, 310), (b, 410), ("combine", 510)]);
        let parallel = measurement(&[(a, 0), (b, 0), (a, 0), (b, 0), ("combine", 100), ("combine", 100)]);
        let found = Comparison::of(&sequential, &parallel, 4);
        let figures = |line: &Line| (line.calls, line.wall_seconds.sequential, line.speed_up, line.ideal_speed_up, line.efficiency);
        assert_eq!(found.tasks.iter().map(|line| line.task.as_str()).collect::<Vec<_>>(), ["assess", "combine"]);
        assert_eq!(figures(&found.tasks[0]), (4, 0.4, 4.0, 4.0, 1.0));
        assert_eq!(figures(&found.tasks[1]), (2, 0.2, 2.0, 2.0, 1.0));
        // The pause of 10 ms between the documents counts for the whole. Six calls are two waves of
        // four.
        assert_eq!(figures(&found.all), (6, 0.61, 0.61 / 0.2, 3.0, 0.61 / 0.2 / 4.0));
        // The four analyses are one wave, and the two aggregations another.
        assert!((found.reachable_speed_up - 3.0).abs() < 1e-9);
        assert!(found.lines().iter().any(|line| line.starts_with("4 calls at a time are 3.0 times as fast")), "{:?}", found.lines());
    }
}
