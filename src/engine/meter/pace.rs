//! Which document was the last, and how much later than all others.

use crate::insight::Tail;
use crate::model::Row;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The ends of documents, as far as they tell about the whole run.
#[derive(Debug)]
pub struct Pace {
    ends: Mutex<Ends>,
    /// How many times as fast as on the wall time passes.
    speed: f64,
}

#[derive(Debug, Default)]
struct Ends {
    last: Option<End>,
    before: Option<Instant>,
    shortest: Option<f64>,
    /// All but the last.
    others: Others,
}

#[derive(Debug)]
struct End {
    at: Instant,
    document: String,
    /// Seconds of its longest request, and of all of them.
    request_s: f64,
    work_s: f64,
    retried: bool,
    /// Tokens of its longest answer.
    output: u64,
}

/// What the requests about documents came to.
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

    /// A document has its row, so long after it was prepared.
    pub fn done(&self, row: &Row, took: Duration) {
        let at = Instant::now();
        let request_s = row.calls.iter().map(|call| call.seconds / f64::from(call.attempts.max(1))).fold(0.0, f64::max);
        let work_s = row.calls.iter().map(|call| call.seconds).sum::<f64>();
        let retried = row.calls.iter().any(|call| call.attempts > 1);
        let output = row.calls.iter().map(|call| call.usage.output).max().unwrap_or_default();
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.before = ends.last.as_ref().map(|end| end.at);
        if let Some(End { request_s, output, .. }) =
            ends.last.replace(End { at, document: row.document.clone(), request_s, work_s, retried, output })
        {
            ends.others.request_s = ends.others.request_s.max(request_s);
            ends.others.output += output;
            ends.others.documents += 1;
        }
        // Time in line, and between attempts, is not the model's.
        if request_s > 0.0 && !retried {
            let chain = (took.as_secs_f64() * self.speed).min(work_s);
            ends.shortest = Some(ends.shortest.map_or(chain, |shortest| shortest.min(chain)));
        }
    }

    /// What the last document had to itself; `None` where there are not two.
    pub fn tail(&self) -> Option<Tail> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// The shortest time that requests about a document have taken one after another, in seconds.
    pub fn shortest(&self) -> f64 {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).shortest.unwrap_or_default()
    }
}
