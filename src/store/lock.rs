//! Allows one run at a time in an output directory.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

/// The right to write into an output directory. The operating system releases it when the process
/// ends in any way.
#[derive(Debug)]
pub struct RunLock {
    file: File,
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
        "output directory {directory}: another docmill is running there (process {process}). Wait until it ends, \
        or choose another output directory"
    )]
    Held {
        /// Process id, as written into the lock file.
        process: String,
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
        let mut file = match File::open(directory.join(FILE_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Holder::read(&mut file).map(Some),
            _ => Ok(None),
        }
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
        let options = File::options().create(true).read(true).write(true).truncate(false).open(directory.join(FILE_NAME));
        let mut file = options.map_err(unavailable)?;
        let first = file.try_lock();
        if matches!(first, Err(TryLockError::WouldBlock)) {
            std::thread::sleep(PATIENCE);
        }
        match first.or_else(|_| file.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // The process id is optional: the error is useful without it.
                let process = Holder::read(&mut file).map(|holder| holder.process).unwrap_or_default();
                return Err(LockError::Held { process, directory: shown() });
            }
            Err(TryLockError::Error(source)) => return Err(unavailable(source)),
        }
        let lock = Self { file };
        lock.say("").map_err(unavailable)?;
        Ok(lock)
    }
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
}
