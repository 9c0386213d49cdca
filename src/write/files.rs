//! The result files of one job.

use super::csv_file::CsvFile;
use super::settings::{Format, OutputSettings};
use crate::model::Row;
use serde::Serialize;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A result file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("result file {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Name of the summary beside the results.
const SUMMARY: &str = "summary.json";
/// What names of files begin with that are not complete yet.
const UNFINISHED: &str = ".docmill-";

type Buffered = BufWriter<NamedTempFile>;

/// The result files of one job, being written.
pub struct ResultFiles {
    directory: PathBuf,
    csv: Option<CsvFile<Buffered>>,
    jsonl: Option<Buffered>,
    json: Option<Buffered>,
    rows: u64,
}

impl ResultFiles {
    /// Begins the files of `job`, whose answers have these columns.
    pub fn create(settings: &OutputSettings, job: &str, columns: &[String]) -> Result<Self, WriteError> {
        let directory = settings.dir.join(job);
        std::fs::create_dir_all(&directory).map_err(|source| WriteError { path: directory.clone(), source })?;
        sweep(&directory);
        let begin = |format: Format| {
            let wanted = settings.formats.contains(&format);
            wanted.then(|| begin(&directory, format.file_name())).transpose()
        };
        let csv = match begin(Format::Csv)? {
            Some(file) => Some(CsvFile::new(file, columns, settings.csv_bom).map_err(at(&directory, Format::Csv.file_name()))?),
            None => None,
        };
        Ok(Self { csv, jsonl: begin(Format::Jsonl)?, json: begin(Format::Json)?, rows: 0, directory })
    }

    /// Adds the next row; `text` is the same row as JSON.
    pub fn push(&mut self, row: &Row, text: &str) -> Result<(), WriteError> {
        if let Some(csv) = &mut self.csv {
            csv.push(row).map_err(at(&self.directory, Format::Csv.file_name()))?;
        }
        if let Some(jsonl) = &mut self.jsonl {
            writeln!(jsonl, "{text}").map_err(at(&self.directory, Format::Jsonl.file_name()))?;
        }
        if let Some(json) = &mut self.json {
            let before = if self.rows == 0 { "[\n" } else { ",\n" };
            write!(json, "{before}{text}").map_err(at(&self.directory, Format::Json.file_name()))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Completes the files, each at once: it is on the disk before it takes its name.
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { directory, csv, jsonl, json, rows } = self;
        if let Some(csv) = csv {
            let file = csv.finish().map_err(at(&directory, Format::Csv.file_name()))?;
            publish(file, &directory, Format::Csv.file_name())?;
        }
        if let Some(file) = jsonl {
            publish(file, &directory, Format::Jsonl.file_name())?;
        }
        if let Some(mut file) = json {
            let end = if rows == 0 { "[]\n" } else { "\n]\n" };
            file.write_all(end.as_bytes()).map_err(at(&directory, Format::Json.file_name()))?;
            publish(file, &directory, Format::Json.file_name())?;
        }
        Ok(())
    }

    /// Whether an earlier run has left results of `job` that are complete.
    pub fn complete(settings: &OutputSettings, job: &str) -> bool {
        let directory = settings.dir.join(job);
        let summary = std::fs::read_to_string(directory.join(SUMMARY)).unwrap_or_default();
        let stopped = serde_json::from_str(&summary).is_ok_and(|s: serde_json::Value| s.get("stopped").is_some());
        !stopped && settings.formats.iter().any(|format| directory.join(format.file_name()).exists())
    }

    /// Writes `summary.json` beside them.
    pub fn write_summary(settings: &OutputSettings, job: &str, summary: &impl Serialize) -> Result<(), WriteError> {
        let directory = settings.dir.join(job);
        let mut file = begin(&directory, SUMMARY)?;
        let text = serde_json::to_string_pretty(summary).map_err(|e| at(&directory, SUMMARY)(e.into()))?;
        writeln!(file, "{text}").map_err(at(&directory, SUMMARY))?;
        publish(file, &directory, SUMMARY)
    }
}

fn at<'d>(directory: &'d Path, name: &'d str) -> impl Fn(io::Error) -> WriteError + 'd {
    move |source| WriteError { path: directory.join(name), source }
}

fn begin(directory: &Path, name: &str) -> Result<Buffered, WriteError> {
    // Hidden until complete, and beside its place: renaming is atomic only within a file system.
    let prefix = format!("{UNFINISHED}{name}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(directory).map(|file| BufWriter::with_capacity(1 << 16, file)).map_err(at(directory, name))
}

/// Removes what a killed run has left unfinished. The lock on the output directory says that nobody is at it now.
fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            // What cannot be removed is in nobody's way.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}

fn publish(file: Buffered, directory: &Path, name: &str) -> Result<(), WriteError> {
    let error = at(directory, name);
    let file = file.into_inner().map_err(|e| error(e.into_error()))?;
    file.as_file().sync_all().map_err(&error)?;
    file.persist(directory.join(name)).map_err(|e| error(e.error))?;
    // The new name must survive a power failure too.
    #[cfg(unix)]
    File::open(directory).and_then(|d| d.sync_all()).map_err(&error)?;
    Ok(())
}
