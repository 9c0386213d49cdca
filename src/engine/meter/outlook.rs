//! Estimates how many calls a run still has to make.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts the calls of finished documents.
#[derive(Debug)]
pub(super) struct Outlook {
    /// Minimum number of calls of a document, by the jobs.
    fewest: u64,
    /// Size of the sample, if the run does not process all documents.
    sample: Option<u64>,
    /// Number of rows with calls.
    rows: AtomicU64,
    /// Number of calls of these rows.
    calls: AtomicU64,
}

impl Outlook {
    pub fn new(fewest: usize, sample: Option<u64>) -> Self {
        Self { fewest: fewest as u64, sample, rows: AtomicU64::default(), calls: AtomicU64::default() }
    }

    /// The number of documents that the run processes, of `found` in the inputs.
    pub fn documents(&self, found: Option<u64>) -> Option<u64> {
        found.map(|found| self.sample.map_or(found, |sample| sample.min(found)))
    }

    /// Counts a row.
    pub fn row(&self, calls: u64) {
        self.rows.fetch_add(u64::from(calls > 0), Relaxed);
        self.calls.fetch_add(calls, Relaxed);
    }

    /// Estimates the calls left: the calls of documents without a row, minus their ended calls.
    ///
    /// `done` documents have a row, and `ended` calls have ended. A document counts with the mean
    /// number of calls so far, but at least with the minimum of the jobs.
    pub fn calls_left(&self, documents: Option<u64>, done: u64, ended: u64) -> Option<u64> {
        let documents = documents?.saturating_sub(done);
        let (rows, calls) = (self.rows.load(Relaxed), self.calls.load(Relaxed));
        let each = (calls as f64 / (rows as f64).max(1.0)).max(self.fewest as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let all = (documents as f64 * each).round() as u64;
        Some(all.saturating_sub(ended.saturating_sub(calls)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_calls_of_unfinished_documents_are_subtracted() {
        let outlook = Outlook::new(7, None);
        let left = |done, ended| outlook.calls_left(Some(75), done, ended);
        assert_eq!((left(0, 0), left(0, 64), outlook.calls_left(None, 0, 0)), (Some(525), Some(461), None));
        outlook.row(7);
        assert_eq!(left(1, 64), Some(74 * 7 - 57));
        // Rows without calls do not count. Long documents have more calls.
        outlook.row(0);
        outlook.row(13);
        assert_eq!(left(65, 20), Some(100));
    }

    #[test]
    fn a_sample_limits_the_number_of_documents() {
        let documents = |sample, found| Outlook::new(1, sample).documents(found);
        assert_eq!((documents(Some(150), Some(300)), documents(Some(150), Some(20))), (Some(150), Some(20)));
        assert_eq!((documents(None, Some(300)), documents(Some(150), None)), (Some(300), None));
    }
}
