//! The writer: committed rows, in input order, into result files.
//!
//! It follows the store with one number, the position of the next row. Rows that finish early wait in the store, not in
//! memory, so a slow document delays nothing but the lines behind it.

use super::{Context, RunError};
use crate::model::{JobColumns, ResultFile, Row, Totals};
use crate::store::{StoreError, StoredRow, ViewReader};
use crate::write::{OutputSettings, ResultFiles};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

/// Result files in the making, by job.
pub struct Results {
    jobs: Vec<JobColumns>,
    output: OutputSettings,
    written: BTreeMap<String, (ResultFiles, Totals)>,
}

/// What became of the results of one job.
#[derive(Debug, Default)]
pub struct JobResults {
    /// Sums over its rows.
    pub totals: Totals,
    /// The files that are new; none if the old ones were left.
    pub files: Vec<ResultFile>,
}

impl Results {
    /// No rows yet. Files are begun with the first row of a job.
    pub fn new(jobs: Vec<JobColumns>, output: OutputSettings) -> Self {
        Self { jobs, output, written: BTreeMap::new() }
    }

    /// Adds the next row.
    pub fn push(&mut self, stored: StoredRow<'_>) -> Result<(), RunError> {
        let StoredRow { position, document, job, text } = stored;
        if !self.written.contains_key(job) {
            self.begin(job)?;
        }
        let row = Row::read(position, document, text);
        let row = row.map_err(|e| RunError::Internal(format!("cannot read the row of {document} back: {e}")))?;
        if let Some((files, totals)) = self.written.get_mut(job) {
            files.push(&row, &Row::line(position, document, text))?;
            totals.add(&row);
        }
        Ok(())
    }

    fn begin(&mut self, job: &str) -> Result<(), RunError> {
        let columns = JobColumns::of(&self.jobs, job);
        self.written.insert(job.to_owned(), (ResultFiles::create(&self.output, &columns)?, Totals::default()));
        Ok(())
    }

    /// Sums over the rows so far, job by job.
    pub fn totals(&self) -> impl Iterator<Item = &Totals> {
        self.written.values().map(|(_, totals)| totals)
    }

    /// Completes the result files. After an early stop, whole results of an earlier run are worth more than
    /// part of new ones, and stay.
    pub fn publish(mut self, complete: bool) -> Result<BTreeMap<String, JobResults>, RunError> {
        // A job that lost its last document has results too: none.
        let empty = self.jobs.iter().filter(|job| complete && ResultFiles::exist(&self.output, &job.name));
        let empty: Vec<String> = empty.filter(|job| !self.written.contains_key(&job.name)).map(|job| job.name.clone()).collect();
        empty.iter().try_for_each(|job| self.begin(job))?;
        let mut results = BTreeMap::new();
        for (job, (files, totals)) in self.written {
            let new = complete || !ResultFiles::complete(&self.output, &job);
            let files = if new { files.finish()? } else { Vec::new() };
            results.insert(job, JobResults { totals, files });
        }
        Ok(results)
    }
}

/// The running writer.
pub(super) struct RowWriter {
    pub rows: ViewReader,
    pub results: Results,
    pub context: Context,
}

impl RowWriter {
    /// Writes rows until the store's thread has ended. Blocks. The files are not complete yet: see [`Results::publish`].
    pub fn write(mut self, commits: &Receiver<()>) -> Result<Results, RunError> {
        // Results that cannot be written will not be written later either: stop before more is paid for.
        self.follow(commits).inspect_err(|_| self.context.stop.cancel())?;
        Ok(self.results)
    }

    fn follow(&mut self, commits: &Receiver<()>) -> Result<(), RunError> {
        let mut position = 0;
        while commits.recv().is_ok() {
            // A run that stops may do so for want of room: what there is belongs to the answers still on their way.
            let stop = self.context.stop.clone();
            position = self.drain(position, false, || stop.is_cancelled())?;
        }
        // No more commits: after an early stop some documents have no row, and there is nothing to wait for.
        self.drain(position, true, || false).map(|_| ())
    }

    fn drain(&mut self, position: u64, gaps: bool, stopped: impl Fn() -> bool) -> Result<u64, RunError> {
        let (results, meter) = (&mut self.results, &self.context.meters.write);
        let _working = meter.working();
        let drained = self.rows.read_from(position, gaps, |row| {
            if stopped() {
                return Err(Interrupted::At(row.position));
            }
            meter.done(1);
            results.push(row).map_err(Interrupted::By)
        });
        match drained {
            Err(Interrupted::At(position)) | Ok(position) => Ok(position),
            Err(Interrupted::By(error)) => Err(error),
        }
    }
}

/// Why rows were not read to the last.
enum Interrupted {
    /// The run stops; this row would have been next.
    At(u64),
    By(RunError),
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::By(error.into())
    }
}
