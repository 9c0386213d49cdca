//! Measures how much later the last document ends than all others.

use crate::insight::Tail;
use crate::model::Row;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// The completion times of documents.
#[derive(Debug)]
pub struct Pace {
    ends: Mutex<Ends>,
    /// Speed of the run's clock relative to wall time.
    speed: f64,
}

#[derive(Debug, Default)]
struct Ends {
    last: Option<End>,
    /// Completion time of the document before the last.
    before: Option<Instant>,
    /// The shortest chain of requests, in seconds.
    shortest: Option<f64>,
    /// All documents but the last.
    others: Others,
}

#[derive(Debug)]
struct End {
    at: Instant,
    document: String,
    /// Seconds of its longest request.
    request_s: f64,
    /// Seconds of all its requests.
    work_s: f64,
    retried: bool,
    /// Tokens of its longest answer.
    output: u64,
}

/// Maximum request time, output tokens and number of documents.
#[derive(Debug, Default)]
struct Others {
    request_s: f64,
    output: u64,
    documents: u64,
}

impl Pace {
    pub fn new(speed: f64) -> Self {
        Self { ends: Mutex::default(), speed }
    }

    /// Records that a document has its row, `took` after it was prepared.
    pub fn done(&self, row: &Row, took: Duration) {
        let at = Instant::now();
        let request_s = row.calls.iter().map(|call| call.seconds / f64::from(call.attempts.max(1))).fold(0.0, f64::max);
        let work_s = row.calls.iter().map(|call| call.seconds).sum::<f64>();
        let retried = row.calls.iter().any(|call| call.attempts > 1);
        let output = row.calls.iter().map(|call| call.usage.output).max().unwrap_or_default();
        let mut ends = self.ends.lock();
        ends.before = ends.last.as_ref().map(|end| end.at);
        if let Some(End { request_s, output, .. }) =
            ends.last.replace(End { at, document: row.document.clone(), request_s, work_s, retried, output })
        {
            ends.others.request_s = ends.others.request_s.max(request_s);
            ends.others.output += output;
            ends.others.documents += 1;
        }
        // The chain excludes waiting in line. Documents with retries do not count.
        if request_s > 0.0 && !retried {
            let chain = (took.as_secs_f64() * self.speed).min(work_s);
            ends.shortest = Some(ends.shortest.map_or(chain, |shortest| shortest.min(chain)));
        }
    }

    /// Compares the last document with the others; `None` with fewer than two documents.
    pub fn tail(&self) -> Option<Tail> {
        let ends = self.ends.lock();
        let (last, before) = (ends.last.as_ref()?, ends.before?);
        let mean_output = ends.others.output as f64 / (ends.others.documents as f64).max(1.0);
        Some(Tail {
            document: last.document.clone(),
            alone_s: (last.at - before).as_secs_f64() * self.speed,
            request_s: last.request_s,
            work_s: last.work_s,
            retried: last.retried,
            others_s: ends.others.request_s,
            answer_ratio: if mean_output > 0.0 { last.output as f64 / mean_output } else { 0.0 },
        })
    }

    /// The shortest chain of requests of a document, in seconds; 0 if unknown.
    pub fn shortest(&self) -> f64 {
        self.ends.lock().shortest.unwrap_or_default()
    }
}
