//! Appends rows to a file as they finish, beside the result files of a job.
//!
//! Each line begins with its number (`index`), by which an interrupted journal goes on.

use crate::system::make_directory;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Name of the journal beside the results.
const FILE: &str = "arrivals.jsonl";
/// Bytes at the end of a journal in which its last line is looked for.
const END: u64 = 32 * 1024 * 1024;

/// The journals of all jobs.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    files: BTreeMap<String, File>,
}

impl Journal {
    /// The journals of these jobs, and the number of the last line in any of them.
    pub fn open<'j>(directory: &Path, jobs: impl Iterator<Item = &'j str>) -> io::Result<(Self, i64)> {
        let journal = Self { directory: directory.to_owned(), files: BTreeMap::new() };
        let mut last = 0;
        for job in jobs {
            let path = journal.path(job);
            if path.exists() {
                last = last.max(mend(&path)?);
            }
        }
        Ok((journal, last))
    }

    /// Appends a line to the journal of `job`.
    pub fn append(&mut self, job: &str, line: &str) -> io::Result<()> {
        let path = self.path(job);
        // A program that rotates logs may have renamed the file.
        if !self.files.get(job).is_some_and(|file| is_at(file, &path)) {
            make_directory(path.parent().unwrap_or(&self.directory))?;
            self.files.insert(job.to_owned(), File::options().create(true).append(true).open(path)?);
        }
        match self.files.get_mut(job) {
            // One write for each line, so that a reader of the file sees whole lines.
            Some(file) => file.write_all(format!("{line}\n").as_bytes()),
            None => Ok(()),
        }
    }

    fn path(&self, job: &str) -> PathBuf {
        self.directory.join(job).join(FILE)
    }
}

/// Whether an open file is still the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (open, there) = (file.metadata(), std::fs::metadata(path));
    open.is_ok_and(|open| there.is_ok_and(|there| (open.dev(), open.ino()) == (there.dev(), there.ino())))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Removes an incomplete last line. Returns the number of the last complete one.
fn mend(path: &Path) -> io::Result<i64> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(END);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(from + whole as u64)?;
    let last = end[..whole].split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    Ok(serde_json::from_slice::<Value>(last).ok().and_then(|row| row["index"].as_i64()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_goes_on_after_its_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Journal::open(dir.path(), ["a", "b"].into_iter()).unwrap();
        let (mut journal, last) = open();
        assert_eq!(last, 0);
        journal.append("a", "{\"index\":7}").unwrap();
        journal.append("b", "{\"index\":9}").unwrap();
        std::fs::write(dir.path().join("a/arrivals.jsonl"), "{\"index\":7}\n{\"ind").unwrap();
        let (mut journal, last) = open();
        assert_eq!(last, 9);
        journal.append("a", "{\"index\":10}").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a/arrivals.jsonl")).unwrap(), "{\"index\":7}\n{\"index\":10}\n");
        std::fs::rename(dir.path().join("a/arrivals.jsonl"), dir.path().join("a/arrivals.1")).unwrap();
        journal.append("a", "{\"index\":11}").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a/arrivals.jsonl")).unwrap(), "{\"index\":11}\n");
    }
}
