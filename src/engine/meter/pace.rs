//! Which document was the last, and how much later than all others.

use crate::insight::Tail;
use crate::model::Row;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The ends of documents, as far as they tell about the whole run.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    last: Option<End>,
    before: Option<Instant>,
    shortest: Option<Duration>,
}

#[derive(Debug)]
struct End {
    at: Instant,
    document: String,
    request_s: f64,
}

impl Pace {
    /// A document has its row, so long after it was prepared.
    pub fn done(&self, row: &Row, took: Duration) {
        let at = Instant::now();
        let request_s = row.calls.iter().map(|call| call.seconds / f64::from(call.attempts.max(1))).fold(0.0, f64::max);
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.before = ends.last.as_ref().map(|end| end.at);
        ends.last = Some(End { at, document: row.document.clone(), request_s });
        if request_s > 0.0 {
            ends.shortest = Some(ends.shortest.map_or(took, |shortest| shortest.min(took)));
        }
    }

    /// What the last document had to itself; `None` where there are not two.
    pub fn tail(&self) -> Option<Tail> {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, before) = (ends.last.as_ref()?, ends.before?);
        Some(Tail { document: last.document.clone(), alone_s: (last.at - before).as_secs_f64(), request_s: last.request_s })
    }

    /// The shortest time that a document has taken from its preparation to its row.
    pub fn shortest(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shortest.unwrap_or_default()
    }
}
