//! Documents whose calls are under way, those that somebody has cancelled, and those to be asked again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Names that are remembered at the most, for the next run.
pub(super) const REMEMBERED: usize = 10_000;

/// Who can be cancelled.
#[derive(Debug, Default)]
pub(super) struct ActiveDocuments(Mutex<Documents>);

#[derive(Debug, Default)]
struct Documents {
    /// By name. Cancelled when no further call about it is to be sent.
    now: HashMap<String, CancellationToken>,
    /// Cancelled before their turn.
    cancelled: HashSet<String>,
    /// To be asked again by the next run; with those whose answers are asked again too.
    requeued: Vec<(String, bool)>,
}

/// A document is under way for as long as this is kept.
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

/// What cancelling came to.
pub(super) enum Cancelled {
    /// It was under way.
    Now,
    /// It was not: it is given up when it comes.
    Later,
}

impl ActiveDocuments {
    /// Nobody yet; these are given up when they come.
    pub fn without(cancelled: Vec<String>) -> Self {
        Self(Mutex::new(Documents { cancelled: cancelled.into_iter().collect(), ..Documents::default() }))
    }

    /// A document has its turn.
    pub fn begin(&self, name: &str) -> Turn<'_> {
        let mut documents = self.documents();
        let cancelled = CancellationToken::new();
        if documents.cancelled.remove(name) {
            cancelled.cancel();
        }
        documents.now.insert(name.to_owned(), cancelled.clone());
        Turn { active: self, name: name.to_owned(), cancelled }
    }

    /// No further call about a document.
    pub fn cancel(&self, name: &str) -> Cancelled {
        let mut documents = self.documents();
        if let Some(token) = documents.now.get(name) {
            token.cancel();
            return Cancelled::Now;
        }
        documents.cancelled.insert(name.to_owned());
        Cancelled::Later
    }

    /// Whether a document is under way.
    pub fn holds(&self, name: &str) -> bool {
        self.documents().now.contains_key(name)
    }

    /// The next run is to ask again. False if too many are remembered already.
    pub fn requeue(&self, name: String, all: bool) -> bool {
        let mut documents = self.documents();
        let room = documents.requeued.len() < REMEMBERED;
        if room {
            documents.requeued.push((name, all));
        }
        room
    }

    /// Those that the next run is to ask again.
    pub fn requeued(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.documents().requeued)
    }

    /// Documents that were to be cancelled and have never come.
    pub fn never_came(&self) -> Vec<String> {
        let mut names: Vec<String> = self.documents().cancelled.iter().cloned().collect();
        names.sort_unstable();
        names
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        // Names have no half-written state that a panic elsewhere could leave behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
