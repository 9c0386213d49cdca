//! What the threads of events, stages and documents of an inbox share.

use super::events::Signal;
use super::first::{First, InFlight};
use super::pending::{Pending, is_temporary};
use crate::model::{Digest, RowStatus, Stamp};
use parking_lot::{Condvar, Mutex};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Minimum time between scans that events ask for, and longest time between looks at a file.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// A file of the first scan that keeps changing is waited for at most this many times `watch.settle_s`,
/// and at least this long.
const PATIENCE: u32 = 10;
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

/// What the threads of events, stages and documents share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub state: Mutex<State>,
    pub changed: Condvar,
    pub removals: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub pending: Pending,
    pub in_flight: InFlight,
    /// The documents of the first scan.
    pub first: First,
    /// Files with a row, to be moved.
    pub finished: Vec<Finished>,
    /// Whether events ask for a scan.
    pub scan_soon: bool,
    /// Sorted hashes of the names of remote documents in the last scan.
    pub found: Option<Arc<Vec<u64>>>,
    /// Notes for the user, and all notes so far.
    pub notes: Vec<String>,
    noted: Vec<String>,
}

/// A file with a row.
#[derive(Debug)]
pub(super) struct Finished {
    pub path: PathBuf,
    /// The stamp that it had when it was read.
    pub stamp: Stamp,
    pub name: String,
    pub status: RowStatus,
}

impl State {
    /// Notes something for the user, once.
    pub fn note(&mut self, note: String) {
        const MOST: usize = 100;
        if self.noted.len() < MOST && !self.noted.contains(&note) {
            self.noted.push(note.clone());
            self.notes.push(note);
        }
    }
}

/// A hash of the name of a document.
pub(super) fn hash_of(name: &str) -> u64 {
    Digest::of(name.as_bytes()).short()
}

impl Shared {
    /// A scan has ended. `found` are sorted hashes of the names of remote documents.
    pub fn scanned(&self, found: Arc<Vec<u64>>, settle: Duration) {
        let mut state = self.state.lock();
        let State { first, in_flight, pending, .. } = &mut *state;
        first.scanned(in_flight, pending, LEAST_PATIENCE.max(settle * PATIENCE));
        state.found = Some(found);
    }

    /// Whether all documents of the first scan have had their turn.
    pub fn has_passed(&self) -> bool {
        let mut state = self.state.lock();
        let State { first, in_flight, pending, .. } = &mut *state;
        first.has_passed(in_flight, pending)
    }

    /// The rules for files have changed: a scan follows, and the results are made again.
    pub fn look_everywhere(&self) {
        self.state.lock().scan_soon = true;
        self.removals.fetch_add(1, Relaxed);
        self.changed.notify_one();
    }

    /// Takes a signal from the thread of events.
    pub fn take(&self, signal: &Signal, stamp: &impl Fn(&Path) -> Option<Stamp>, settle: Duration) {
        let stamp = match signal {
            Signal::Closed(path) | Signal::Touched(path) => stamp(path),
            _ => None,
        };
        let mut state = self.state.lock();
        let has_room = match signal {
            Signal::Changed(path) | Signal::Closed(path) | Signal::Touched(path) | Signal::Gone(path) if is_temporary(path) => return,
            Signal::Changed(path) => state.pending.changed(path, settle.min(SOON)),
            Signal::Closed(path) => state.pending.closed(path, stamp),
            Signal::Touched(path) => {
                state.pending.touched(path, stamp);
                true
            }
            Signal::Gone(path) => {
                state.pending.remove(path);
                self.removals.fetch_add(1, Relaxed);
                true
            }
            Signal::Directory => false,
            Signal::Lost(advice) => {
                let why = advice.clone().unwrap_or_else(|| "the system's queue of events was full".to_owned());
                state.note(format!("events of the file system were lost: {why}. A scan finds what they missed"));
                false
            }
        };
        state.scan_soon |= !has_room;
        drop(state);
        self.changed.notify_one();
    }
}
