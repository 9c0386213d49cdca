//! One run at a time in one output directory.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

/// The right to write into an output directory. The operating system takes it back when the process ends, however
/// it ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Another process holds the lock, or it cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else is at work.
    #[error("another docmill (process {process}) is at work in {directory}: wait for it, or use another output directory")]
    Held {
        /// Its process id, as it wrote it down.
        process: String,
        /// The output directory.
        directory: String,
    },
    /// The lock file is out of reach.
    #[error("the lock in {directory} cannot be taken: {source}")]
    Unavailable {
        /// The output directory.
        directory: String,
        /// Why.
        source: io::Error,
    },
}

/// Hidden, so that it is no document when the output directory lies in an input directory.
const FILE_NAME: &str = ".docmill.lock";

/// Somebody may be looking who holds the lock, which takes a moment.
const PATIENCE: Duration = Duration::from_millis(100);

impl RunLock {
    /// The process that holds the lock of `directory`, if one does.
    pub fn holder(directory: &Path) -> Option<String> {
        let mut file = File::open(directory.join(FILE_NAME)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                file.read_to_string(&mut process).ok()?;
                Some(process.trim().to_owned())
            }
            _ => None,
        }
    }

    /// Takes the lock of `directory` or says who has it.
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
                let mut process = String::new();
                // Who it is helps and is not needed.
                let _unknown = file.read_to_string(&mut process);
                return Err(LockError::Held { process: process.trim().to_owned(), directory: shown() });
            }
            Err(TryLockError::Error(source)) => return Err(unavailable(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(unavailable)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is_and_gets_the_lock_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::acquire(dir.path()).unwrap();
        let error = RunLock::acquire(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        RunLock::acquire(dir.path()).unwrap();
    }
}
