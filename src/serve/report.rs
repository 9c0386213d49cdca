//! Makes the report of a run.

use super::app::App;
use super::problem::Problem;
use super::queue::RunId;
use crate::html_report::{self, PageError, Report, Subject, Thumbnails};
use crate::setup::{local_inputs, thumbnails};
use crate::store::{Archive, RunLock};
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use tokio::runtime::Handle;

/// Writes the report of the newest work on a run to a temporary file.
///
/// It blocks, and needs a runtime.
pub fn make(app: &App, id: &RunId) -> Result<File, Problem> {
    let nothing = || Problem::not_found("the run has no results yet");
    let directory = &app.directories.run(id);
    let archive = Archive::open(directory)?.ok_or_else(nothing)?;
    let at_work = RunLock::holder(directory).is_some();
    let subject = Subject { directory: id.to_string(), run: None, at_work, comparison: None };
    let report = Report::gather(&archive, &subject)?.ok_or_else(nothing)?;
    let runs = archive.runs()?;
    let roots = runs.last().and_then(|run| local_inputs(run, &app.environment, directory));
    let thumbnails = match roots {
        Some(roots) => {
            let (_, settings) = app.source.load(&app.environment)?;
            Handle::current().block_on(thumbnails(&archive, report.view, &roots, &settings.prepare))?
        }
        None => Thumbnails::default(),
    };
    let write = || -> Result<File, PageError> {
        let mut file = BufWriter::new(tempfile::tempfile_in(directory)?);
        html_report::write(&archive, &report, &thumbnails, &mut file)?;
        file.flush()?;
        let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    };
    write().map_err(|error| Problem::internal(format!("cannot write the report: {error}")))
}
