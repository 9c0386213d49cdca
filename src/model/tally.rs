//! Counts of documents by outcome.

use super::{FailureCode, RowStatus};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Counts of documents by outcome. Each document counts once, with the status and the failure code
/// of its row. All displays of a run show these counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Documents by status.
    pub documents: BTreeMap<RowStatus, u64>,
    /// Documents with no or only partial answers, by failure code. They add up to
    /// [`Tally::unanswered`].
    pub failures: BTreeMap<FailureCode, u64>,
    /// Skipped documents by failure code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skips: BTreeMap<FailureCode, u64>,
}

impl Tally {
    /// Adds `n` documents with this status and code.
    pub fn add(&mut self, status: RowStatus, code: Option<FailureCode>, n: u64) {
        *self.documents.entry(status).or_default() += n;
        let codes = match status {
            RowStatus::Ok => return,
            RowStatus::Skipped => &mut self.skips,
            RowStatus::Partial | RowStatus::Failed | RowStatus::Refused => &mut self.failures,
        };
        *codes.entry(code.unwrap_or(FailureCode::Internal)).or_default() += n;
    }

    /// Number of documents with any status.
    pub fn rows(&self) -> u64 {
        self.documents.values().sum()
    }

    /// Number of documents with this status.
    pub fn count(&self, status: RowStatus) -> u64 {
        self.documents.get(&status).copied().unwrap_or(0)
    }

    /// Number of documents with missing answers. Skipped ones do not count.
    pub fn unanswered(&self) -> u64 {
        self.count(RowStatus::Partial) + self.count(RowStatus::Failed) + self.count(RowStatus::Refused)
    }

    /// Number of documents with missing answers whose code is not among `accepted`.
    pub fn unanswered_beyond(&self, accepted: &[FailureCode]) -> u64 {
        self.failures.iter().filter(|(code, _)| !accepted.contains(code)).map(|(_, n)| n).sum()
    }

    /// Counts such as `12 ok, 2 failed`, best first.
    pub fn statuses(&self) -> String {
        let there = RowStatus::ALL.iter().filter(|status| self.count(**status) > 0);
        there.map(|status| format!("{} {}", self.count(*status), status.as_str())).collect::<Vec<_>>().join(", ")
    }
}

/// Counts by code: `2 empty, 1 refused`.
pub fn codes(counts: &BTreeMap<FailureCode, u64>) -> String {
    counts.iter().map(|(code, n)| format!("{n} {code}")).collect::<Vec<_>>().join(", ")
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        other.documents.iter().for_each(|(status, n)| *self.documents.entry(*status).or_default() += n);
        other.failures.iter().for_each(|(code, n)| *self.failures.entry(*code).or_default() += n);
        other.skips.iter().for_each(|(code, n)| *self.skips.entry(*code).or_default() += n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_counts_once_and_failures_add_up() {
        let mut tally = Tally::default();
        tally.add(RowStatus::Ok, None, 5);
        tally.add(RowStatus::Skipped, Some(FailureCode::UnsupportedKind), 2);
        tally.add(RowStatus::Failed, Some(FailureCode::Empty), 3);
        tally.add(RowStatus::Partial, Some(FailureCode::TimedOut), 1);
        let mut twice = tally.clone();
        twice += &tally;
        for (tally, times) in [(&tally, 1), (&twice, 2)] {
            assert_eq!((tally.rows(), tally.unanswered()), (11 * times, 4 * times));
            assert_eq!(tally.failures.values().sum::<u64>(), tally.unanswered());
            assert_eq!(tally.unanswered_beyond(&[]), tally.unanswered());
            assert_eq!(tally.unanswered_beyond(&[FailureCode::Empty]), tally.unanswered() - tally.failures[&FailureCode::Empty]);
            assert_eq!(tally.skips.values().sum::<u64>(), tally.count(RowStatus::Skipped));
        }
        assert_eq!(tally.statuses(), "5 ok, 1 partial, 3 failed, 2 skipped");
        assert_eq!(codes(&tally.failures).split(", ").count(), 2);
    }
}
