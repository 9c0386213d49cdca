//! The directories of a server and its runs.
//!
//! `runs/ID` holds the run store and the results, so every command works on it. `inputs/ID` holds
//! what was submitted. A submission is staged in `incoming/ID`, and moved when it is complete.

use super::queue::RunId;
use crate::prepare::is_archive_name;
use crate::read::{is_table_name, is_workbook_name};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Directories below the one of the server.
const PARTS: [&str; 3] = ["runs", "inputs", "incoming"];

/// The directories of a server.
#[derive(Debug, Clone)]
pub struct Directories {
    root: PathBuf,
    /// When the size of all files was measured, and the size.
    size: Arc<Mutex<Option<(Instant, u64)>>>,
}

/// How long the size of all files counts as known.
const SIZE_KNOWN: Duration = Duration::from_secs(5);

impl Directories {
    /// Creates the directories. Removes submissions that were not complete.
    pub fn create(root: &Path) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        match fs::remove_dir_all(root.join("incoming")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for part in PARTS {
            fs::create_dir_all(root.join(part))?;
        }
        Ok(Self { root, size: Arc::default() })
    }

    /// A message for a client, without the places of files on the server.
    pub fn without_places(&self, message: &str) -> String {
        let root = format!("{}{}", self.root.display(), std::path::MAIN_SEPARATOR);
        let mut parts = message.split(&root);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // The first two parts of a place are its kind and the id of the run.
            let mut rest = part.splitn(3, std::path::MAIN_SEPARATOR);
            let is_of_run =
                rest.next().is_some_and(|kind| PARTS.contains(&kind)) && rest.next().is_some_and(|id| RunId::parse(id).is_some());
            text.push_str(rest.next().filter(|_| is_of_run).unwrap_or(part));
        }
        text
    }

    /// The output directory of a run.
    pub fn run(&self, id: &RunId) -> PathBuf {
        self.root.join("runs").join(id.as_str())
    }

    /// What was submitted.
    pub fn input(&self, id: &RunId) -> Input {
        Input(self.root.join("inputs").join(id.as_str()))
    }

    /// Where a submission is until it is complete.
    pub fn incoming(&self, id: &RunId) -> Input {
        Input(self.root.join("incoming").join(id.as_str()))
    }

    /// Counts bytes that were added, until the size is measured again.
    pub fn grow(&self, bytes: u64) {
        if let Some((_, size)) = self.size.lock().as_mut() {
            *size += bytes;
        }
    }

    /// Removes a run and its inputs.
    pub fn remove(&self, id: &RunId) -> io::Result<()> {
        for directory in [self.run(id), self.input(id).0] {
            match fs::remove_dir_all(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Ids with files.
    pub fn with_files(&self) -> BTreeSet<RunId> {
        let entries = ["inputs", "runs"].into_iter().flat_map(|part| fs::read_dir(self.root.join(part))).flatten().flatten();
        entries.filter_map(|entry| RunId::parse(entry.file_name().to_str()?)).collect()
    }

    /// Whether all files together were no larger than this, a few seconds ago at most. Zero: no limit.
    /// Blocks.
    pub fn have_room(&self, limit_mb: u64) -> bool {
        limit_mb == 0 || {
            let mut known = self.size.lock();
            let (_, size) = match *known {
                Some(known) if known.0.elapsed() < SIZE_KNOWN => known,
                _ => *known.insert((Instant::now(), size_of(&self.root))),
            };
            size <= limit_mb.saturating_mul(1_000_000)
        }
    }

    /// Size of all runs and their inputs in bytes.
    pub fn size_of_runs(&self) -> u64 {
        ["runs", "inputs"].into_iter().map(|part| size_of(&self.root.join(part))).sum()
    }

    /// Size of a run and its inputs in bytes.
    pub fn size_of_run(&self, id: &RunId) -> u64 {
        size_of(&self.run(id)) + size_of(&self.input(id).0)
    }
}

fn size_of(directory: &Path) -> u64 {
    let files = walkdir::WalkDir::new(directory).into_iter().flatten();
    files.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// What was submitted for a run.
#[derive(Debug, Clone)]
pub struct Input(PathBuf);

impl Input {
    /// Directory of everything that was submitted.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Directory of documents.
    pub fn documents(&self) -> PathBuf {
        self.0.join("documents")
    }

    /// Table of the rows.
    pub fn rows(&self) -> PathBuf {
        self.0.join("rows.jsonl")
    }

    /// List of the documents, in the order of the submission. Submissions to earlier versions have none.
    pub fn order(&self) -> PathBuf {
        self.0.join("documents.txt")
    }

    /// Whether there is a list of the documents. One with tables counts only if `with_tables`. Blocks.
    pub fn has_order(&self, with_tables: bool) -> bool {
        let is_table = |name: &str| is_table_name(name) || is_workbook_name(name);
        fs::read_to_string(self.order()).is_ok_and(|list| with_tables || !list.lines().any(is_table))
    }

    /// Whether an archive was uploaded, by the names of the documents. Blocks.
    pub fn has_archive(&self) -> bool {
        fs::read_to_string(self.order()).is_ok_and(|list| list.lines().any(is_archive_name))
    }

    /// The job file.
    pub fn job(&self) -> PathBuf {
        self.0.join("job.toml")
    }
}
