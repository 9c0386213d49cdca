//! The part of a shard: its rows with their places in the whole input.

use crate::engine::{RowSource, RunError};
use crate::model::{FailureCode, Row};
use crate::shards::{Part, StorageError};
use crate::store::{StoreError, StoredRow, ViewReader};
use crate::write::Hashed;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A line of a part: place in the input, document, and the row without them.
type Line<'l> = (u64, Cow<'l, str>, &'l RawValue);

/// Writes the rows of a job to `path`. The first document of the shard is at `from`. Returns also how
/// many documents were not found.
pub(super) fn write(rows: &ViewReader, job: &str, from: u64, path: &Path) -> Result<(Part, u64), RunError> {
    let failed = |source| RunError::Output { directory: path.display().to_string(), source };
    let file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut to = Hashed::new(file);
    let mut part = Part { job: job.to_owned(), key: String::new(), rows: 0, failed: 0, bytes: 0, digest: String::new() };
    let mut vanished = 0;
    rows.read_from(0, true, |StoredRow { position, document, job: of, text }| {
        if of != job {
            return Ok(());
        }
        let row = Row::read(position, document, text).map_err(|e| RunError::Internal(format!("the row of {document}: {e}")))?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| RunError::Internal(format!("the row of {document}: {e}")))?;
        let line: Line<'_> = (from + position, Cow::Borrowed(document), raw);
        serde_json::to_writer(&mut to, &line).map_err(io::Error::from).and_then(|()| to.write_all(b"\n")).map_err(failed)?;
        part.rows += 1;
        part.failed += u64::from(row.failure.is_some());
        vanished += u64::from(row.failure.is_some_and(|failure| failure.code == FailureCode::Vanished));
        Ok::<_, RunError>(())
    })?;
    to.flush().map_err(failed)?;
    to.get_ref().get_ref().sync_all().map_err(failed)?;
    let (_, bytes, digest) = to.finish();
    Ok((Part { bytes, digest: digest.to_string(), ..part }, vanished))
}

/// Rows from one mark to the next.
const MARKED: u64 = 1000;

/// The rows of a job in files of parts, in order.
#[derive(Debug)]
pub(super) struct PartFiles {
    job: String,
    files: Vec<PathBuf>,
    /// Places in the input, with the number of their file and the byte in it where their row begins.
    marks: Vec<(u64, usize, u64)>,
}

impl PartFiles {
    pub(super) fn of(job: &str) -> Self {
        Self { job: job.to_owned(), files: Vec::new(), marks: Vec::new() }
    }

    /// Adds the file of a part, and gives its rows to `each`. Fails if the file is not the part that was
    /// committed.
    pub(super) fn add(
        &mut self,
        part: &Part,
        path: &Path,
        mut each: impl FnMut(StoredRow<'_>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let (file, mut rows) = (self.files.len(), 0);
        self.files.push(path.to_owned());
        read(part, path, |offset, row| {
            if rows % MARKED == 0 {
                self.marks.push((row.position, file, offset));
            }
            rows += 1;
            each(row)
        })
    }
}

impl RowSource for PartFiles {
    fn read_from<E: From<StoreError> + From<RunError>>(
        &self,
        position: u64,
        mut each: impl FnMut(StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.marks.partition_point(|(at, ..)| *at <= position).saturating_sub(1);
        let Some((_, first, offset)) = self.marks.get(before).copied() else { return Ok(()) };
        for (number, path) in self.files.iter().enumerate().skip(first) {
            let failed = |source| RunError::Output { directory: path.display().to_string(), source };
            let mut file = BufReader::new(File::open(path).map_err(failed)?);
            file.seek(SeekFrom::Start(if number == first { offset } else { 0 })).map_err(failed)?;
            let mut line = String::new();
            while file.read_line(&mut line).map_err(failed)? > 0 {
                let (at, document, text): Line<'_> = serde_json::from_str(&line).map_err(|why| failed(why.into()))?;
                if at >= position {
                    each(StoredRow { position: at, document: &document, job: &self.job, text: text.get() })?;
                }
                line.clear();
            }
        }
        Ok(())
    }
}

/// Reads the rows of a part in order, with the byte where each begins. Fails if the file is not the part
/// that was committed.
fn read(part: &Part, path: &Path, mut each: impl FnMut(u64, StoredRow<'_>) -> Result<(), RunError>) -> Result<(), RunError> {
    let failed = |source| RunError::Output { directory: path.display().to_string(), source };
    let wrong = |why: String| RunError::Internal(format!("{}: {why}. The object has changed since it was committed", part.key));
    let (_, digest) = File::open(path).and_then(Hashed::file).map_err(failed)?;
    let digest = digest.to_string();
    if digest != part.digest {
        return Err(wrong(format!("its digest is {digest} instead of {}", part.digest)));
    }
    let (mut file, mut line, mut rows, mut offset) = (BufReader::new(File::open(path).map_err(failed)?), String::new(), 0, 0);
    while file.read_line(&mut line).map_err(failed)? > 0 {
        let (position, document, text): Line<'_> = serde_json::from_str(&line).map_err(|why| wrong(why.to_string()))?;
        each(offset, StoredRow { position, document: &document, job: &part.job, text: text.get() })?;
        rows += 1;
        offset += line.len() as u64;
        line.clear();
    }
    if rows == part.rows { Ok(()) } else { Err(wrong(format!("it has {rows} of {} rows", part.rows))) }
}

impl From<StorageError> for RunError {
    fn from(error: StorageError) -> Self {
        Self::Internal(error.to_string())
    }
}
