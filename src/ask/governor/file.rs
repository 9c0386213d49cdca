//! Keeps the limits of an account in a file that the processes of a machine share.
//!
//! Each process reads and writes the file under its lock, which takes some microseconds. The file
//! holds no secret: its name is a hash of address, model and key. If the file cannot be used, this
//! process counts for itself.
//!
//! A process that is stopped (SIGSTOP, a debugger) may hold the lock for any time. The others never
//! wait for it: they count for themselves at first, and after a second they go on in a new file
//! under the same name. A process whose file has lost its name opens the new one.

use super::configured::ConfiguredLimits;
use super::limits::{Limits, Taken};
use super::need::Amounts;
use super::store::{LimitStore, Report, Wait, Wanted};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The limits of one account, in a file.
#[derive(Debug)]
pub(super) struct FileStore(Mutex<State>);

#[derive(Debug)]
struct State {
    limits: Limits,
    file: SharedFile,
}

/// The file, as this process has it open.
#[derive(Debug)]
struct SharedFile {
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
const LOCK_WAIT: Duration = Duration::from_millis(1);
/// Seconds after which the others replace a file whose holder is stopped.
const REPLACE_S: f64 = 1.0;

impl FileStore {
    /// Keeps limits in the file `name` in `directory`, beginning with `limits` if it is new.
    pub fn open(limits: Limits, directory: &Path, name: &str) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory)?;
        let path = directory.join(name);
        let file = SharedFile { file: open(&path)?, path, held: None };
        Ok(Self(Mutex::new(State { limits, file })))
    }

    /// Looks at the limits at the time `now`, and changes them. Waits a millisecond at most.
    fn with<T>(&self, now: f64, change: impl FnOnce(&mut Limits) -> T) -> T {
        let State { limits, file: shared } = &mut *self.0.lock();
        if !shared.lock(limits, now) {
            return change(limits);
        }
        if let Some(mut saved) = read(&shared.file, now) {
            if let Some(held) = shared.held {
                let mut unwritten = limits.sent;
                unwritten.add(&held.sent, -1.0);
                saved.add_sent(&unwritten, now);
            }
            *limits = saved;
        }
        shared.held = None;
        let result = change(limits);
        // If the file cannot be written, only this process knows the change.
        let _not_shared = write(&shared.file, &Saved { version: VERSION, at: now, limits: limits.clone() });
        let _closing_unlocks_too = shared.file.unlock();
        result
    }
}

impl LimitStore for FileStore {
    fn take(&self, wanted: &Wanted, now: f64) -> Result<Taken, Wait> {
        self.with(now, |limits| limits.take(wanted, now))
    }

    fn report(&self, report: Report, now: f64) {
        self.with(now, |limits| limits.report(&report, true, now));
    }

    fn configure(&self, old: Option<&ConfiguredLimits>, new: Option<&ConfiguredLimits>, now: f64) {
        self.with(now, |limits| limits.configure(old, new, now));
    }

    fn known(&self, now: f64) -> Limits {
        self.with(now, |limits| limits.clone())
    }
}

/// What processes on this machine know about an account, without becoming one of them.
pub(super) fn known_limits(directory: &Path, name: &str, now: f64) -> Option<Limits> {
    read(&File::open(directory.join(name)).ok()?, now)
}

impl SharedFile {
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
                Err(std::fs::TryLockError::WouldBlock) if is_worth_waiting && begun.elapsed() < LOCK_WAIT => std::thread::yield_now(),
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
    options.create(true).read(true).write(true).truncate(false).open(path)
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

#[cfg(test)]
mod tests {
    use super::super::need::Need;
    use super::*;
    use crate::ask::dialect::{Dialect, LimitKind};
    use crate::ask::settings::{LimitSettings, SlowStart};

    const NAME: &str = "account";

    fn limits() -> Limits {
        let settings = LimitSettings {
            requests_per_minute: 600,
            input_tokens_per_minute: 0,
            output_tokens_per_minute: 0,
            tokens_per_minute: 0,
            burst_s: 1.0,
            slow_start: SlowStart::Off,
        };
        Limits::new(&ConfiguredLimits::new(&settings, false), 0.0)
    }

    /// Sends a request, and returns how many the account has sent.
    fn send(store: &FileStore, now: f64) -> u64 {
        let need = Need { input: 10.0, images: 0.0, output: 5.0, max_output: 10.0, dialect: Dialect::ANTHROPIC };
        store.with(now, |limits| {
            limits.try_take(&need, now).unwrap();
            sent(limits)
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
    fn sent(limits: &Limits) -> u64 {
        limits.sent.of(LimitKind::Requests).round() as u64
    }

    #[test]
    fn a_process_that_is_stopped_with_the_lock_stops_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| FileStore::open(limits(), directory.path(), NAME).unwrap());
        assert_eq!([send(&one, 1.0), send(&other, 1.1), send(&one, 1.2)], [1, 2, 3]);

        let stopped = File::open(directory.path().join(NAME)).unwrap();
        stopped.lock().unwrap();
        // Each counts for itself.
        assert_eq!([send(&one, 2.0), send(&other, 2.1)], [4, 3]);
        // The first goes on in a new file, and the other one adds there what it has sent.
        assert_eq!([send(&one, 3.1), send(&other, 3.2), send(&one, 3.3)], [5, 7, 8]);
        drop(stopped);
        assert_eq!([send(&other, 3.4), send(&one, 3.5)], [9, 10]);
    }

    #[test]
    fn what_was_sent_while_another_process_had_the_lock_is_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| FileStore::open(limits(), directory.path(), NAME).unwrap());
        send(&one, 1.0);
        let holder = File::open(directory.path().join(NAME)).unwrap();
        holder.lock().unwrap();
        send(&one, 2.0);
        holder.unlock().unwrap();
        assert_eq!([send(&other, 2.1), send(&one, 2.2), send(&other, 2.3)], [2, 4, 5]);
    }
}
