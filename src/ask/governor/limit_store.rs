//! Where the limits of an account are kept: in memory, or in a file that all processes of this machine on the same
//! account share.
//!
//! The file is read and written under its lock, some microseconds at a time. It holds no secret: its name is a hash of
//! address, model and key. A file that cannot be used is no reason to stop: then this process counts for itself.

use super::limits::Limits;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Keeps the limits of one account.
#[derive(Debug)]
pub(super) struct LimitStore {
    limits: Mutex<Limits>,
    file: Option<File>,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    at: f64,
    limits: Limits,
}

const VERSION: u32 = 6;
/// What was learned longer ago than this, in seconds, is not relied on.
const STALE_S: f64 = 3600.0;

impl LimitStore {
    /// In memory.
    pub fn own(limits: Limits) -> Self {
        Self { limits: Mutex::new(limits), file: None }
    }

    /// In a file of this name in `directory`. `limits` are those to begin with.
    pub fn shared(limits: Limits, directory: &Path, name: &str) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory)?;
        let mut options = File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.create(true).read(true).write(true).truncate(false).open(directory.join(name))?;
        Ok(Self { limits: Mutex::new(limits), file: Some(file) })
    }

    /// Whether other processes may use the same limits.
    pub fn is_shared(&self) -> bool {
        self.file.is_some()
    }

    /// What processes on this machine know about an account, without becoming one of them.
    pub fn known(directory: &Path, name: &str, now: f64) -> Option<Limits> {
        read(&File::open(directory.join(name)).ok()?, now)
    }

    /// Looks at the limits at the time `now`, and changes them.
    pub fn with<T>(&self, now: f64, change: impl FnOnce(&mut Limits) -> T) -> T {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = self.file.as_ref().filter(|file| file.lock().is_ok()) else { return change(&mut limits) };
        if let Some(saved) = read(file, now) {
            *limits = saved;
        }
        let result = change(&mut limits);
        // What cannot be written is not shared; this process still has it.
        let _not_shared = write(file, &Saved { version: VERSION, at: now, limits: limits.clone() });
        let _unlocked_at_the_end_otherwise = file.unlock();
        result
    }
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
