//! Allows one run at a time in an output directory.

use crate::system::open_own;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

/// The right to write into an output directory. The operating system releases it when the process
/// ends in any way.
///
/// Both the directory and a file in it are locked. The file names the holder; the lock on the
/// directory outlasts the removal of the file.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    _directory: Option<File>,
}

/// The process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id, as written into the lock file.
    pub process: String,
    /// Current activity, such as waiting; empty in normal operation.
    pub doing: String,
}

impl Holder {
    fn read(file: &mut File) -> io::Result<Self> {
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let (process, doing) = text.trim_end().split_once('\n').unwrap_or((text.trim_end(), ""));
        Ok(Self { process: process.to_owned(), doing: doing.to_owned() })
    }
}

/// Why the lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error(
        "output directory {directory}: another docmill is running there{process}. Wait until it ends, \
        or choose another output directory"
    )]
    Held {
        /// Process id in parentheses, as written into the lock file; empty if unknown.
        process: String,
        /// The output directory.
        directory: String,
    },
    /// Another process is at work, although somebody removed its lock file.
    #[error(
        "output directory {directory}: another docmill is running there, but its lock file {FILE_NAME} was removed. Wait until \
        that process ends, and do not remove the file"
    )]
    Removed {
        /// The output directory.
        directory: String,
    },
    /// The lock file is not accessible.
    #[error("output directory {directory}: cannot lock it: {source}")]
    Unavailable {
        /// The output directory.
        directory: String,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Hidden, so that it is not a document if the output directory is inside an input directory.
const FILE_NAME: &str = ".docmill.lock";

/// Time for a reader of the lock to release it.
const PATIENCE: Duration = Duration::from_millis(100);

impl RunLock {
    /// The process that holds the lock of `directory`, if this is visible from here.
    pub fn holder(directory: &Path) -> Option<Holder> {
        Self::look(directory).ok().flatten()
    }

    /// Like [`RunLock::holder`], with an error if the lock file is not readable.
    pub fn look(directory: &Path) -> io::Result<Option<Holder>> {
        let is_held = |file: &File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        match open_own(File::options().read(true), &directory.join(FILE_NAME)) {
            Ok(mut file) if is_held(&file) => return Holder::read(&mut file).map(Some),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let unknown = Holder { process: "unknown".to_owned(), doing: String::new() };
        Ok(File::open(directory).ok().filter(is_held).map(|_| unknown))
    }

    /// Publishes the current activity, such as waiting. Empty means normal operation.
    pub fn say(&self, doing: &str) -> io::Result<()> {
        let text = format!("{}\n{doing}\n", std::process::id());
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    }

    /// Acquires the lock of `directory`. The error names the holder.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let shown = || directory.display().to_string();
        let unavailable = |source| LockError::Unavailable { directory: shown(), source };
        let mut file = open_own(File::options().create(true).read(true).write(true).truncate(false), &directory.join(FILE_NAME))
            .map_err(unavailable)?;
        // Some systems and network file systems cannot lock directories.
        let whole = File::open(directory).ok();
        match try_lock(&file) {
            Ok(()) if matches!(whole.as_ref().map(try_lock), Some(Err(TryLockError::WouldBlock))) => {
                return Err(LockError::Removed { directory: shown() });
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // The process id is optional: the error is useful without it.
                let holder = Holder::read(&mut file).map(|holder| holder.process).unwrap_or_default();
                let process = if holder.is_empty() { holder } else { format!(" (process {holder})") };
                return Err(LockError::Held { process, directory: shown() });
            }
            Err(TryLockError::Error(source)) => return Err(unavailable(source)),
        }
        let lock = Self { file, _directory: whole };
        lock.say("").map_err(unavailable)?;
        Ok(lock)
    }
}

/// Tries twice, because a reader holds the lock for a moment.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    let first = file.try_lock();
    if matches!(first, Err(TryLockError::WouldBlock)) {
        std::thread::sleep(PATIENCE);
        return file.try_lock();
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder_and_succeeds_after_release() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::acquire(dir.path()).unwrap();
        let error = RunLock::acquire(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        first.say("waiting").unwrap();
        let holder = Holder { process: std::process::id().to_string(), doing: "waiting".to_owned() };
        assert_eq!(RunLock::holder(dir.path()), Some(holder));
        drop(first);
        RunLock::acquire(dir.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_outlasts_the_removal_of_its_file_and_follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::acquire(dir.path()).unwrap();
        std::fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        assert!(RunLock::holder(dir.path()).is_some());
        assert!(matches!(RunLock::acquire(dir.path()), Err(LockError::Removed { .. })));
        drop(first);
        std::fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        std::fs::write(dir.path().join("other"), "precious").unwrap();
        std::os::unix::fs::symlink("other", dir.path().join(FILE_NAME)).unwrap();
        assert!(matches!(RunLock::acquire(dir.path()), Err(LockError::Unavailable { .. })));
        assert_eq!(std::fs::read_to_string(dir.path().join("other")).unwrap(), "precious");
    }
}
