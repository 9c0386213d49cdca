//! Runs that are worse than those before them.

use crate::insight::proportion::Share;
use crate::insight::regression::{Regression, Worse, regression};
use crate::model::Money;
use crate::store::{Pace, RunRecord};
use serde_json::{Value, json};

/// Runs with fewer requests tell too little.
const LEAST_REQUESTS: u64 = 30;
/// Maximum ratio of requests between runs of about the same size.
const ALIKE: u64 = 4;
/// Minimum rise of the share of failures to report.
const LEAST_FAILURES: f64 = 0.01;

/// Settings that comparable runs share.
const COMPARABLE: [&str; 4] = ["llm.provider", "llm.base_url", "llm.model", "llm.concurrency"];

/// A run that can be compared.
pub(super) struct Past {
    id: i64,
    /// Jobs, model and other settings that decide about its pace.
    kind: Vec<Value>,
    requests_per_second: Option<f64>,
    pace: Pace,
}

impl Past {
    /// The figures of a run; `None` if it did not end or sent few requests.
    pub fn of(run: &RunRecord, figures: &Value, pace: Pace) -> Option<Self> {
        let settings: Value = serde_json::from_str(&run.settings).unwrap_or_default();
        let jobs = json!(run.jobs.iter().map(|job| &job.name).collect::<Vec<_>>());
        let kind = [jobs].into_iter().chain(COMPARABLE.map(|key| settings[key].clone())).collect();
        let enough = run.ended.is_some() && pace.requests >= LEAST_REQUESTS;
        enough.then(|| Self { id: run.id, kind, requests_per_second: figures["requests_per_second"].as_f64(), pace })
    }

    /// Whether both runs sent about as many requests. The start and end of a run weigh more in a small
    /// one.
    fn is_of_the_size_of(&self, other: &Self) -> bool {
        let (one, another) = (self.pace.requests, other.pace.requests);
        one.max(another) <= ALIKE * one.min(another)
    }

    fn failures(&self) -> Share {
        Share { of: self.pace.failed, n: self.pace.requests }
    }

    fn cost_per_document(&self) -> Option<f64> {
        self.pace.bill.exact().map(|bill| bill.usd() / self.pace.documents as f64)
    }
}

/// Lists the measures in which `run`, the last of `past`, is worse than comparable earlier runs.
pub(super) fn regressions(past: &[Past], run: i64) -> Vec<Value> {
    let Some((now, earlier)) = past.split_last().filter(|(now, _)| now.id == run) else { return Vec::new() };
    let of = |figure: &dyn Fn(&Past) -> Option<f64>| -> Vec<(i64, f64)> {
        earlier.iter().filter(|past| past.kind == now.kind).filter_map(|past| Some((past.id, figure(past)?))).collect()
    };
    let mut found = Vec::new();
    let mut say = |measure: &str, now: f64, Regression { runs, median }: Regression, text: &dyn Fn(&str, f64) -> String| {
        let change = if median > 0.0 { 100.0 * (now - median).abs() / median } else { 0.0 };
        let text = text(&these(&runs), change);
        found.push(json!({"measure": measure, "now": now, "median": median, "runs": runs, "text": text}));
    };
    if let Some(rate) = now.requests_per_second
        && let Some(worse) =
            regression(&of(&|past| past.requests_per_second.filter(|_| now.is_of_the_size_of(past))), rate, Worse::Lower, 0.0)
    {
        let median = worse.median;
        say("requests_per_second", rate, worse, &|runs, change| {
            format!("{change:.0} % slower than {runs} ({rate:.1} requests/s, median {median:.1})")
        });
    }
    if let Some(ms) = now.pace.median_ms
        && let Some(worse) = regression(&of(&|past| past.pace.median_ms), ms, Worse::Higher, 0.0)
    {
        let (now, median) = (ms / 1000.0, worse.median / 1000.0);
        say("median_request_ms", ms, worse, &|runs, change| {
            format!("answers take {change:.0} % longer than in {runs} ({now:.2} s, median {median:.2} s)")
        });
    }
    if let Some(usd) = now.cost_per_document()
        && let Some(worse) = regression(&of(&Past::cost_per_document), usd, Worse::Higher, 0.0)
    {
        let (now, median) = (Money::from_usd(usd), Money::from_usd(worse.median));
        say("cost_per_document_usd", usd, worse, &|runs, change| {
            format!("a document costs {change:.0} % more than in {runs} ({now}, median {median})")
        });
    }
    // The low end of the interval: a failure or two among few requests are chance.
    let (failures, low) = (now.failures(), now.failures().interval()[0]);
    if let Some(worse) = regression(&of(&|past| past.failures().value()), low, Worse::Higher, LEAST_FAILURES) {
        let (share, median) = (failures.value().unwrap_or_default(), worse.median);
        say("failed_requests_share", share, worse, &|runs, _| {
            format!(
                "{:.1} % of requests failed ({} of {}), median of {runs} {:.1} %",
                100.0 * share,
                failures.of,
                failures.n,
                100.0 * median
            )
        });
    }
    found
}

