//! The documents that took longest to be asked about, each with what happened when.

use super::chart::{bar, beside, clock, picture, x};
use super::number::seconds;
use super::shown::short;
use crate::store::{AttemptRecord, DocumentPath};
use serde::Serialize;

/// Documents that are shown.
pub const SHOWN: usize = 10;
/// Requests of a document that are kept, and that are drawn.
const KEPT: usize = 100;
const DRAWN: usize = 24;

/// A document that took long. What was before its first request is told apart: most of it may be the time that it waited for
/// others, as documents wait in line.
#[derive(Debug, Serialize)]
pub struct SlowDocument {
    /// Its name.
    pub document: String,
    /// From its first request until its row was made, in seconds.
    pub seconds: f64,
    /// Before that, in seconds: until it was read, until it was prepared from then on, until its first request from then on.
    pub before: [f64; 3],
    /// Its requests in this run.
    pub requests: Vec<SlowRequest>,
    /// How many more of them there were.
    pub more_requests: u64,
    /// The picture.
    #[serde(skip)]
    pub svg: String,
    #[serde(skip)]
    path: DocumentPath,
}

/// A request of a slow document. Times are seconds since the first one left.
#[derive(Debug, Serialize)]
pub struct SlowRequest {
    /// Task and axes.
    pub call: String,
    /// When it lined up for its turn; 0 if before the first one left.
    pub queued: f64,
    /// When it left.
    pub sent: f64,
    /// When it ended.
    pub ended: Option<f64>,
    /// How: `answered`, or a failure code.
    pub outcome: Option<String>,
}

/// From one moment to another, in seconds; nothing where a clock was set back.
fn between(from_ms: i64, to_ms: i64) -> f64 {
    (to_ms - from_ms).max(0) as f64 / 1000.0
}

impl SlowDocument {
    /// A document without its requests.
    pub fn new(path: DocumentPath) -> Self {
        let DocumentPath { found_ms, read_ms, ready_ms, asked_ms, done_ms, .. } = path;
        let before = [between(found_ms, read_ms), between(read_ms, ready_ms), between(ready_ms, asked_ms)];
        let (document, seconds) = (path.name.clone(), between(asked_ms, done_ms));
        Self { document, seconds, before, requests: Vec::new(), more_requests: 0, svg: String::new(), path }
    }

    /// Takes a request, if it is about this document.
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

    /// Draws its requests on an axis that ends at `top` seconds.
    pub fn draw(&mut self, top: f64) {
        let strip =
            |from: f64, to: f64, y: f64, height: f64, class: &str| bar((x(from, top), y), (x(to, top) - x(from, top), height), class);
        // The whole time stands where other charts have their amounts.
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

/// The clock below all of them.
pub fn clock_below(top: f64) -> String {
    picture("Time since the first request", "", 18.0, &clock(top, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_before_the_first_request_is_told_apart() {
        let path = DocumentPath { document: 1, name: "<b>".into(), found_ms: 0, read_ms: 100, ready_ms: 50, asked_ms: 1000, done_ms: 3000 };
        let mut slow = SlowDocument::new(path);
        slow.draw(4.0);
        assert_eq!((slow.before, slow.seconds), ([0.1, 0.0, 0.95], 2.0));
        assert!(slow.svg.contains("x=\"50.0\" y=\"4.0\" width=\"115.0\"") && !slow.svg.contains("<b>"), "{}", slow.svg);
    }
}
