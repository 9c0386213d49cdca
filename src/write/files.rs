//! The results of one job: all its sinks, and the summary beside them.

use super::output_file::{self, UNFINISHED};
use super::settings::OutputSettings;
use super::sink::SinkRows;
use super::sinks::sinks;
use crate::model::{JobColumns, ResultFile, Row};
use crate::system::{disk_advice, is_no_room, make_directory, sweep};
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Results could not be written.
#[derive(Debug, thiserror::Error)]
#[error("result file {}: cannot write or read it: {source}{}", path.display(), advice(source))]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// Advice if there is no room on the disk.
    pub fn no_room(&self) -> Option<&'static str> {
        is_no_room(&self.source).then(|| disk_advice(&self.source))
    }
}

/// What to do about an error other than a lack of room, for which the run has advice.
fn advice(source: &io::Error) -> String {
    let advice = disk_advice(source);
    if advice.is_empty() || is_no_room(source) { String::new() } else { format!(". {advice}") }
}

/// Name of the summary beside the results.
pub(super) const SUMMARY: &str = "summary.json";

/// Published results of a job, as their summary describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Path of the first result file.
    pub path: PathBuf,
    /// The run that made them; 0 if unknown.
    pub run: i64,
    /// Number of rows; 0 if unknown.
    pub rows: u64,
}

/// The results of one job during writing, in every sink.
pub struct ResultFiles {
    /// Each sink with its path.
    sinks: Vec<(PathBuf, Box<dyn SinkRows>)>,
}

impl ResultFiles {
    /// Begins the results of a job in all its sinks. These are the configured sinks and the
    /// existing ones, so that no existing result becomes stale. With `only_formats`, the existing ones
    /// stay as they are.
    pub fn create(settings: &OutputSettings, job: &JobColumns) -> Result<Self, WriteError> {
        let directory = settings.dir.join(&job.name);
        make_directory(&directory).map_err(at(&directory))?;
        // The caller holds the lock on the output directory.
        sweep(&directory, UNFINISHED);
        let wanted =
            sinks(settings, &job.name).into_iter().filter(|sink| sink.is_configured() || (!settings.only_formats && sink.exists()));
        let begun = wanted.map(|sink| {
            let path = settings.dir.join(sink.path());
            let rows = sink.begin(job).map_err(at(&path))?;
            Ok((path, rows))
        });
        Ok(Self { sinks: begun.collect::<Result<_, WriteError>>()? })
    }

    /// Checks that results of `job` can be written. A run checks this before calls cost money.
    pub fn check(settings: &OutputSettings, job: &str) -> Result<(), WriteError> {
        let directory = settings.dir.join(job);
        if !directory.exists() {
            return Ok(());
        }
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&directory).map(drop).map_err(at(&directory))
    }

    /// Adds the next row; `line` is the same row as JSON.
    pub fn push(&mut self, row: &Row, line: &str) -> Result<(), WriteError> {
        self.sinks.iter_mut().try_for_each(|(path, sink)| sink.push(row, line).map_err(at(path)))
    }

    /// Remarks on what sinks cannot hold, once all rows are there.
    pub fn notes(&self) -> Vec<String> {
        let note = |(path, sink): &(PathBuf, Box<dyn SinkRows>)| Some(format!("{}: {}", path.display(), sink.note()?));
        self.sinks.iter().filter_map(note).collect()
    }

    /// Publishes the results, sink by sink.
    pub fn finish(self) -> Result<Vec<ResultFile>, WriteError> {
        self.sinks.into_iter().map(|(path, sink)| sink.finish().map_err(at(&path))).collect()
    }

    /// Whether a sink of `job` holds results.
    pub fn exist(settings: &OutputSettings, job: &str) -> bool {
        sinks(settings, job).iter().any(|sink| sink.exists())
    }

    /// Complete results of `job` that an earlier run left.
    pub fn complete(settings: &OutputSettings, job: &str) -> Option<Published> {
        let summary = std::fs::read_to_string(settings.dir.join(job).join(SUMMARY)).unwrap_or_default();
        let summary: Value = serde_json::from_str(&summary).unwrap_or_default();
        let sink = sinks(settings, job).into_iter().find(|sink| sink.is_configured() && sink.exists())?;
        let rows = summary["documents"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        let published = Published { path: settings.dir.join(sink.path()), run: summary["run"].as_i64().unwrap_or_default(), rows };
        summary.get("stopped").is_none().then_some(published)
    }

    /// Whether the sinks of `job` hold `published`, and a summary exists.
    pub fn are_current(settings: &OutputSettings, job: &str, published: &[ResultFile]) -> bool {
        let summary = std::fs::read(settings.dir.join(job).join(SUMMARY));
        let is_summed_up = summary.is_ok_and(|text| serde_json::from_slice::<serde_json::Map<_, _>>(&text).is_ok());
        is_summed_up
            && sinks(settings, job).iter().all(|sink| match published.iter().find(|file| file.path == sink.path()) {
                Some(file) => sink.is_current(file),
                None => !sink.is_configured(),
            })
    }

    /// Writes `summary.json` beside the results.
    pub fn write_summary(settings: &OutputSettings, job: &str, summary: &impl Serialize) -> Result<(), WriteError> {
        let path = settings.dir.join(job).join(SUMMARY);
        let write = || {
            let mut file = output_file::begin(&path)?;
            writeln!(file, "{}", serde_json::to_string_pretty(summary)?)?;
            output_file::publish(file, &path)
        };
        write().map_err(at(&path))
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> WriteError + '_ {
    move |source| WriteError { path: path.to_owned(), source }
}
