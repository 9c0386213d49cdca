//! Counts the documents of a run by outcome. All counts from the store come from here.

use super::history::{Archive, RunRecord};
use super::reader::REQUEUED;
use super::{Retry, StoreError};
use crate::model::{FailureCode, RowStatus, Tally};
use rusqlite::OptionalExtension as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// Documents of a listing, counted by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of documents in the listing.
    pub listed: u64,
    /// Documents with a row, by job.
    pub jobs: BTreeMap<String, Tally>,
    /// Documents with a row that the next run retries. These are transient failures and requeued
    /// documents.
    pub again: u64,
    /// Documents among `again` that a user requeued.
    pub requeued: u64,
}

/// Documents of a run, counted by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Listing and recipe of the rows.
    pub view: (i64, i64),
    /// Number of documents that the run has counted.
    pub documents: u64,
    /// Whether that number is final.
    pub counted: bool,
    /// Counts by outcome.
    pub counts: Counts,
}

impl Counts {
    /// The sum over all jobs.
    pub fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.jobs.values().for_each(|tally| all += tally);
        all
    }
}

impl RunCounts {
    /// Number of documents without a row.
    pub fn pending(&self) -> u64 {
        self.documents.saturating_sub(self.counts.all().rows())
    }
}

impl Archive {
    /// Counts the documents of a listing under a recipe by outcome.
    pub fn counts(&self, listing: i64, recipe: i64) -> Result<Counts, StoreError> {
        self.read("rows", || {
            let mut counts = Counts::default();
            let sql = "SELECT r.job, r.status, r.codes, count(*) FROM listing l
                LEFT JOIN rows r ON r.recipe = ?2 AND r.document = l.document WHERE l.run = ?1 GROUP BY 1, 2, 3";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query((listing, recipe))?;
            while let Some(row) = rows.next()? {
                let n: u64 = row.get(3)?;
                counts.listed += n;
                let (Some(job), Some(status)) = (row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?) else { continue };
                let codes: Option<String> = row.get(2)?;
                let Some(status) = RowStatus::ALL.into_iter().find(|known| known.as_str() == status) else { continue };
                counts.jobs.entry(job).or_default().add(status, own_code(codes.as_deref()), n);
                counts.again += if Retry::Transient.takes_any(codes.as_deref()) { n } else { 0 };
                counts.requeued += if codes.is_some_and(|codes| codes.split(',').any(|code| code == REQUEUED)) { n } else { 0 };
            }
            Ok(counts)
        })
    }

    /// Counts the documents of a run by outcome. `runs` are all runs.
    pub fn run_counts(&self, runs: &[RunRecord], run: &RunRecord) -> Result<RunCounts, StoreError> {
        let mut view = (run.listing.unwrap_or(run.id), run.recipe);
        let mut counts = self.counts(view.0, view.1)?;
        if run.listing.is_none() && counts.listed == 0 {
            // A run without a listing uses the listing of the run before it.
            let before = runs.iter().rev().filter(|other| other.id < run.id).find_map(|run| run.listing);
            if let Some(listing) = before {
                (view.0, counts) = (listing, self.counts(listing, run.recipe)?);
            }
        }
        let counted = match run.documents {
            Some(documents) => Some(documents),
            None => self.documents_counted(run)?,
        };
        Ok(RunCounts { view, documents: counted.unwrap_or(0).max(counts.listed), counted: counted.is_some(), counts })
    }

    /// Number of documents that an incomplete run counted. It comes from the run's figures or its
    /// last sample.
    fn documents_counted(&self, run: &RunRecord) -> Result<Option<u64>, StoreError> {
        let documents = |text: &str| {
            let figures = serde_json::from_str::<Value>(text).ok()?;
            figures["documents"].as_u64().filter(|_| figures["uncounted"] != true)
        };
        if let Some(documents) = run.figures.as_deref().and_then(documents) {
            return Ok(Some(documents));
        }
        self.read("samples", || {
            let sql = "SELECT sample FROM samples WHERE run = ?1 ORDER BY elapsed_ms DESC LIMIT 1";
            let sample: Option<String> = self.connection().query_row(sql, [run.id], |row| row.get(0)).optional()?;
            Ok(sample.as_deref().and_then(documents))
        })
    }
}

/// The row's own failure code, which is the first of its codes.
pub fn own_code(codes: Option<&str>) -> Option<FailureCode> {
    FailureCode::parse(codes?.split(',').next()?)
}
