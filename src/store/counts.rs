//! The documents of a run, by what became of them: the one place where they are counted from the store.

use super::history::{Archive, RunRecord};
use super::requeue::REQUEUED;
use super::{Retry, StoreError};
use crate::model::{FailureCode, RowStatus, Tally};
use rusqlite::OptionalExtension as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// Documents of a listing by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Documents that were looked at.
    pub listed: u64,
    /// Those that have a row, by job.
    pub jobs: BTreeMap<String, Tally>,
    /// Those with a row that the next run asks about again: they have failed in a way that may pass, or somebody wants it.
    pub again: u64,
    /// Those of them that somebody wants to be asked again.
    pub requeued: u64,
}

/// The same of a whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Listing and recipe of the rows.
    pub view: (i64, i64),
    /// Documents, as far as the run has counted them.
    pub documents: u64,
    /// Whether these are all.
    pub counted: bool,
    /// What became of them.
    pub counts: Counts,
}

impl Counts {
    /// All jobs together.
    pub fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.jobs.values().for_each(|tally| all += tally);
        all
    }
}

impl RunCounts {
    /// Documents without a row.
    pub fn pending(&self) -> u64 {
        self.documents.saturating_sub(self.counts.all().rows())
    }
}

impl Archive {
    /// Documents of a listing under a recipe, by what became of them.
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

    /// The documents of a run, by what became of them. `runs` are all runs.
    pub fn run_counts(&self, runs: &[RunRecord], run: &RunRecord) -> Result<RunCounts, StoreError> {
        let mut view = (run.listing.unwrap_or(run.id), run.recipe);
        let mut counts = self.counts(view.0, view.1)?;
        if run.listing.is_none() && counts.listed == 0 {
            // It has no listing of its own yet, or died before it had one: everything is as in the run before.
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

    /// How many documents a run has counted that has not looked at all of them: it says so at its end, and now and then.
    fn documents_counted(&self, run: &RunRecord) -> Result<Option<u64>, StoreError> {
        let documents = |text: &str| serde_json::from_str::<Value>(text).ok()?["documents"].as_u64();
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

/// The failure code of a row among those of its calls.
pub fn own_code(codes: Option<&str>) -> Option<FailureCode> {
    FailureCode::parse(codes?.split(',').next()?)
}
