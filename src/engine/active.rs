//! Documents in progress, cancelled documents, and documents that the next run asks again.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use tokio_util::sync::CancellationToken;

/// Maximum number of names kept for the next run.
pub(super) const REMEMBERED: usize = 10_000;

/// The documents that can be cancelled or requeued.
#[derive(Debug, Default)]
pub(super) struct ActiveDocuments(Mutex<Documents>);

#[derive(Debug, Default)]
struct Documents {
    /// Documents in progress, by name. A cancelled token stops further calls.
    now: HashMap<String, CancellationToken>,
    /// Documents cancelled before their turn.
    cancelled: HashSet<String>,
    /// Documents that the next run asks again. `true` includes their answered calls.
    requeued: Vec<(String, bool)>,
}

/// Marks a document as in progress until it is dropped.
pub(super) struct Turn<'u> {
    active: &'u ActiveDocuments,
    name: String,
    pub cancelled: CancellationToken,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.active.documents().now.remove(&self.name);
    }
}

/// The effect of a cancellation.
pub(super) enum Cancelled {
    /// The document was in progress.
    Now,
    /// The document will be cancelled when its turn comes.
    Later,
}

impl ActiveDocuments {
    /// No document is in progress; those in `cancelled` will be cancelled when their turn comes.
    pub fn without(cancelled: Vec<String>) -> Self {
        Self(Mutex::new(Documents { cancelled: cancelled.into_iter().collect(), ..Documents::default() }))
    }

    /// Starts the turn of a document.
    pub fn begin(&self, name: &str) -> Turn<'_> {
        let mut documents = self.documents();
        let cancelled = CancellationToken::new();
        if documents.cancelled.remove(name) {
            cancelled.cancel();
        }
        documents.now.insert(name.to_owned(), cancelled.clone());
        Turn { active: self, name: name.to_owned(), cancelled }
    }

    /// Cancels a document: no further call on it is sent.
    pub fn cancel(&self, name: &str) -> Cancelled {
        let mut documents = self.documents();
        if let Some(token) = documents.now.get(name) {
            token.cancel();
            return Cancelled::Now;
        }
        documents.cancelled.insert(name.to_owned());
        Cancelled::Later
    }

    /// Whether a document is in progress.
    pub fn holds(&self, name: &str) -> bool {
        self.documents().now.contains_key(name)
    }

    /// Lets the next run ask a document again. Returns `false` if `REMEMBERED` names are kept.
    pub fn requeue(&self, name: String, all: bool) -> bool {
        let mut documents = self.documents();
        let room = documents.requeued.len() < REMEMBERED;
        if room {
            documents.requeued.push((name, all));
        }
        room
    }

    /// Takes the documents that the next run asks again.
    pub fn requeued(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.documents().requeued)
    }

    /// Cancelled documents whose turn has not come, sorted by name.
    pub fn never_came(&self) -> Vec<String> {
        let mut names: Vec<String> = self.documents().cancelled.iter().cloned().collect();
        names.sort_unstable();
        names
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        // Names have no half-written state that a panic elsewhere could leave behind.
        self.0.lock()
    }
}
