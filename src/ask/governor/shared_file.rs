//! A file with the limits of an account, shared by the processes of a machine.
//!
//! Each process reads and writes the file under its lock, which takes some microseconds. The file
//! holds no secret: its name is a hash of address, model and key.
//!
//! A process that is stopped (SIGSTOP, a debugger) may hold the lock for any time. The others never
//! wait for it: they count for themselves at first, and after a second they go on in a new file
//! under the same name. A process whose file has lost its name opens the new one.

use super::limits::Limits;
use super::need::Amounts;
use crate::system::{open_own, own_directory};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file, as this process has it open.
#[derive(Debug)]
pub(super) struct SharedFile {
    path: PathBuf,
    file: File,
    held: Option<Held>,
}

/// Another process holds the lock for longer than a change takes.
#[derive(Debug, Clone, Copy)]
struct Held {
    since: f64,
    /// What this account had sent by then: the rest is still to be written.
    sent: Amounts,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    at: f64,
    limits: Limits,
}

const VERSION: u32 = 6;
/// Limits that were learned longer ago than this many seconds are not used.
const STALE_S: f64 = 3600.0;
/// A change of the file takes some microseconds; after this time its holder counts as stopped.
const LOCK_WAIT: Duration = Duration::from_millis(10);
/// Time between two attempts to lock the file.
const LOCK_AGAIN: Duration = Duration::from_micros(50);
/// Seconds after which the others replace a file whose holder is stopped.
const REPLACE_S: f64 = 1.0;

/// What processes on this machine know about an account, without becoming one of them.
pub(super) fn known_limits(directory: &Path, name: &str, now: f64) -> Option<Limits> {
    read(&open_own(File::options().read(true), &directory.join(name)).ok()?, now)
}

impl SharedFile {
    /// Opens the file `name` in `directory`, and makes it if it is new.
    pub fn open(directory: &Path, name: &str) -> io::Result<Self> {
        own_directory(directory)?;
        let path = directory.join(name);
        Ok(Self { file: open(&path)?, path, held: None })
    }

    /// What the file holds now, without a lock.
    pub fn look(&self, now: f64) -> Option<Limits> {
        read(&self.file, now)
    }

    /// Brings `limits` up to date, changes them, and writes them to the file.
    ///
    /// If the file cannot be locked, `limits` stay those that this process knows.
    pub fn with<T>(&mut self, limits: &mut Limits, now: f64, change: impl FnOnce(&mut Limits) -> T) -> T {
        if !self.lock(limits, now) {
            return change(limits);
        }
        if let Some(mut saved) = read(&self.file, now) {
            if let Some(held) = self.held {
                let mut unwritten = limits.sent;
                unwritten.add(&held.sent, -1.0);
                saved.add_sent(&unwritten, now);
            }
            *limits = saved;
        }
        self.held = None;
        let result = change(limits);
        // If the file cannot be written, only this process knows the change.
        let _not_shared = write(&self.file, &Saved { version: VERSION, at: now, limits: limits.clone() });
        let _closing_unlocks_too = self.file.unlock();
        result
    }

    /// Whether this process has the lock now.
    fn lock(&mut self, limits: &Limits, now: f64) -> bool {
        if is_replaced(&self.file)
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
        }
        // At first, and before the file is replaced: the holder may be another one by now.
        let is_worth_waiting = self.held.is_none_or(|held| now - held.since >= REPLACE_S);
        let begun = Instant::now();
        loop {
            match self.file.try_lock() {
                Ok(()) => return true,
                Err(std::fs::TryLockError::Error(_)) => return false,
                Err(std::fs::TryLockError::WouldBlock) if is_worth_waiting && begun.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(LOCK_AGAIN);
                }
                Err(std::fs::TryLockError::WouldBlock) => break,
            }
        }
        let held = *self.held.get_or_insert(Held { since: now, sent: limits.sent });
        now - held.since >= REPLACE_S && self.replace(limits, now).is_ok()
    }

    /// Puts a new file under the name, and locks it.
    fn replace(&mut self, limits: &Limits, now: f64) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let new = tempfile::NamedTempFile::new_in(directory)?;
        new.as_file().lock()?;
        // The limits hold what this process has sent meanwhile.
        write(new.as_file(), &Saved { version: VERSION, at: now, limits: limits.clone() })?;
        (self.file, self.held) = (new.persist(&self.path)?, None);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    open_own(options.create(true).read(true).write(true).truncate(false), path)
}

/// Whether the file has lost its name to another one.
fn is_replaced(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|data| std::os::unix::fs::MetadataExt::nlink(&data) == 0);
    #[cfg(not(unix))]
    return false;
}

fn read(mut file: &File, now: f64) -> Option<Limits> {
    let mut bytes = Vec::with_capacity(1024);
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    let saved: Saved = serde_json::from_slice(&bytes).ok()?;
    // A clock that was set back makes times of the future.
    (saved.version == VERSION && (-1.0..STALE_S).contains(&(now - saved.at))).then_some(saved.limits)
}

fn write(mut file: &File, saved: &Saved) -> io::Result<()> {
    let bytes = serde_json::to_vec(saved)?;
    file.rewind()?;
    file.write_all(&bytes)?;
    file.set_len(bytes.len() as u64)
}