/// `runs 3 to 6`, or their numbers where some between them are not among them.
fn these(runs: &[i64]) -> String {
    match (runs.first(), runs.last()) {
        (Some(first), Some(last)) if runs.iter().copied().eq(*first..=*last) => format!("runs {first} to {last}"),
        _ => format!("runs {}", runs.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Bill;

    /// A run with 100 requests about 10 documents.
    fn run(id: i64, rate: f64, ms: f64, usd: f64, failed: u64) -> Past {
        let bill = Bill { usd: Money::from_usd(usd), unpriced_calls: 0 };
        let pace = Pace { requests: 100, failed, documents: 10, bill, median_ms: Some(ms) };
        Past { id, kind: vec![json!("m")], requests_per_second: Some(rate), pace }
    }

    fn texts(past: &[Past]) -> Vec<String> {
        regressions(past, past.last().unwrap().id).iter().map(|found| found["text"].as_str().unwrap().to_owned()).collect()
    }

    fn steady() -> Vec<Past> {
        [(3, 12.0), (4, 12.3), (5, 12.1), (6, 12.1)].map(|(id, rate)| run(id, rate, 200.0 + rate, 0.5, 1)).into()
    }

    #[test]
    fn every_regression_is_told_with_its_numbers() {
        let mut past = steady();
        past.push(run(7, 7.5, 318.15, 1.0, 30));
        assert_eq!(
            texts(&past),
            [
                "38 % slower than runs 3 to 6 (7.5 requests/s, median 12.1)",
                "answers take 50 % longer than in runs 3 to 6 (0.32 s, median 0.21 s)",
                "a document costs 100 % more than in runs 3 to 6 ($0.100000, median $0.050000)",
                "30.0 % of requests failed (30 of 100), median of runs 3 to 6 1.0 %",
            ]
        );
    }

    #[test]
    fn chance_and_runs_of_another_kind_are_not_pointed_at() {
        let mut past = steady();
        // Three failures instead of one, and a tenth slower.
        past.push(run(7, 10.9, 220.0, 0.55, 3));
        assert!(texts(&past).is_empty(), "{:?}", texts(&past));
        let other = Past { kind: vec![json!("other")], ..run(8, 1.0, 2000.0, 9.0, 50) };
        past.push(other);
        assert!(texts(&past).is_empty(), "{:?}", texts(&past));
        past.push(run(9, 7.5, 212.0, 0.5, 1));
        assert_eq!(texts(&past), ["38 % slower than runs 3 to 7 (7.5 requests/s, median 12.1)"]);
        // One that sent a tenth of the requests takes its time to begin and to end.
        let mut small = run(10, 3.0, 212.0, 0.5, 0);
        small.pace =
            Pace { requests: 10, failed: 0, documents: 1, bill: Bill { usd: Money::from_usd(0.05), unpriced_calls: 0 }, ..small.pace };
        past.push(small);
        assert!(texts(&past).is_empty(), "{:?}", texts(&past));
        past.pop();
        // One that is not in the list has nothing to be compared.
        assert!(regressions(&past, 10).is_empty());
        assert_eq!(these(&[1, 3, 4]), "runs 1, 3, 4");
    }
}
