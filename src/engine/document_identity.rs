//! Matches files with the documents of the store.
//!
//! A document is a name and a content:
//!
//! - If both are known, the document keeps its number, its answers and its row.
//! - If only the content is known and the file of the old name is gone or has changed, the document
//!   was renamed.
//! - If only the content is known and the old file still exists, the file is a copy and a new
//!   document.
//! - If a run adds documents to results, the documents of the results still exist. Only others can
//!   be renamed.
//! - If a later version of a table repeats a row, the row is the same document and keeps its name.

use super::Beside;
use crate::model::{Digest, Document, DocumentId, FailureCode, Stamp};
use crate::read::{Roots, is_version_of};
use crate::store::{Catalog, DocumentRecord, Retry, RowState, StoreError, Version, own_code};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Identifies documents and numbers new ones.
#[derive(Debug)]
pub(super) struct Register {
    /// `None` if the store contains no documents.
    known: Option<Mutex<Known>>,
    next: AtomicI64,
    roots: Roots,
    retry: Retry,
    /// The existing results, if this run adds documents to them.
    beside: Option<Beside>,
    /// The active run.
    run: i64,
    /// Whether a new name for known content means that the document was renamed.
    renames: bool,
}

#[derive(Debug)]
struct Known {
    catalog: Catalog,
    /// Documents that this run has found under another name, with that name.
    renamed: HashMap<DocumentId, String>,
}

/// The identity of a document in the store.
#[derive(Debug)]
pub(super) struct Identity {
    pub id: DocumentId,
    /// The record to write, if the document is new or has changed.
    pub record: Option<DocumentRecord>,
    /// Its row, if it is current. The document then has no work to do.
    pub kept: Option<RowState>,
    /// Whether the document is new, so the store has no answers for it.
    pub is_new: bool,
    /// Whether its name has changed.
    pub renamed: bool,
    /// Whether an existing row is outdated, because the document was unreadable then or other
    /// columns of its table row have changed.
    pub row_is_old: bool,
}

impl Register {
    pub fn new(catalog: Option<Catalog>, next: i64, roots: Roots, retry: Retry) -> Self {
        let known = catalog.map(|catalog| Mutex::new(Known { catalog, renamed: HashMap::new() }));
        Self { known, next: AtomicI64::new(next), roots, retry, beside: None, run: 0, renames: true }
    }

    /// Sets the existing results of a run that adds documents to them.
    pub fn beside(self, beside: Option<Beside>) -> Self {
        Self { beside, ..self }
    }

    /// Sets the active run, whose own rows are not retried.
    pub fn of_run(self, run: i64, renames: bool) -> Self {
        Self { run, renames, ..self }
    }

    /// The inputs.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Identifies a document. Blocks.
    ///
    /// `digest` is `None` if the document is unreadable. `versions` are the versions of its name in
    /// the store.
    pub fn identify(
        &self,
        document: &Document,
        versions: &[Version],
        digest: Option<Digest>,
        stamp: Option<Stamp>,
    ) -> Result<Identity, StoreError> {
        let record_as = |id, name: &str| Some(DocumentRecord { id, name: name.to_owned(), digest, stamp });
        let record = |id| record_as(id, &document.name);
        // Columns of a table row that no prompt uses may have changed. Then its stamp differs, and
        // its results are written again.
        let looks_the_same = |known: Option<Stamp>| document.row().is_none() || document.has_stamp(known, stamp);
        let typed = document.row().and_then(|row| row.typed_digest).filter(|_| digest.is_some());
        let same = |digest| versions.iter().find(|version| version.digest == digest);
        if let Some(same) = same(digest).or_else(|| same(Some(typed?))) {
            let sound = |row: &RowState| digest.is_some() && looks_the_same(same.stamp) && !self.retry.takes_row(row, self.run);
            let kept = same.row.clone().filter(sound);
            let record = if same.stamp == stamp { None } else { record(same.id) };
            let row_is_old = !looks_the_same(same.stamp);
            return Ok(Identity { id: same.id, record, kept, is_new: false, renamed: false, row_is_old });
        }
        if let Some(unread) = versions.iter().find(|version| version.digest.is_none()) {
            return Ok(Identity { id: unread.id, record: record(unread.id), kept: None, is_new: false, renamed: false, row_is_old: true });
        }
        for digest in digest.into_iter().chain(typed) {
            let Some(known) = self.known.as_ref().filter(|_| self.renames) else { break };
            let mut known = known.lock();
            if let Some((id, name, before)) = self.known_as(&mut known, digest, &document.name)? {
                let kept = known.catalog.row(id)?.filter(|row| looks_the_same(before) && !self.retry.takes_row(row, self.run));
                let (renamed, row_is_old) = (!self.is_repeated(&name, &document.name), !looks_the_same(before));
                let record = if renamed { record(id) } else { record_as(id, &name).filter(|_| before != stamp) };
                return Ok(Identity { id, record, kept, is_new: false, renamed, row_is_old });
            }
        }
        let id = DocumentId(self.next.fetch_add(1, Relaxed));
        Ok(Identity { id, record: record(id), kept: None, is_new: true, renamed: false, row_is_old: false })
    }

    /// The row of document `id`, if the document has failed with `code` before without being read.
    ///
    /// Such a document has no content to compare. It counts as the same while its size is.
    pub fn failed_before(&self, versions: &[Version], id: DocumentId, code: FailureCode, now: Option<Stamp>) -> Option<RowState> {
        let known = versions.iter().find(|version| version.id == id && version.digest.is_none())?;
        let is_as_large = known.stamp.zip(now).is_none_or(|(before, now)| before.size == now.size);
        let is_same = |row: &RowState| own_code(row.codes.as_deref()) == Some(code) && !self.retry.takes_row(row, self.run);
        known.row.clone().filter(|row| is_as_large && is_same(row))
    }

    /// Whether row `now` belongs to another version of the table with row `name`.
    fn is_repeated(&self, name: &str, now: &str) -> bool {
        self.beside.as_ref().is_some_and(|beside| is_version_of(&beside.versions, name, now))
    }

    /// Finds the document that was renamed to `now`, or the earlier version of table row `now`.
    ///
    /// Returns its id, name and stamp. It must have the content `digest`.
    fn known_as(&self, known: &mut Known, digest: Digest, now: &str) -> Result<Option<(DocumentId, String, Option<Stamp>)>, StoreError> {
        let candidates = known.catalog.with_content(digest)?;
        let replaced = |name: &str| {
            let lost = |beside: &Beside| self.roots.has_lost(name, true, &beside.records);
            self.is_repeated(name, now) || self.beside.as_ref().is_some_and(lost)
        };
        // A document that was renamed before can be renamed again once the store has its new name.
        let is_free = |(id, name, _): &(DocumentId, String, Option<Stamp>)| known.renamed.get(id).is_none_or(|now| now == name);
        let mut free = candidates.into_iter().filter(is_free).collect::<Vec<_>>();
        let mut found = free.iter().position(|(_, name, _)| replaced(name)).map(|at| free.swap_remove(at));
        for (id, name, stamp) in free {
            if found.is_some() {
                break;
            }
            let in_results = self.beside.as_ref().map_or(Ok(false), |beside| known.catalog.lists(beside.listing, id))?;
            found = (!in_results && !self.roots.hold(&name, digest, stamp)).then_some((id, name, stamp));
        }
        known.renamed.extend(found.iter().map(|(id, _, _)| (*id, now.to_owned())));
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
