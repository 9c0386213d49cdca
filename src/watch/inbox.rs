//! Watched directories and prefixes of object storage.
//!
//! A scan finds every document. Events only find them faster: they put files on the list of pending
//! ones, and scans do the same for files that are too young. A file is offered when it is ready.

use super::composed;
use super::events::{Events, Signal};
use super::mounts::is_network;
use super::moved::Moved;
use super::pending::{Stillness, is_old, is_temporary};
use super::scanner::Scanner;
use super::settings::WatchSettings;
use super::shared::{Finished, SOON, Shared, hash_of};
use super::writers::Writers;
use crate::engine::{Arrival, Arrivals, Ended, Fate};
use crate::model::{Place, Stamp, counted};
use crate::read::Roots;
use crate::store::ResultOrder;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Documents that are offered at a time.
const BATCH: usize = 64;
/// Maximum time in which a stop is noticed.
const TICK: Duration = Duration::from_millis(100);

/// A source of the files of directories, or of the objects of a bucket.
#[derive(Debug)]
pub struct Inbox {
    roots: Roots,
    stillness: Stillness,
    rescan: Duration,
    publish: Duration,
    moved: Moved,
    shared: Arc<Shared>,
    scanner: Mutex<Scanner>,
    _events: Option<Events>,
}

impl Inbox {
    /// Watches these inputs. The error says which setting is wrong.
    pub fn open(roots: Roots, settings: &WatchSettings) -> Result<Self, String> {
        if let Some(other) = roots.not_watchable() {
            return Err(format!("{}: docmill watches directories, s3://BUCKET/PREFIX (gs, az) and - (standard input)", other.display()));
        }
        let is_network = roots.directories().any(is_network);
        let moved = Moved::new(&settings.done_dir, &settings.failed_dir)?;
        composed::check(&roots, moved.is_on(), is_network)?;
        roots.directories().try_for_each(|directory| moved.check(directory))?;
        let settle = settings.settle(is_network);
        let shared = Arc::new(Shared::default());
        let events = (settings.events && !roots.are_remote()).then(|| {
            let (shared, stamps) = (Arc::clone(&shared), roots.clone());
            let each = move |signal: Signal| {
                if signal.path().is_some_and(Roots::is_ignore_file) {
                    stamps.forget_ignore_files();
                    shared.look_everywhere();
                }
                let stamp = |path: &Path| stamps.stamp_of(&Place::File(path.to_owned()));
                shared.take(&signal, &stamp, settle);
                if matches!(signal, Signal::Gone(_)) && stamps.have_groups() {
                    shared.state.lock().scan_soon = true;
                }
            };
            Events::of(roots.directories(), each)
        });
        let (events, trouble) = match events {
            Some(Ok(events)) => (Some(events), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let works = roots.are_remote() || (events.is_some() && !is_network);
        let rescan = settings.rescan(works);
        if let Some(why) = trouble {
            let note = format!("events of the file system do not work: {why}. Scans every {} s find new files", rescan.as_secs());
            shared.state.lock().note(note);
        }
        let stillness = Stillness { settle, is_own_clock: !is_network };
        let scanner = Mutex::default();
        Ok(Self { roots, stillness, rescan, publish: settings.publish(), moved, shared, scanner, _events: events })
    }

    /// Pending files that are ready.
    fn ready(&self, writers: &mut Writers) -> Vec<Arrival> {
        let due = self.shared.state.lock().pending.due(BATCH);
        let mut ready = Vec::new();
        for (path, closed) in due {
            if composed::is_part(&self.roots, &path) {
                let mut state = self.shared.state.lock();
                state.pending.remove(&path);
                state.scan_soon = true;
                continue;
            }
            let name = if is_temporary(&path) || self.moved.holds(&path) { None } else { self.roots.document_at(&path) };
            let stamp = self.roots.stamp_of(&Place::File(path.clone()));
            let mut is_written = || !closed && writers.have(&path);
            let mut state = self.shared.state.lock();
            let (Some(name), Some(stamp)) = (name, stamp) else {
                state.pending.remove(&path);
                continue;
            };
            let is_ready = if closed { state.pending.is_same(&path, stamp) } else { state.pending.is_still(&path, stamp, self.stillness) };
            if state.in_flight.contains_key(&name) || !is_ready || is_written() {
                state.pending.look_later(&path, TICK);
                continue;
            }
            state.pending.remove(&path);
            state.in_flight.insert(name.clone(), Some((path.clone(), stamp)));
            ready.push(Arrival { name, place: Place::File(path), failure: None, stamp: Some(stamp), is_scanned: false });
        }
        ready
    }

    /// Goes on with the scan, or begins one if it is time.
    fn scan(&self, scanner: &mut Scanner) -> Vec<Arrival> {
        let mut offered = Vec::new();
        if scanner.walk.is_none() && !self.begin_scan(scanner) {
            return offered;
        }
        let started = Instant::now();
        while offered.len() < BATCH && started.elapsed() < TICK {
            let Some(found) = scanner.walk.as_mut().and_then(Iterator::next) else {
                self.end_scan(scanner);
                break;
            };
            let (document, failure) = found;
            let hash = hash_of(&document.name);
            let place = document.place;
            let stamp = self.roots.stamp_of(&place);
            if let Some(files) = composed::files_of(&self.roots, &place, failure.is_some()) {
                scanner.names = scanner.names.wrapping_add(hash);
                if self.are_offered(&files, &document.name, &mut scanner.writers) {
                    offered.push(Arrival { name: document.name, place, failure, stamp, is_scanned: true });
                }
                continue;
            }
            match (&place, failure) {
                (place, Some(failure)) => {
                    // The name of the directory itself is empty.
                    let name = if let Place::File(path) = place { path.display().to_string() } else { document.name };
                    self.shared.state.lock().note(format!("{name}: {}", failure.message));
                    continue;
                }
                (Place::File(path), None) if is_temporary(path) || self.moved.holds(path) => continue,
                (Place::File(path), None) => {
                    scanner.names = scanner.names.wrapping_add(hash);
                    if !self.is_offered(path, &document.name, stamp, &mut scanner.writers) {
                        continue;
                    }
                }
                _ => {
                    scanner.names = scanner.names.wrapping_add(hash);
                    scanner.found.push(hash);
                    if self.shared.state.lock().in_flight.insert(document.name.clone(), None).is_some() {
                        continue;
                    }
                }
            }
            offered.push(Arrival { name: document.name, place, failure: None, stamp, is_scanned: true });
        }
        offered
    }

    /// Whether the files of a document are ready. Otherwise a scan follows.
    fn are_offered(&self, files: &[PathBuf], name: &str, writers: &mut Writers) -> bool {
        let is_old = |path: &Path| self.roots.stamp_of(&Place::File(path.to_owned())).is_some_and(|stamp| is_old(stamp, self.stillness));
        // A temporary file gets another name, and then there is an event.
        let is_finished = files.iter().all(|path| !is_temporary(path));
        let are_ready = is_finished && files.iter().all(|path| is_old(path) && !writers.have(path));
        let mut state = self.shared.state.lock();
        state.scan_soon |= is_finished && !are_ready;
        state.first.wait(is_finished && !are_ready);
        if !are_ready || state.in_flight.contains_key(name) {
            return false;
        }
        state.in_flight.insert(name.to_owned(), None);
        true
    }

    /// Whether a file that a scan has found is ready. Otherwise puts it on the list of pending files.
    fn is_offered(&self, path: &Path, name: &str, stamp: Option<Stamp>, writers: &mut Writers) -> bool {
        let Some(stamp) = stamp else { return false };
        let is_ready = is_old(stamp, self.stillness) && !writers.have(path);
        let mut state = self.shared.state.lock();
        if state.pending.holds(path) || state.in_flight.contains_key(name) {
            return false;
        }
        if is_ready {
            state.in_flight.insert(name.to_owned(), Some((path.to_owned(), stamp)));
        } else if !state.pending.changed(path, Duration::ZERO) {
            // A later scan finds the file again.
            state.scan_soon = true;
            state.first.cut();
        }
        is_ready
    }

    fn begin_scan(&self, scanner: &mut Scanner) -> bool {
        let mut state = self.shared.state.lock();
        let since = scanner.begun.map(|begun| begun.elapsed());
        let soon = SOON.max(scanner.took * 10);
        let is_due = since.is_none_or(|since| since >= self.rescan || (state.scan_soon && since >= soon));
        // Files beyond the maximum of pending ones wait for a scan.
        if !is_due || !state.pending.has_room() {
            return false;
        }
        state.scan_soon = false;
        state.first.scan();
        drop(state);
        self.roots.forget_ignore_files();
        scanner.begun = Some(Instant::now());
        scanner.walk = Some(self.roots.walk().anew());
        true
    }

    fn end_scan(&self, scanner: &mut Scanner) {
        scanner.walk = None;
        scanner.took = scanner.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        let names = std::mem::take(&mut scanner.names);
        scanner.found.sort_unstable();
        let found = Arc::new(std::mem::take(&mut scanner.found));
        if found.is_empty() && scanner.last_names.is_none() && self.roots.are_remote() {
            let note = format!("{}: no object yet. docmill looks again every {} s", self.roots.describe(), self.rescan.as_secs());
            self.shared.state.lock().note(note);
        }
        self.shared.scanned(found, self.stillness.settle);
        if scanner.last_names.replace(names) != Some(names) {
            self.shared.removals.fetch_add(1, Relaxed);
        }
    }

    /// Moves files with a row.
    fn move_finished(&self) {
        let finished = std::mem::take(&mut self.shared.state.lock().finished);
        for Finished { path, stamp, name, status } in finished {
            // A file that was written again has not been asked about.
            if self.roots.stamp_of(&Place::File(path.clone())) != Some(stamp) {
                continue;
            }
            if let Err(why) = self.moved.put(&path, &name, status) {
                self.shared.state.lock().note(why);
            }
        }
    }

    /// Notes how many files were not ready when the watch ended.
    fn note_pending(&self) {
        let paths = self.shared.state.lock().pending.paths();
        let files = paths.iter().filter(|path| !self.moved.holds(path) && self.roots.document_at(path).is_some()).count();
        if files > 0 {
            let were = if files == 1 { "was" } else { "were" };
            let note = format!("{} {were} not ready yet. The next watch takes what is ready then", counted(files as u64, "file"));
            self.shared.state.lock().note(note);
        }
    }

    /// Whether the document called `name` exists. `is_kept` decides about a file.
    fn is_there(&self, name: &str, is_kept: impl Fn(&Path) -> bool) -> bool {
        match self.roots.locate(name) {
            Some(Place::File(path)) => is_kept(&path),
            Some(Place::Group(_) | Place::Member(_)) => true,
            None if self.roots.have_groups() => false,
            _ => self.is_found(name),
        }
    }

    /// Whether a listing has found the remote document called `name`. True before the first one ends.
    fn is_found(&self, name: &str) -> bool {
        let found = self.shared.state.lock().found.clone();
        found.is_none_or(|found| found.binary_search(&hash_of(name)).is_ok())
    }

    /// How long nothing is to be done, if no event comes.
    fn idle(&self, scanner: &Scanner) -> Duration {
        if scanner.walk.is_some() {
            return Duration::ZERO;
        }
        let due = self.shared.state.lock().pending.next_due();
        due.map_or(TICK, |due| due.saturating_duration_since(Instant::now())).clamp(Duration::from_millis(5), TICK)
    }
}

impl Arrivals for Inbox {
    fn next(&self, stop: &CancellationToken) -> Option<Vec<Arrival>> {
        let mut scanner = self.scanner.lock();
        loop {
            self.move_finished();
            if stop.is_cancelled() {
                self.note_pending();
                return None;
            }
            let mut arrivals = self.ready(&mut scanner.writers);
            if arrivals.len() < BATCH {
                arrivals.extend(self.scan(&mut scanner));
            }
            // A note is shown although no document has arrived.
            if !arrivals.is_empty() || !self.shared.state.lock().notes.is_empty() {
                return Some(arrivals);
            }
            let idle = self.idle(&scanner);
            if !idle.is_zero() {
                let mut state = self.shared.state.lock();
                self.shared.changed.wait_for(&mut state, idle);
            }
        }
    }

    fn ended(&self, ended: Ended) {
        let mut state = self.shared.state.lock();
        let file = state.in_flight.remove(&ended.name).flatten();
        state.first.ended(&ended.name, file.as_ref().map(|(path, _)| path.as_path()), &ended.fate);
        match (file, ended.fate) {
            (file, Fate::Changed) => {
                let wait = self.stillness.settle.min(SOON);
                if !file.is_some_and(|(path, _)| state.pending.holds(&path) || state.pending.changed(&path, wait)) {
                    state.scan_soon = true;
                    state.first.missed(ended.name);
                }
            }
            (Some((path, stamp)), Fate::Done { status: Some((status, _)), .. }) if self.moved.is_on() => {
                state.finished.push(Finished { path, stamp, name: ended.name, status });
            }
            _ => {}
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    fn again(&self, name: &str) -> bool {
        let path = self.roots.path_of(name);
        let mut state = self.shared.state.lock();
        match path {
            Some(path) => {
                let stamp = self.roots.stamp_of(&Place::File(path.clone()));
                stamp.is_some() && state.pending.closed(&path, stamp)
            }
            None => {
                state.scan_soon = true;
                true
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.is_there(name, Path::exists)
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state.lock().notes)
    }

    fn keeps(&self, name: &str) -> bool {
        if self.moved.is_on() {
            return true;
        }
        let is_there = self.is_there(name, |path| path.exists() && !self.roots.passes_by(path));
        // If a whole directory is missing, such as a lost mount, its documents stay in the results.
        is_there || self.roots.directories().any(|directory| !directory.is_dir())
    }

    fn removals(&self) -> u64 {
        if self.moved.is_on() { 0 } else { self.shared.removals.load(Relaxed) }
    }

    fn order(&self) -> ResultOrder {
        ResultOrder::Name
    }

    fn renames(&self) -> bool {
        !self.moved.is_on()
    }

    fn has_passed(&self) -> bool {
        self.shared.has_passed()
    }

    fn publish_every(&self) -> Option<Duration> {
        Some(self.publish)
    }
}
