//! Which document of the store is this?
//!
//! A document is a name and a content. One that is known under both keeps its number, and with it its answers and its
//! row. One that is known by content alone was renamed, if the file of the old name is gone or holds something else now;
//! if it is still there, this is a copy, and a document of its own. A row that a later delivery of its table repeats is the same
//! document, and keeps its name.

use super::Beside;
use crate::model::{Digest, Document, DocumentId, Stamp};
use crate::read::{Roots, is_version_of};
use crate::store::{Catalog, DocumentRecord, Retry, RowState, StoreError, Version};
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Gives documents their numbers.
#[derive(Debug)]
pub(super) struct Register {
    /// `None` if the store knows no documents yet.
    known: Option<Mutex<Known>>,
    next: AtomicI64,
    roots: Roots,
    retry: Retry,
    /// Where documents are added to others: of those that are not looked at none is gone.
    beside: Option<Beside>,
}

#[derive(Debug)]
struct Known {
    catalog: Catalog,
    /// Documents that were found under another name in this run.
    renamed: HashSet<DocumentId>,
}

/// Who a document is.
#[derive(Debug)]
pub(super) struct Identity {
    pub id: DocumentId,
    /// What the store does not know yet.
    pub record: Option<DocumentRecord>,
    /// Its row, if that needs no renewal: there is nothing to do then.
    pub kept: Option<RowState>,
    /// Whether it has its number from now: then no answers can be known.
    pub is_new: bool,
    /// Whether it had another name when it was seen last.
    pub renamed: bool,
    /// Whether a row that it may have is of another time: it could not be read then, or other columns were passed on.
    pub row_is_old: bool,
}

impl Register {
    pub fn new(catalog: Option<Catalog>, next: i64, roots: Roots, retry: Retry) -> Self {
        let known = catalog.map(|catalog| Mutex::new(Known { catalog, renamed: HashSet::new() }));
        Self { known, next: AtomicI64::new(next), roots, retry, beside: None }
    }

    /// The same for a run that adds documents to others.
    pub fn beside(self, beside: Option<Beside>) -> Self {
        Self { beside, ..self }
    }

    /// Where documents are.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Identifies a document that was read, or could not be (`digest` is `None`). `versions` is what is known under its
    /// name. Blocks.
    pub fn identify(
        &self,
        document: &Document,
        versions: &[Version],
        digest: Option<Digest>,
        stamp: Option<Stamp>,
    ) -> Result<Identity, StoreError> {
        let record_as = |id, name: &str| Some(DocumentRecord { id, name: name.to_owned(), digest, stamp });
        let record = |id| record_as(id, &document.name);
        // Of a row of a table, more may have changed than can reach a model: then its results are made again.
        let looks_the_same = |known: Option<Stamp>| document.row().is_none() || known == stamp;
        if let Some(same) = versions.iter().find(|version| version.digest == digest) {
            let sound = |row: &RowState| digest.is_some() && looks_the_same(same.stamp) && !self.retry.takes_any(row.codes.as_deref());
            let kept = same.row.clone().filter(sound);
            let record = if same.stamp == stamp { None } else { record(same.id) };
            let row_is_old = !looks_the_same(same.stamp);
            return Ok(Identity { id: same.id, record, kept, is_new: false, renamed: false, row_is_old });
        }
        if let Some(unread) = versions.iter().find(|version| version.digest.is_none()) {
            return Ok(Identity { id: unread.id, record: record(unread.id), kept: None, is_new: false, renamed: false, row_is_old: true });
        }
        if let (Some(digest), Some(known)) = (digest, &self.known) {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((id, name, before)) = self.known_as(&mut known, digest, &document.name)? {
                let kept = known.catalog.row(id)?.filter(|row| looks_the_same(before) && !self.retry.takes_any(row.codes.as_deref()));
                let (renamed, row_is_old) = (!self.is_repeated(&name, &document.name), !looks_the_same(before));
                let record = if renamed { record(id) } else { record_as(id, &name).filter(|_| before != stamp) };
                return Ok(Identity { id, record, kept, is_new: false, renamed, row_is_old });
            }
        }
        let id = DocumentId(self.next.fetch_add(1, Relaxed));
        Ok(Identity { id, record: record(id), kept: None, is_new: true, renamed: false, row_is_old: false })
    }

    /// Whether a row called `now` is in another delivery of the table that had the one called `name`.
    fn is_repeated(&self, name: &str, now: &str) -> bool {
        self.beside.as_ref().is_some_and(|beside| is_version_of(&beside.versions, name, now))
    }

    /// A document of this content whose name is free now, or of which the one called `now` is another delivery: its name, and what it
    /// looked like.
    fn known_as(&self, known: &mut Known, digest: Digest, now: &str) -> Result<Option<(DocumentId, String, Option<Stamp>)>, StoreError> {
        let candidates = known.catalog.with_content(digest)?;
        let replaced = |name: &str, stamp| match &self.beside {
            Some(beside) => self.is_repeated(name, now) || self.roots.has_lost(name, true, &beside.records),
            None => !self.roots.hold(name, digest, stamp),
        };
        let gone = |(id, name, stamp): &(DocumentId, String, Option<Stamp>)| !known.renamed.contains(id) && replaced(name, *stamp);
        let found = candidates.into_iter().find(gone);
        known.renamed.extend(found.iter().map(|(id, _, _)| *id));
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
