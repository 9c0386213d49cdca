//! Whether all documents of the first scan have had their turn.

use super::pending::Pending;
use crate::engine::Fate;
use crate::model::Stamp;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Documents whose turn has not ended, with the paths and stamps of files.
pub(super) type InFlight = HashMap<String, Option<(PathBuf, Stamp)>>;

/// The documents of the first scan that have no row yet.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct First {
    /// Names of documents, and paths of files that were not ready; `None` until the scan has ended.
    open: Option<(HashSet<String>, HashSet<PathBuf>)>,
    /// The end of the wait for files that keep changing.
    until: Option<Instant>,
    /// Whether the files of a document were not ready in the last scan.
    is_waiting: bool,
    /// Whether the last scan found more files that were not ready than can be pending.
    is_cut: bool,
    /// Documents that changed in their turn and that a later scan must find.
    missed: HashSet<String>,
    has_row: bool,
    /// Whether the run has left a document without a row.
    is_left: bool,
    has_passed: bool,
}

impl First {
    /// A scan begins.
    pub fn scan(&mut self) {
        (self.is_waiting, self.is_cut) = (false, false);
    }

    /// Notes whether the files of a document are not ready. A later scan finds it again then.
    pub fn wait(&mut self, is_waiting: bool) {
        self.is_waiting |= is_waiting;
    }

    /// A file that is not ready has no room among the pending ones.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// A document has changed in its turn, and only a scan finds it again.
    pub fn missed(&mut self, name: String) {
        if !self.has_passed {
            self.missed.insert(name);
        }
    }

    /// A scan has ended. Files that keep changing count for `patience`.
    pub fn scanned(&mut self, in_flight: &InFlight, pending: &Pending, patience: Duration) {
        let until = *self.until.get_or_insert_with(|| Instant::now() + patience);
        if self.open.is_some() || self.is_cut || (self.is_waiting && Instant::now() < until) {
            return;
        }
        let paths = in_flight.values().flatten().map(|(path, _)| path.clone()).chain(pending.paths());
        self.open = Some((in_flight.keys().cloned().collect(), paths.collect()));
    }

    /// The turn of a document has ended.
    pub fn ended(&mut self, name: &str, path: Option<&Path>, fate: &Fate) {
        match fate {
            Fate::Done { .. } => {
                self.has_row = true;
                self.missed.remove(name);
                if let Some((names, paths)) = &mut self.open {
                    names.remove(name);
                    path.map(|path| paths.remove(path));
                }
            }
            // The file is pending or gone, or its document is missed.
            Fate::Changed => {}
            Fate::Pending => self.is_left = true,
        }
    }

    /// Whether all documents have had their turn, and at least one has a row. Stays true.
    pub fn has_passed(&mut self, in_flight: &InFlight, pending: &Pending) -> bool {
        if let (false, false, true, Some((names, paths))) = (self.has_passed, self.is_left, self.has_row, &self.open) {
            let is_late = self.until.is_some_and(|until| Instant::now() >= until);
            let is_in_flight = |path: &PathBuf| in_flight.values().flatten().any(|(one, _)| one == path);
            let is_over = |path: &PathBuf| !is_in_flight(path) && (is_late || !pending.holds(path));
            self.has_passed =
                (is_late || self.missed.is_empty()) && !names.iter().any(|name| in_flight.contains_key(name)) && paths.iter().all(is_over);
        }
        self.has_passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DocumentId;

    fn done() -> Fate {
        Fate::Done { document: DocumentId(1), status: None, is_new: true }
    }

    #[test]
    fn the_first_documents_have_passed_when_each_had_its_turn() {
        let (mut first, mut pending, patience) = (First::default(), Pending::default(), Duration::from_hours(1));
        let mut in_flight: InFlight = [("a".to_owned(), None), ("b".to_owned(), None)].into();
        pending.changed(Path::new("in/c"), Duration::ZERO);
        assert!(!first.has_passed(&in_flight, &pending), "the scan has not ended");
        first.scanned(&in_flight, &pending, patience);
        in_flight.insert("later".to_owned(), None);
        for name in ["a", "b"] {
            assert!(!first.has_passed(&in_flight, &pending), "{name} has no row");
            in_flight.remove(name);
            first.ended(name, None, &done());
        }
        assert!(!first.has_passed(&in_flight, &pending), "c is not ready");
        pending.remove(Path::new("in/c"));
        assert!(first.has_passed(&in_flight, &pending), "later ones do not count");
        first.ended("later", None, &Fate::Pending);
        assert!(first.has_passed(&in_flight, &pending), "it stays true");
    }

    #[test]
    fn documents_without_room_or_with_changes_have_not_passed() {
        let (in_flight, pending, patience) = (InFlight::default(), Pending::default(), Duration::from_hours(1));
        let mut first = First::default();
        first.ended("a", None, &done());
        first.cut();
        first.scanned(&in_flight, &pending, patience);
        first.until = Some(Instant::now());
        assert!(!first.has_passed(&in_flight, &pending), "the scan has not seen all, however long it takes");
        first.until = None;
        first.scan();
        first.scanned(&in_flight, &pending, patience);
        first.missed("group".to_owned());
        assert!(!first.has_passed(&in_flight, &pending), "a scan must find it again");
        first.ended("group", None, &done());
        assert!(first.has_passed(&in_flight, &pending));
    }

    #[test]
    fn without_a_row_or_with_documents_left_nothing_has_passed() {
        let (in_flight, mut pending, patience) = (InFlight::default(), Pending::default(), Duration::from_hours(1));
        let mut empty = First::default();
        empty.scanned(&in_flight, &pending, patience);
        assert!(!empty.has_passed(&in_flight, &pending), "no document, no row");
        empty.ended("a", None, &Fate::Pending);
        empty.ended("b", None, &done());
        assert!(!empty.has_passed(&in_flight, &pending), "the run has left a document");
        // A document of several files that are not complete, and a file that never becomes ready.
        let mut first = First::default();
        first.ended("a", None, &done());
        first.wait(true);
        first.scanned(&in_flight, &pending, patience);
        assert!(!first.has_passed(&in_flight, &pending), "another scan follows");
        first.scan();
        pending.changed(Path::new("log"), Duration::ZERO);
        first.scanned(&in_flight, &pending, patience);
        assert!(!first.has_passed(&in_flight, &pending));
        first.until = Some(Instant::now());
        assert!(first.has_passed(&in_flight, &pending), "the wait for a file that keeps changing has an end");
    }
}
