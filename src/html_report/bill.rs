//! The bill: what was asked, what it cost, and what reuse has saved.

use crate::model::{LedgerSum, Money, Row, Usage};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Maximum number of lines. Further tasks and models count as `(others)`.
const MAX_LINES: usize = 200;

/// The bill of the shown results.
#[derive(Debug, Default, Serialize)]
pub struct Bill {
    /// Documents with at least one call.
    pub documents: u64,
    /// By task and model.
    pub lines: Vec<Line>,
    /// By model.
    pub models: Vec<Line>,
    /// The sum of the lines.
    pub all: Line,
    /// Mean known cost of a document, in US dollars.
    pub per_document: f64,
    /// Cost of all requests of the directory beyond the lines: repeated runs, other jobs, lost
    /// requests.
    pub beyond: f64,
    /// Requests without a response that may be billed too, and their maximum cost.
    pub maybe_billed: (u64, Option<f64>),
    /// Answers that identical documents share, and what asking again would have cost.
    pub shared: (u64, f64),
    /// Answers of earlier runs that the last run used again.
    pub reused: u64,
    /// Documents that the last run left as they were.
    pub up_to_date: u64,
    /// Savings by the provider's prompt cache in the last run.
    pub cache_saved: Option<f64>,
    #[serde(skip)]
    sums: BTreeMap<(String, String), Line>,
    #[serde(skip)]
    shared_by_task: BTreeMap<String, u64>,
}

/// Sums over calls.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Line {
    /// The task.
    pub task: String,
    /// The model that answered.
    pub model: String,
    /// Number of calls.
    pub calls: u64,
    /// HTTP requests of these calls.
    pub requests: u64,
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Input tokens from the provider's prompt cache.
    pub cached: u64,
    /// Output tokens.
    pub output: u64,
    /// Known cost in US dollars.
    pub usd: f64,
    /// Calls of unknown cost.
    pub unpriced: u64,
}

impl Line {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.requests += other.requests;
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
        self.usd += other.usd;
        self.unpriced += other.unpriced;
    }
}

impl Bill {
    /// Adds the calls of a row.
    pub fn add(&mut self, row: &Row) {
        self.documents += u64::from(!row.calls.is_empty());
        for call in &row.calls {
            if call.shared_from.is_some() {
                *self.shared_by_task.entry(call.task.clone()).or_default() += 1;
            }
            let model = call.model.clone().unwrap_or_else(|| row.model.clone());
            let mut key = (call.task.clone(), model);
            if self.sums.len() >= MAX_LINES && !self.sums.contains_key(&key) {
                key = ("(others)".to_owned(), String::new());
            }
            let Usage { output, cache_read, .. } = call.usage;
            self.sums.entry(key).or_default().add(&Line {
                calls: 1,
                requests: u64::from(call.attempts),
                input: call.usage.input(),
                cached: cache_read,
                output,
                usd: call.cost_usd.map_or(0.0, Money::usd),
                unpriced: u64::from(call.cost_usd.is_none() && call.attempts > 0),
                ..Line::default()
            });
        }
    }

    /// Sums the lines. `summary` is that of the last run, and `ledger` has the sums over all runs.
    pub fn finish(mut self, summary: &Value, ledger: &LedgerSum) -> Self {
        let mut models: BTreeMap<String, Line> = BTreeMap::new();
        for ((task, model), sum) in std::mem::take(&mut self.sums) {
            self.all.add(&sum);
            models.entry(model.clone()).or_default().add(&sum);
            self.lines.push(Line { task, model, ..sum });
        }
        self.lines.sort_by(|a, b| b.usd.total_cmp(&a.usd).then(b.output.cmp(&a.output)));
        self.models = models.into_iter().map(|(model, sum)| Line { model, ..sum }).collect();
        self.per_document = if self.documents > 0 { self.all.usd / self.documents as f64 } else { 0.0 };
        self.beyond = (ledger.cost.usd.usd() - self.all.usd).max(0.0);
        for (task, shared) in std::mem::take(&mut self.shared_by_task) {
            let (paid, usd) =
                self.lines.iter().filter(|line| line.task == task).fold((0, 0.0), |(n, usd), line| (n + line.calls, usd + line.usd));
            let each = if paid > shared { usd / (paid - shared) as f64 } else { 0.0 };
            self.shared = (self.shared.0 + shared, self.shared.1 + each * shared as f64);
        }
        let run = &summary[0]["whole_run"];
        self.reused = run["calls_reused"].as_u64().unwrap_or(0);
        self.up_to_date = run["up_to_date"].as_u64().unwrap_or(0);
        self.cache_saved = run["cache_saved_usd"].as_f64().filter(|usd| *usd > 0.0);
        self.maybe_billed = (ledger.maybe_billed, ledger.maybe_billed_at_most_usd.map(Money::usd));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_add_up_and_shared_answers_are_saved_money() {
        let call = |model: &str, usd: f64, shared: Option<&str>| {
            json!({"task": "t", "status": "ok", "model": model, "shared_from": shared, "attempts": u8::from(shared.is_none()), "seconds": 1.0,
                "usage": {"uncached_input": 10, "cache_read": 0, "cache_write": 0, "output": 2}, "cost_usd": usd})
        };
        let mut bill = Bill::default();
        for calls in [json!([call("a", 0.5, None)]), json!([call("b", 0.25, None), call("a", 0.0, Some("x"))]), json!([])] {
            let row = json!({"status": "ok", "job": "j", "provider": "p", "model": "m", "answers": {}, "calls": calls});
            bill.add(&Row::read(0, "d", &row.to_string()).expect("a row"));
        }
        let cost = crate::model::Bill { usd: Money::from_usd(1.0), ..Default::default() };
        let ledger = LedgerSum { cost, maybe_billed: 2, maybe_billed_at_most_usd: Some(Money::from_usd(0.5)), ..LedgerSum::default() };
        let bill = bill.finish(&json!([{"whole_run": {"calls_reused": 3}}]), &ledger);
        assert_eq!((bill.documents, bill.all.calls, bill.lines.len(), bill.models.len()), (2, 3, 2, 2));
        assert!((bill.all.usd - 0.75).abs() < 1e-9 && (bill.beyond - 0.25).abs() < 1e-9 && (bill.per_document - 0.375).abs() < 1e-9);
        assert_eq!((bill.reused, bill.shared.0), (3, 1));
        assert_eq!(bill.maybe_billed, (2, Some(0.5)));
        assert!((bill.shared.1 - 0.375).abs() < 1e-9, "{:?}", bill.shared);
    }
}
