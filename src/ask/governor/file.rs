//! Shares the limits of an account with other processes of the machine, by leases.
//!
//! A thread reads and writes the shared file, so no async worker waits for it. Under the lock of
//! the file the thread writes the changes by this process, and leases amounts for its lines.
//! Requests use up the leases without the file.
//!
//! If no line waits, changes are written a slice later, together with those that follow. If another
//! process holds the lock for long, this process counts alone (`shared_file`).

use super::super::fault::Pressure;
use super::configured::ConfiguredLimits;
use super::lease::{Blocked, Leased, SLICE_S};
use super::limits::{Limits, Taken};
use super::shared_file::SharedFile;
use super::store::{LimitStore, Line, Report, Wait, Wanted};
use crate::model::WaitReason;
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The limits of one account, in a file.
#[derive(Debug)]
pub(super) struct FileStore {
    shared: Arc<Shared>,
    /// `None` in tests in virtual time: the file is then used on the calling thread.
    thread: Option<Thread>,
}

/// The thread that uses the file. It ends when the bell is dropped.
#[derive(Debug)]
struct Thread {
    bell: SyncSender<()>,
    handle: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    file: Mutex<SharedFile>,
}

/// What this process knows and has.
#[derive(Debug)]
struct State {
    /// The limits when the file was last read.
    known: Limits,
    leased: Vec<Leased>,
    /// The last request that got no lease.
    blocked: Option<Blocked>,
    /// Lines that wait for a lease.
    lines: Vec<Line>,
    /// Changes that are not in the file yet, each with its time.
    unwritten: Vec<(f64, Change)>,
    /// Whether a refusal or new settings have ended the lease that the thread is renewing.
    revoked: bool,
    /// The time of the last call.
    now: f64,
}

/// A change of the limits by this process.
#[derive(Debug)]
enum Change {
    Report(Report),
    Settings(Option<ConfiguredLimits>, Option<ConfiguredLimits>),
}

impl FileStore {
    /// Shares limits in the file `name` in `directory`, beginning with `limits` if it is new.
    pub fn open(limits: Limits, directory: &Path, name: &str, now: f64) -> io::Result<Self> {
        let mut store = Self::without_thread(limits, directory, name, now)?;
        let (bell, rings) = sync_channel(1);
        let shared = Arc::clone(&store.shared);
        let handle = std::thread::Builder::new().name("docmill-limits".into()).spawn(move || shared.serve(&rings))?;
        store.thread = Some(Thread { bell, handle });
        Ok(store)
    }

    /// The same, on the calling thread.
    pub(super) fn without_thread(limits: Limits, directory: &Path, name: &str, now: f64) -> io::Result<Self> {
        let file = SharedFile::open(directory, name)?;
        let (leased, lines, unwritten) = (Vec::new(), Vec::new(), Vec::new());
        let state = State { known: file.look(now).unwrap_or(limits), leased, blocked: None, lines, unwritten, revoked: false, now };
        Ok(Self { shared: Arc::new(Shared { state: Mutex::new(state), file: Mutex::new(file) }), thread: None })
    }

    /// Changes what this process knows, and returns the result.
    fn with<T>(&self, now: f64, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.shared.state.lock();
        state.now = state.now.max(now);
        change(&mut state)
    }

    /// Wakes the thread. It is awake already if the bell has rung before.
    fn ring(&self) {
        match &self.thread {
            Some(thread) => drop(thread.bell.try_send(())),
            None => self.shared.renew(),
        }
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        if let Some(Thread { bell, handle }) = self.thread.take() {
            drop(bell);
            // The last run on the account has ended. The thread writes that within milliseconds.
            let _panic_was_printed = handle.join();
        }
    }
}

impl LimitStore for FileStore {
    fn take(&self, wanted: &Wanted, now: f64) -> Result<Taken, Wait> {
        self.with(now, |state| state.take(wanted, now))
    }

    fn lease(&self, line: Line, now: f64) {
        self.with(now, |state| {
            state.lines.retain(|known| !Arc::ptr_eq(&known.turn, &line.turn));
            state.lines.push(line);
        });
        self.ring();
    }

    fn report(&self, report: Report, now: f64) {
        let refused = report.refused.is_some_and(|refusal| matches!(refusal.pressure, Pressure::Rate | Pressure::Ramp));
        if self.with(now, |state| state.add(Change::Report(report), refused, now)) {
            self.ring();
        }
    }

    fn configure(&self, old: Option<&ConfiguredLimits>, new: Option<&ConfiguredLimits>, now: f64) {
        if self.with(now, |state| state.add(Change::Settings(old.copied(), new.copied()), true, now)) {
            self.ring();
        }
    }

    fn known(&self, _now: f64) -> Limits {
        self.shared.state.lock().known.clone()
    }
}

impl State {
    fn take(&mut self, wanted: &Wanted, now: f64) -> Result<Taken, Wait> {
        let opens_at = self.known.opens_at();
        if opens_at > now {
            return Err(Wait::Until(opens_at, WaitReason::Refusal));
        }
        self.leased.retain(|leased| !leased.is_expired(now));
        if let Some(place) = self.leased.iter().position(|leased| leased.taken.need == wanted.need) {
            let taken = self.leased[place].taken(now)?;
            self.leased.remove(place);
            return Ok(taken);
        }
        Err(self.blocked.and_then(|blocked| blocked.wait(wanted, now)).unwrap_or(Wait::Lease))
    }

    /// Adds a change. Returns whether the thread must be woken for it.
    fn add(&mut self, change: Change, revokes: bool, now: f64) -> bool {
        if revokes {
            self.leased.clear();
            self.revoked = true;
        }
        self.blocked = None;
        self.unwritten.push((now, change));
        self.unwritten.len() == 1
    }
}

impl Shared {
    /// Renews the lease whenever the bell rings, and at the end.
    fn serve(&self, rings: &Receiver<()>) {
        while rings.recv().is_ok() {
            if self.state.lock().lines.is_empty() {
                // A line that asks for a lease meanwhile rings again.
                let _one_way_or_the_other = rings.recv_timeout(Duration::from_secs_f64(SLICE_S));
            }
            self.renew();
        }
        self.renew();
    }

    /// Writes the changes to the file, and leases amounts for the lines.
    fn renew(&self) {
        let mut file = self.file.lock();
        let mut state = self.state.lock();
        let (lines, changes) = (std::mem::take(&mut state.lines), std::mem::take(&mut state.unwritten));
        if lines.is_empty() && changes.is_empty() {
            return;
        }
        let (mut known, mut leased, now) = (state.known.clone(), state.leased.clone(), state.now);
        state.revoked = false;
        drop(state);

        let before = leased.len();
        let blocked = file.with(&mut known, now, |limits| {
            for (at, change) in &changes {
                match change {
                    Change::Report(report) => limits.report(report, true, *at),
                    Change::Settings(old, new) => limits.configure(old.as_ref(), new.as_ref(), *at),
                }
            }
            lines.iter().fold(None, |blocked, line| limits.lease(line, &mut leased, now).or(blocked))
        });

        let mut state = self.state.lock();
        state.known = known;
        if !state.revoked {
            state.leased.extend(leased.drain(before..));
        }
        // What has happened meanwhile may let the request go.
        state.blocked = blocked.filter(|_| state.unwritten.is_empty());
        for line in &lines {
            line.turn.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
