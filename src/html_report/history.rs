//! Compares past runs.

use super::chart::{Chart, columns};
use super::number::{percent, plain, usd};
use crate::model::LedgerSum;
use crate::store::{Archive, Requests, RunRecord, StoreError};
use serde::Serialize;
use serde_json::Value;

/// Maximum number of runs shown; the newest are kept.
const SHOWN: usize = 40;

/// Figures of one run.
#[derive(Debug, Serialize)]
pub struct PastRun {
    /// Number of the run.
    pub run: i64,
    /// When it began, in UTC.
    pub started: String,
    /// `complete`, `sample` or `stopped`. `None` for a run without an end.
    pub outcome: Option<String>,
    /// Names of its jobs.
    pub jobs: String,
    /// Number of documents, if the walk was complete.
    pub documents: Option<u64>,
    /// Requests sent.
    pub requests: u64,
    /// Requests per second.
    pub requests_per_second: Option<f64>,
    /// Duration in seconds.
    pub wall_seconds: Option<f64>,
    /// Cost in US dollars; `None` if a price is not known.
    pub usd: Option<f64>,
    /// Share of documents without a complete answer.
    pub failed: Option<f64>,
}

/// The newest runs, oldest first.
pub fn past_runs(archive: &Archive, runs: &[RunRecord]) -> Result<Vec<PastRun>, StoreError> {
    let run = |run: &RunRecord| {
        let (figures, summaries) = (parsed(run.figures.as_deref()), parsed(run.summary.as_deref()));
        let LedgerSum { requests, cost: bill, .. } = archive.ledger(Requests::Of(run.id))?;
        let documents = |wanted: fn(&str) -> bool| -> u64 {
            let statuses = summaries.as_array().into_iter().flatten().filter_map(|job| job["documents"].as_object()).flatten();
            statuses.filter(|(status, _)| wanted(status)).filter_map(|(_, n)| n.as_u64()).sum()
        };
        let (all, failed) = (documents(|_| true), documents(|status| !matches!(status, "ok" | "skipped")));
        Ok(PastRun {
            run: run.id,
            started: run.started.clone(),
            outcome: run.outcome.clone(),
            jobs: run.jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", "),
            documents: run.documents,
            requests,
            requests_per_second: figures["requests_per_second"].as_f64().filter(|_| requests > 0),
            wall_seconds: figures["wall_seconds"].as_f64(),
            usd: bill.exact().map(crate::model::Money::usd),
            failed: (all > 0).then(|| failed as f64 / all as f64),
        })
    };
    runs[runs.len().saturating_sub(SHOWN)..].iter().map(run).collect()
}

/// Charts of runs that sent requests; empty for fewer than two.
pub fn charts(runs: &[PastRun]) -> Vec<Chart> {
    let sent: Vec<&PastRun> = runs.iter().filter(|run| run.requests > 0).collect();
    if sent.len() < 2 {
        return Vec::new();
    }
    let values = |of: fn(&PastRun) -> Option<f64>| sent.iter().map(|run| (run.run, of(run))).collect::<Vec<_>>();
    let charts = [
        columns("Throughput by run, requests a second", &values(|run| run.requests_per_second), plain),
        columns("Cost by run, US dollars", &values(|run| run.usd), usd),
        columns("Documents without a complete answer, by run", &values(|run| run.failed), percent),
    ];
    charts.into_iter().flatten().collect()
}

/// Parses JSON from the store. Null without a text or if it is invalid.
pub(super) fn parsed(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
