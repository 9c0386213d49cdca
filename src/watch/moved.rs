//! Moves files with a row out of the watched directory, if the settings ask for that.

use crate::model::RowStatus;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::iter;
use std::path::{Path, PathBuf};

/// Directories for files with a row.
#[derive(Debug, Default)]
pub(super) struct Moved {
    done: Option<PathBuf>,
    failed: Option<PathBuf>,
}

impl Moved {
    /// The directories `done` and `failed`; empty names mean none. Creates them.
    pub fn new(done: &str, failed: &str) -> Result<Self, String> {
        let directory = |key: &str, name: &str| {
            if name.is_empty() {
                return Ok(None);
            }
            let created = std::fs::create_dir_all(name).and_then(|()| std::fs::canonicalize(name));
            created.map(Some).map_err(|error| format!("{key}: cannot create {name}: {error}"))
        };
        Ok(Self { done: directory("watch.done_dir", done)?, failed: directory("watch.failed_dir", failed)? })
    }

    /// Checks that files of the watched `directory` can be moved. The error names the setting.
    pub fn check(&self, directory: &Path) -> Result<(), String> {
        let Ok(watched) = std::fs::canonicalize(directory) else { return Ok(()) };
        for (key, target) in [("watch.done_dir", &self.done), ("watch.failed_dir", &self.failed)] {
            let Some(target) = target else { continue };
            let (shown, watched_as) = (target.display(), directory.display());
            if watched.starts_with(target) {
                return Err(format!(
                    "{key}: {shown} has all files of the watched directory {watched_as}, so none would be asked about. Choose a directory \
                     inside of it or beside it"
                ));
            }
            if device(&watched).zip(device(target)).is_some_and(|(one, other)| one != other) {
                return Err(format!(
                    "{key}: {shown} is on another file system than {watched_as}, so files cannot be moved there. Choose a directory on the \
                     same one"
                ));
            }
        }
        Ok(())
    }

    /// Whether any files are moved.
    pub fn is_on(&self) -> bool {
        self.done.is_some() || self.failed.is_some()
    }

    /// Whether a file is in one of the directories.
    pub fn holds(&self, path: &Path) -> bool {
        let directories = || self.done.iter().chain(&self.failed);
        let Some(real) = self.is_on().then(|| path.parent().and_then(|parent| std::fs::canonicalize(parent).ok())).flatten() else {
            return false;
        };
        directories().any(|directory| real.starts_with(directory))
    }

    /// Moves the file at `path` by the status of its row. `name` is the name of its document.
    ///
    /// The error says why it stays.
    pub fn put(&self, path: &Path, name: &str, status: RowStatus) -> Result<(), String> {
        let directory = match status {
            RowStatus::Failed | RowStatus::Refused => &self.failed,
            RowStatus::Ok | RowStatus::Partial | RowStatus::Skipped => &self.done,
        };
        let Some(directory) = directory else { return Ok(()) };
        let target = free(directory.join(name));
        let parent = target.parent().unwrap_or(directory);
        let moved = std::fs::create_dir_all(parent).and_then(|()| std::fs::rename(path, &target));
        moved.or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            ErrorKind::CrossesDevices => Err(format!(
                "cannot move {} to {}, which is on another file system. Choose a directory on the same one",
                path.display(),
                directory.display()
            )),
            _ => Err(format!("cannot move {} to {}: {error}", path.display(), target.display())),
        })
    }
}

/// The file system of a directory.
#[cfg(unix)]
fn device(directory: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(directory).ok().map(|directory| directory.dev())
}

#[cfg(not(unix))]
fn device(_: &Path) -> Option<u64> {
    None
}

/// The paths to which a document called `name` was moved in `directory`.
pub fn moved_paths(directory: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    numbered(directory.join(name)).take_while(|path| is_taken(path))
}

/// The first free path: the path itself, or with a number.
fn free(path: PathBuf) -> PathBuf {
    numbered(path.clone()).find(|path| !is_taken(path)).unwrap_or(path)
}

fn is_taken(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// A path, and the same with each number.
fn numbered(path: PathBuf) -> impl Iterator<Item = PathBuf> {
    // The ending stays, so that other programs still know the kind of the file.
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(path.file_stem()), part(path.extension()));
    let dot = if ending.is_empty() { "" } else { "." };
    let first = path.clone();
    iter::once(first).chain((1..u32::MAX).map(move |number| path.with_file_name(format!("{stem}.{number}{dot}{ending}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_moved_by_status_and_never_replace_others() {
        let dir = tempfile::tempdir().unwrap();
        let name = |part: &str| dir.path().join(part).display().to_string();
        let moved = Moved::new(&name("done"), "").unwrap();
        let file = dir.path().join("in.txt");
        for (status, there) in [(RowStatus::Failed, None), (RowStatus::Ok, Some("sub/in.txt")), (RowStatus::Ok, Some("sub/in.1.txt"))] {
            std::fs::write(&file, "x").unwrap();
            moved.put(&file, "sub/in.txt", status).unwrap();
            assert_eq!(file.exists(), there.is_none());
            if let Some(there) = there {
                assert!(dir.path().join("done").join(there).exists() && moved.holds(&dir.path().join("done").join(there)));
            }
        }
        for there in ["plain", "plain.1"] {
            std::fs::write(&file, "x").unwrap();
            moved.put(&file, "plain", RowStatus::Ok).unwrap();
            assert!(dir.path().join("done").join(there).exists(), "{there}");
        }
        moved.put(&file, "gone.txt", RowStatus::Ok).unwrap();
        assert!(!moved.holds(&file));
    }
}
