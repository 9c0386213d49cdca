//! The documents that took longest, each with what happened when.

use super::chart::{bar, beside, clock, picture, x};
use super::number::seconds;
use super::shown::short;
use crate::store::{Archive, AttemptRecord, RowTimes, StoreError};
use serde::Serialize;

/// Documents that are shown.
const SHOWN: usize = 10;
/// Requests of a document that are drawn.
const DRAWN: usize = 24;

/// Keeps those that took longest.
#[derive(Debug, Default)]
pub struct Slowest {
    documents: Vec<(RowTimes, Vec<AttemptRecord>)>,
}

/// A document that took long.
#[derive(Debug, Serialize)]
pub struct SlowDocument {
    /// Its name.
    pub document: String,
    /// From when the walk came across it until its row was made, in seconds.
    pub seconds: f64,
    /// Until it was read, until it was prepared from then on, until its row was made from then on: in seconds.
    pub parts: [f64; 3],
    /// Its requests in this run: task and axes, when it lined up, left and ended (seconds since it was found), how it ended.
    pub requests: Vec<(String, f64, f64, Option<f64>, Option<String>)>,
    /// The picture.
    pub svg: String,
}

impl Slowest {
    /// Looks at a document.
    pub fn add(&mut self, times: RowTimes) {
        let took = |times: &RowTimes| times.done_ms - times.found_ms;
        if self.documents.len() == SHOWN && self.documents.last().is_some_and(|(last, _)| took(last) >= took(&times)) {
            return;
        }
        let at = self.documents.partition_point(|(other, _)| took(other) >= took(&times));
        self.documents.insert(at, (times, Vec::new()));
        self.documents.truncate(SHOWN);
    }

    /// Looks at a request of the same run, once all documents are known.
    pub fn add_request(&mut self, attempt: &AttemptRecord) {
        if let Some((_, attempts)) = self.documents.iter_mut().find(|(times, _)| times.document == attempt.document) {
            if attempts.len() < 1000 {
                attempts.push(attempt.clone());
            }
        }
    }

    /// What was found, slowest first.
    pub fn finish(self, archive: &Archive) -> Result<Vec<SlowDocument>, StoreError> {
        let span = |times: &RowTimes| (times.done_ms - times.found_ms).max(0) as f64 / 1000.0;
        let top = self.documents.first().map_or(0.0, |(times, _)| span(times));
        let document = |(times, attempts): (RowTimes, Vec<AttemptRecord>)| {
            let since = |ms: i64| (ms - times.found_ms).max(0) as f64 / 1000.0;
            let requests = attempts.into_iter().map(|attempt| {
                let queued = since(attempt.queued_ms.unwrap_or(attempt.sent_ms));
                (attempt.call, queued, since(attempt.sent_ms), attempt.ended_ms.map(since), attempt.outcome)
            });
            let [read, ready] = [times.read_ms, times.ready_ms].map(since);
            let mut document = SlowDocument {
                document: archive.document_name(times.document)?,
                seconds: span(&times),
                parts: [read, (ready - read).max(0.0), (span(&times) - ready).max(0.0)],
                requests: requests.collect(),
                svg: String::new(),
            };
            document.svg = document.draw(top);
            Ok(document)
        };
        self.documents.into_iter().map(document).collect()
    }
}

impl SlowDocument {
    fn draw(&self, top: f64) -> String {
        let strip = |from: f64, to: f64, y: f64, height: f64, class: &str| bar((x(from, top), y), (x(to, top) - x(from, top), height), class);
        let [read, prepare, _] = self.parts;
        // The whole time stands where other charts have their amounts.
        let mut body = beside(10.0, &seconds(self.seconds))
            + &strip(0.0, read, 2.0, 9.0, "c-room")
            + &strip(read, read + prepare, 2.0, 9.0, "c-held")
            + &strip(read + prepare, self.seconds, 2.0, 9.0, "c-past");
        let mut y = 14.0;
        for (_, queued, sent, ended, outcome) in self.requests.iter().take(DRAWN) {
            body += &strip(*queued, *sent, y + 1.0, 1.0, "c-line");
            let class = if outcome.as_deref() == Some("answered") { "c-work" } else { "c-bad" };
            body += &strip(*sent, ended.unwrap_or(self.seconds), y, 3.0, class);
            y += 5.0;
        }
        let title = format!("{}: {}", short(&self.document, 80), seconds(self.seconds));
        let note = format!("{} requests", self.requests.len());
        picture(&title, &note, y + 1.0, &body)
    }
}

/// The clock below all of them.
pub fn clock_below(documents: &[SlowDocument]) -> String {
    let top = documents.first().map_or(0.0, |document| document.seconds);
    picture("Seconds since the document was found", "", 18.0, &clock(top, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_kept_in_order_whatever_order_they_come_in() {
        let mut slowest = Slowest::default();
        for n in 0..100_i64 {
            let took = (n * 37) % 100;
            slowest.add(RowTimes { document: took, found_ms: 1000, read_ms: 1000, ready_ms: 1000, done_ms: 1000 + took });
        }
        let kept: Vec<i64> = slowest.documents.iter().map(|(times, _)| times.document).collect();
        assert_eq!(kept, (90..100).rev().collect::<Vec<_>>());
    }
}
