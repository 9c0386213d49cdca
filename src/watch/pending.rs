//! Files that are not ready to be read yet.

use crate::model::Stamp;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Maximum number of files that wait. Further ones are found by a later scan.
const MOST: usize = 20_000;
/// Time without a further event after which a closed file is ready.
const CLOSED: Duration = Duration::from_millis(100);

/// A file that is not ready.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// Its stamp at the last look.
    stamp: Option<Stamp>,
    /// When it was last seen to change.
    since: Instant,
    /// When to look again.
    look_at: Instant,
    /// Whether it was closed after writing, or renamed into place.
    closed: bool,
}

/// The files that are not ready.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<PathBuf, Waiting>);

/// Whether files of a directory are still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stillness {
    /// Time without a change.
    pub settle: Duration,
    /// Whether file times come from the clock of this machine.
    pub is_own_clock: bool,
}

impl Pending {
    /// A file was written to.
    pub fn changed(&mut self, path: &Path, settle: Duration) -> bool {
        self.note(path, false, settle)
    }

    /// A file was closed after writing, or renamed into place. It had this stamp then.
    ///
    /// Another program may begin to write it again before the event of that comes. So the file is
    /// ready only if it still has the stamp later.
    pub fn closed(&mut self, path: &Path, stamp: Option<Stamp>) -> bool {
        let has_room = self.note(path, true, CLOSED);
        if let Some(waiting) = self.0.get_mut(path) {
            waiting.stamp = stamp;
        }
        has_room
    }

    /// Times or permissions of a file have changed, but not its content.
    pub fn touched(&mut self, path: &Path, stamp: Option<Stamp>) {
        if self.0.get(path).is_some_and(|waiting| waiting.closed) {
            self.closed(path, stamp);
        }
    }

    /// Whether a closed file still has the stamp of its closing. Otherwise it counts as not closed.
    pub fn is_same(&mut self, path: &Path, now: Stamp) -> bool {
        let Some(waiting) = self.0.get_mut(path) else { return false };
        let is_same = waiting.stamp.is_some_and(|then| (then.size, then.modified_ns) == (now.size, now.modified_ns));
        waiting.closed &= is_same;
        is_same
    }

    /// Notes a file. Returns `false` if there is no room.
    fn note(&mut self, path: &Path, closed: bool, wait: Duration) -> bool {
        let now = Instant::now();
        let waiting = Waiting { stamp: None, since: now, look_at: now + wait, closed };
        if let Some(known) = self.0.get_mut(path) {
            *known = Waiting { stamp: known.stamp, ..waiting };
            return true;
        }
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.insert(path.to_owned(), waiting);
        }
        has_room
    }

    pub fn holds(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// All files that wait.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.keys().cloned().collect()
    }

    pub fn remove(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// Whether another file has room.
    pub fn has_room(&self) -> bool {
        self.0.len() < MOST
    }

    /// Files to look at now, and whether they were closed.
    pub fn due(&self, most: usize) -> Vec<(PathBuf, bool)> {
        let now = Instant::now();
        let due = self.0.iter().filter(|(_, waiting)| waiting.look_at <= now);
        due.take(most).map(|(path, waiting)| (path.clone(), waiting.closed)).collect()
    }

    /// When the next file is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.values().map(|waiting| waiting.look_at).min()
    }

    /// Looks at a file that was not seen to be closed. Returns whether it has been still long enough.
    pub fn is_still(&mut self, path: &Path, now: Stamp, stillness: Stillness) -> bool {
        let Some(waiting) = self.0.get_mut(path) else { return false };
        if waiting.stamp != Some(now) {
            if waiting.stamp.is_some() {
                waiting.since = Instant::now();
            }
            waiting.stamp = Some(now);
        } else if waiting.since.elapsed() >= stillness.settle {
            return true;
        }
        if is_old(now, stillness) {
            return true;
        }
        self.look_later(path, stillness.settle);
        false
    }

    /// Looks at a file again after some time, at most a second.
    pub fn look_later(&mut self, path: &Path, time: Duration) {
        if let Some(waiting) = self.0.get_mut(path) {
            waiting.look_at = Instant::now() + time.min(Duration::from_secs(1));
        }
    }
}

/// Whether the last change of a file is old enough by the clock.
///
/// Programs can set the time of modification, so the time of change counts.
pub(super) fn is_old(stamp: Stamp, stillness: Stillness) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    let settle = i64::try_from(stillness.settle.as_nanos()).unwrap_or(i64::MAX);
    stillness.is_own_clock && stamp.changed_ns > 0 && now.saturating_sub(stamp.changed_ns) >= settle
}

/// Whether a name is that of an unfinished file, which `docmill watch` leaves alone.
pub fn is_temporary(path: &Path) -> bool {
    const ENDINGS: [&str; 6] = [".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download"];
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let lower = name.to_ascii_lowercase();
    name.starts_with(b".") || name.starts_with(b"~$") || name.ends_with(b"~") || ENDINGS.iter().any(|end| lower.ends_with(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognised() {
        for name in ["a.part", "A.TMP", "b.crdownload", "c.filepart", "~$d.docx", ".e", "f.txt~", "x/g.partial"] {
            assert!(is_temporary(Path::new(name)), "{name}");
        }
        for name in ["a.txt", "part", "tmp.txt", "~d.docx", "party"] {
            assert!(!is_temporary(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_file_is_still_when_its_last_change_is_old_or_was_seen_long_ago() {
        let (path, own) = (Path::new("a"), Stillness { settle: Duration::from_hours(1), is_own_clock: true });
        let stamp = |changed_ns| Stamp { size: 1, modified_ns: i64::MAX, changed_ns };
        let mut pending = Pending::default();
        assert!(pending.changed(path, Duration::ZERO));
        assert_eq!(pending.due(9), [(path.to_owned(), false)]);
        assert!(pending.is_still(path, stamp(1), own), "it changed in 1970");
        let foreign = Stillness { is_own_clock: false, ..own };
        assert!(!pending.is_still(path, stamp(1), foreign), "the clock is another machine's");
        let at_once = Stillness { settle: Duration::ZERO, is_own_clock: false };
        assert!(!pending.is_still(path, stamp(2), at_once), "it has just changed");
        assert!(pending.is_still(path, stamp(2), at_once));
    }

    #[test]
    fn a_closed_file_that_is_written_again_is_no_longer_closed() {
        let path = Path::new("a");
        let mut pending = Pending::default();
        let stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
        pending.closed(path, Some(stamp));
        assert!(pending.due(9).is_empty(), "another event may follow at once");
        assert!(pending.is_same(path, Stamp { changed_ns: 4, ..stamp }), "only its permissions have changed");
        assert!(!pending.is_same(path, Stamp { size: 2, ..stamp }), "it is being written again");
        pending.changed(path, Duration::ZERO);
        assert_eq!(pending.due(9), [(path.to_owned(), false)]);
        pending.remove(path);
        assert!(!pending.holds(path) && pending.next_due().is_none());
    }
}
