//! The slowest documents of a run, with their timelines.

use super::chart::{bar, beside, clock, picture, x};
use super::number::seconds;
use super::shown::short;
use crate::store::{AttemptRecord, DocumentPath};
use serde::Serialize;

/// Number of documents shown.
pub const SHOWN: usize = 10;
/// Maximum number of requests kept per document.
const KEPT: usize = 100;
/// Maximum number of requests drawn per document.
const DRAWN: usize = 24;

/// A slow document. The time before its first request is separate, because most of it may be
/// queueing behind other documents.
#[derive(Debug, Serialize)]
pub struct SlowDocument {
    /// Name of the document.
    pub document: String,
    /// Seconds from its first request to its row.
    pub seconds: f64,
    /// Seconds until it was read, prepared and first asked. Each period begins at the end of the
    /// previous one.
    pub before: [f64; 3],
    /// Its requests in this run, at most 100.
    pub requests: Vec<SlowRequest>,
    /// Number of further requests.
    pub more_requests: u64,
    /// The timeline as SVG.
    #[serde(skip)]
    pub svg: String,
    #[serde(skip)]
    path: DocumentPath,
}

/// A request of a slow document. Times are in seconds since the first one was sent.
#[derive(Debug, Serialize)]
pub struct SlowRequest {
    /// Task and axes.
    pub call: String,
    /// Start of its wait. 0 if the wait began before the first request was sent.
    pub queued: f64,
    /// When it was sent.
    pub sent: f64,
    /// When it ended.
    pub ended: Option<f64>,
    /// Its outcome: `answered` or a failure code.
    pub outcome: Option<String>,
}

/// Seconds between two times; 0 if the clock was set back.
fn between(from_ms: i64, to_ms: i64) -> f64 {
    (to_ms - from_ms).max(0) as f64 / 1000.0
}

impl SlowDocument {
    /// Creates a document without requests.
    pub fn new(path: DocumentPath) -> Self {
        let DocumentPath { found_ms, read_ms, ready_ms, asked_ms, done_ms, .. } = path;
        let before = [between(found_ms, read_ms), between(read_ms, ready_ms), between(ready_ms, asked_ms)];
        let (document, seconds) = (path.name.clone(), between(asked_ms, done_ms));
        Self { document, seconds, before, requests: Vec::new(), more_requests: 0, svg: String::new(), path }
    }

    /// Adds a request if it belongs to this document.
    pub fn add(&mut self, attempt: &AttemptRecord) {
        if attempt.document != self.path.document {
            return;
        }
        if self.requests.len() == KEPT {
            self.more_requests += 1;
            return;
        }
        let since = |ms: i64| between(self.path.asked_ms, ms);
        self.requests.push(SlowRequest {
            call: attempt.call.clone(),
            queued: since(attempt.queued_ms.unwrap_or(attempt.sent_ms)),
            sent: since(attempt.sent_ms),
            ended: attempt.ended_ms.map(since),
            outcome: attempt.outcome.clone(),
        });
    }

    /// Draws its requests on a time axis that ends at `top` seconds.
    pub fn draw(&mut self, top: f64) {
        let strip =
            |from: f64, to: f64, y: f64, height: f64, class: &str| bar((x(from, top), y), (x(to, top) - x(from, top), height), class);
        // The total goes where other charts have their y labels.
        let mut body = beside(10.0, &seconds(self.seconds)) + &strip(0.0, self.seconds, 4.0, 4.0, "c-past");
        let mut y = 11.0;
        for SlowRequest { queued, sent, ended, outcome, .. } in self.requests.iter().take(DRAWN) {
            body += &strip(*queued, *sent, y + 1.5, 1.0, "c-line");
            let class = if outcome.as_deref() == Some("answered") { "c-work" } else { "c-bad" };
            body += &strip(*sent, ended.unwrap_or(self.seconds), y, 4.0, class);
            y += 6.0;
        }
        let title = format!("{}: {}", short(&self.document, 80), seconds(self.seconds));
        self.svg = picture(&title, &format!("{} requests", self.requests.len()), y + 1.0, &body);
    }
}

/// The common time axis below all timelines.
pub fn clock_below(top: f64) -> String {
    picture("Time since the first request", "", 18.0, &clock(top, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_before_the_first_request_is_separate() {
        let path = DocumentPath { document: 1, name: "<b>".into(), found_ms: 0, read_ms: 100, ready_ms: 50, asked_ms: 1000, done_ms: 3000 };
        let mut slow = SlowDocument::new(path);
        slow.draw(4.0);
        assert_eq!((slow.before, slow.seconds), ([0.1, 0.0, 0.95], 2.0));
        assert!(slow.svg.contains("x=\"50.0\" y=\"4.0\" width=\"115.0\"") && !slow.svg.contains("<b>"), "{}", slow.svg);
    }
}
