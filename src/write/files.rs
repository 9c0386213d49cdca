//! The result files of one job.

use super::csv_file::BOM;
use super::hashed::Hashed;
use super::row_file::RowFile;
use super::settings::{Format, OutputSettings};
use crate::failpoint;
use crate::model::{ResultFile, Row};
use serde::Serialize;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A result file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("result file {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Name of the summary beside the results.
pub(super) const SUMMARY: &str = "summary.json";
/// Name prefix of incomplete files.
const UNFINISHED: &str = ".docmill-";

type Buffered = BufWriter<NamedTempFile>;

/// The result files of one job during writing.
pub struct ResultFiles {
    job: String,
    directory: PathBuf,
    files: Vec<(Format, RowFile<Hashed<Buffered>>)>,
}

impl ResultFiles {
    /// Begins the files of `job`, whose answers have these columns. Writes the configured formats,
    /// and those that already exist, so that no result file becomes stale.
    pub fn create(settings: &OutputSettings, job: &str, columns: &[String]) -> Result<Self, WriteError> {
        let directory = settings.dir.join(job);
        std::fs::create_dir_all(&directory).map_err(|source| WriteError { path: directory.clone(), source })?;
        sweep(&directory);
        let wanted = |format: &Format| settings.formats.contains(format) || directory.join(format.file_name()).exists();
        let begin_one = |format: Format| {
            let file = Hashed::new(begin(&directory, format.file_name())?);
            let file = RowFile::begin(format, file, columns, settings.csv_bom).map_err(at(&directory, format.file_name()))?;
            Ok((format, file))
        };
        let files = Format::ALL.into_iter().filter(wanted).map(begin_one).collect::<Result<_, WriteError>>()?;
        Ok(Self { job: job.to_owned(), directory, files })
    }

    /// Checks that results of `job` can be written, before any call is paid.
    pub fn check(settings: &OutputSettings, job: &str) -> Result<(), WriteError> {
        let directory = settings.dir.join(job);
        if !directory.exists() {
            return Ok(());
        }
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&directory)
            .map(drop)
            .map_err(|source| WriteError { path: directory, source })
    }

    /// Whether the results of `job` have a summary.
    pub fn has_summary(settings: &OutputSettings, job: &str) -> bool {
        let text = std::fs::read(settings.dir.join(job).join(SUMMARY));
        text.is_ok_and(|text| serde_json::from_slice::<serde_json::Map<_, _>>(&text).is_ok())
    }

    /// Adds the next row; `line` is the same row as JSON.
    pub fn push(&mut self, row: &Row, line: &str) -> Result<(), WriteError> {
        for (format, file) in &mut self.files {
            file.push(row, line).map_err(at(&self.directory, format.file_name()))?;
        }
        Ok(())
    }

    /// Completes the files. Each is synced to disk before it gets its final name.
    pub fn finish(self) -> Result<Vec<ResultFile>, WriteError> {
        let Self { job, directory, files } = self;
        let finish_one = |(format, file): (Format, RowFile<Hashed<Buffered>>)| {
            let name = format.file_name();
            let (file, size, digest) = file.finish().map_err(at(&directory, name))?.finish();
            failpoint::reach("publish");
            publish(file, &directory, name)?;
            Ok(ResultFile { path: format!("{job}/{name}"), size, digest })
        };
        files.into_iter().map(finish_one).collect()
    }

    /// Whether `job` has result files.
    pub fn exist(settings: &OutputSettings, job: &str) -> bool {
        Format::ALL.iter().any(|format| settings.dir.join(job).join(format.file_name()).exists())
    }

    /// Whether `results.csv` of `job` begins with a byte order mark.
    pub fn has_bom(settings: &OutputSettings, job: &str) -> bool {
        let mut begin = [0; BOM.len()];
        let file = std::fs::File::open(settings.dir.join(job).join(Format::Csv.file_name()));
        file.and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == BOM.as_bytes()
    }

    /// Whether an earlier run left complete results of `job`.
    pub fn complete(settings: &OutputSettings, job: &str) -> bool {
        let directory = settings.dir.join(job);
        let summary = std::fs::read_to_string(directory.join(SUMMARY)).unwrap_or_default();
        let stopped = serde_json::from_str(&summary).is_ok_and(|s: serde_json::Value| s.get("stopped").is_some());
        !stopped && settings.formats.iter().any(|format| directory.join(format.file_name()).exists())
    }

    /// Writes `summary.json` beside the results.
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
    // Hidden until complete, and in the same directory, because a rename is atomic only within a
    // file system.
    let prefix = format!("{UNFINISHED}{name}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(directory).map(|file| BufWriter::with_capacity(1 << 16, file)).map_err(at(directory, name))
}

/// Removes unfinished files of a killed run. The caller holds the lock on the output directory.
fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            // A file that cannot be removed does no harm.
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
