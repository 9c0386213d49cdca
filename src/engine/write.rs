//! The writer: committed rows, in input order, into result files.
//!
//! It follows the store with one number, the position of the next row. Rows that finish early wait in the store, not in
//! memory, so a slow document delays nothing but the lines behind it.

use super::{Context, JobSet, RunError};
use crate::model::{Row, Totals};
use crate::store::RowReader;
use crate::write::{OutputSettings, ResultFiles};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// The writer at work.
pub(super) struct RowWriter {
    pub rows: RowReader,
    pub jobs: JobSet,
    pub output: OutputSettings,
    pub context: Context,
}

/// What was written.
pub(super) type Written = BTreeMap<String, (ResultFiles, Totals)>;

impl RowWriter {
    /// Writes rows until the store's thread has ended. Blocks. The files are not complete yet: see [`publish`].
    pub fn write(self, commits: &Receiver<()>) -> Result<Written, RunError> {
        // Results that cannot be written will not be written later either: stop before more is paid for.
        self.follow(commits).inspect_err(|_| self.context.stop.cancel())
    }

    fn follow(&self, commits: &Receiver<()>) -> Result<Written, RunError> {
        let mut written = Written::new();
        let mut position = 0;
        while commits.recv().is_ok() {
            position = self.drain(position, false, &mut written)?;
        }
        // No more commits: after an early stop some documents have no row, and there is nothing to wait for.
        self.drain(position, true, &mut written)?;
        Ok(written)
    }

    fn drain(&self, position: u64, gaps: bool, written: &mut Written) -> Result<u64, RunError> {
        let started = Instant::now();
        let next = self.rows.read_from(position, gaps, |job, text| self.push(job, text, written))?;
        self.context.meters.write.worked(started.elapsed());
        Ok(next)
    }

    fn push(&self, job: &str, text: &str, written: &mut Written) -> Result<(), RunError> {
        if !written.contains_key(job) {
            let columns = self.jobs.get(job).map(|job| job.csv_columns()).unwrap_or_default();
            written.insert(job.to_owned(), (ResultFiles::create(&self.output, job, columns)?, Totals::default()));
        }
        let row: Row = serde_json::from_str(text).map_err(|e| RunError::Internal(format!("a row cannot be read back: {e}")))?;
        if let Some((files, totals)) = written.get_mut(job) {
            files.push(&row, text)?;
            totals.add(&row);
        }
        self.context.meters.write.done(1);
        Ok(())
    }
}

/// Completes the result files. After an early stop, whole results of an earlier run are worth more than
/// part of new ones, and stay. Returns the names of the jobs whose files are new.
pub(super) fn publish(written: Written, output: &OutputSettings, complete: bool) -> Result<BTreeMap<String, (Totals, bool)>, RunError> {
    let mut totals = BTreeMap::new();
    for (job, (files, sums)) in written {
        let new = complete || !ResultFiles::complete(output, &job);
        if new {
            files.finish()?;
        }
        totals.insert(job, (sums, new));
    }
    Ok(totals)
}
