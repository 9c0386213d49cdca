//! Makes the report of a run.

use super::problem::Problem;
use crate::html_report::{self, PageError, Report, Subject, Thumbnails};
use crate::store::{Archive, RunLock};
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;

/// Writes the report of the newest run in `directory` to a temporary file.
pub fn make(directory: &Path) -> Result<File, Problem> {
    let nothing = || Problem::not_found("the run has no results yet");
    let archive = Archive::open(directory)?.ok_or_else(nothing)?;
    let subject =
        Subject { directory: directory.display().to_string(), run: None, at_work: RunLock::holder(directory).is_some(), comparison: None };
    let report = Report::gather(&archive, &subject)?.ok_or_else(nothing)?;
    let write = || -> Result<File, PageError> {
        let mut file = BufWriter::new(tempfile::tempfile_in(directory)?);
        html_report::write(&archive, &report, &Thumbnails::default(), &mut file)?;
        file.flush()?;
        let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    };
    write().map_err(|error| Problem::internal(format!("cannot write the report: {error}")))
}
