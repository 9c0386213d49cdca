//! The writer: committed rows, in input order, into result files.
//!
//! The writer keeps one number, the position of the next row. Rows that finish early wait in the
//! store, not in memory. So a slow document delays only the lines behind it.

use super::{Context, RunError};
use crate::model::{JobColumns, ResultFile, Row, Totals};
use crate::store::{StoreError, StoredRow, ViewReader};
use crate::write::{FileForm, Format, OutputFile, OutputSettings, ResultFiles};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Unfinished result files, by job.
pub struct Results {
    jobs: Vec<JobColumns>,
    output: OutputSettings,
    written: BTreeMap<String, (ResultFiles, Totals)>,
}

/// The published results of one job.
#[derive(Debug, Default)]
pub struct JobResults {
    /// Sums over its rows.
    pub totals: Totals,
    /// The new files; empty if the old files stay.
    pub files: Vec<ResultFile>,
    /// Remarks on what formats cannot hold.
    pub notes: Vec<String>,
}

/// A stream for the rows of one job, such as standard output.
pub struct RowStream<'s> {
    /// Its name, for messages.
    pub name: &'s str,
    /// Where bytes go.
    pub file: OutputFile,
    /// The format.
    pub format: Format,
    /// The form of files.
    pub form: FileForm,
}

impl RowStream<'_> {
    /// Writes the rows of `job`. A failure of the stream is [`RunError::Output`].
    pub fn write(self, rows: &ViewReader, jobs: &[JobColumns], job: &str) -> Result<(), RunError> {
        let Self { name, file, format, form } = self;
        let failed = |source| RunError::Output { directory: name.to_owned(), source };
        let mut file = format.begin(file, &JobColumns::of(jobs, job), &form).map_err(failed)?;
        rows.read_from(0, true, |StoredRow { position, document, job: of, text }| {
            if of != job {
                return Ok(());
            }
            let row = read_back(position, document, text)?;
            file.push(&row, &Row::line(position, document, text)).map_err(failed)
        })?;
        file.finish().map(drop).map_err(failed)
    }
}

fn read_back(position: u64, document: &str, text: &str) -> Result<Row, RunError> {
    Row::read(position, document, text).map_err(|e| RunError::Internal(format!("cannot read the row of {document} back: {e}")))
}

impl Results {
    /// Results without rows. The first row of a job creates its files.
    pub fn new(jobs: Vec<JobColumns>, output: OutputSettings) -> Self {
        Self { jobs, output, written: BTreeMap::new() }
    }

    /// Adds the next row.
    pub fn push(&mut self, stored: StoredRow<'_>) -> Result<(), RunError> {
        let StoredRow { position, document, job, text } = stored;
        if !self.written.contains_key(job) {
            self.begin(job)?;
        }
        let row = read_back(position, document, text)?;
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

    /// Sums over the rows so far, by job.
    pub fn totals(&self) -> impl Iterator<Item = &Totals> {
        self.written.values().map(|(_, totals)| totals)
    }

    /// Drops the result files, so that those of an earlier run stay.
    pub fn discard(self) -> BTreeMap<String, JobResults> {
        let totals = self.written.into_iter().map(|(job, (_, totals))| (job, JobResults { totals, ..JobResults::default() }));
        totals.collect()
    }

    /// Completes the result files. After an early stop, complete results of an earlier run stay.
    pub fn publish(mut self, complete: bool) -> Result<BTreeMap<String, JobResults>, RunError> {
        // A job without documents gets empty results, if it had results before.
        let empty = self.jobs.iter().filter(|job| complete && ResultFiles::exist(&self.output, &job.name));
        let empty: Vec<String> = empty.filter(|job| !self.written.contains_key(&job.name)).map(|job| job.name.clone()).collect();
        empty.iter().try_for_each(|job| self.begin(job))?;
        let mut results = BTreeMap::new();
        for (job, (files, totals)) in self.written {
            let new = complete || ResultFiles::complete(&self.output, &job).is_none();
            let notes = if new { files.notes() } else { Vec::new() };
            let files = if new { files.finish()? } else { Vec::new() };
            results.insert(job, JobResults { totals, files, notes });
        }
        Ok(results)
    }
}

/// Pause before rows are read. Under full load a commit takes less than a millisecond.
const PAUSE: Duration = Duration::from_millis(5);

/// The running writer.
pub(super) struct RowWriter {
    pub rows: ViewReader,
    pub results: Results,
    pub context: Context,
}

impl RowWriter {
    /// Writes rows until the store's thread has ended. Blocks. [`Results::publish`] completes the files.
    pub fn write(mut self, commits: &Receiver<()>) -> Result<Results, RunError> {
        // Later rows would fail too, so the run stops before it pays for more.
        self.follow(commits).inspect_err(|_| self.context.stop.cancel())?;
        Ok(self.results)
    }

    fn follow(&mut self, commits: &Receiver<()>) -> Result<(), RunError> {
        let mut position = 0;
        while commits.recv().is_ok() {
            // The rows of several commits are read together.
            std::thread::sleep(PAUSE);
            // The disk may be full. The remaining space belongs to answers in flight.
            let stop = self.context.stop.clone();
            position = self.drain(position, false, || stop.is_cancelled())?;
        }
        // After the last commit of a stopped run, documents without a row are skipped.
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

/// Why reading rows ended early.
enum Interrupted {
    /// The run stops. This row would be the next.
    At(u64),
    By(RunError),
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::By(error.into())
    }
}
