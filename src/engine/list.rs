//! Walks the inputs and passes on the documents that have work to do.
//!
//! A document is up to date if its file stamp is unchanged and the store has its row for this
//! recipe. Such a document is not read, unless the settings retry its failure. While the walk
//! matches the listing of the previous run, nothing is written. From the first difference on, the
//! run writes a new listing.

use super::{Context, Results, RunError};
use crate::model::{Document, DocumentId, Failure, LeftOut, Place, Stamp, Tally};
use crate::read::{Roots, is_table_name};
use crate::store::{Catalog, Retry, RowState, StoreHandle, Version, own_code};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::mpsc::{Receiver, Sender};

/// A document as the walk found it.
#[derive(Debug)]
pub(super) struct Walked {
    document: Document,
    failure: Option<Failure>,
    /// The stamp of its file, if the store has documents to compare with.
    stamp: Option<Stamp>,
}

/// A document that has work to do.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub document: Document,
    pub failure: Option<Failure>,
    /// The stamp of its file, if it was looked up.
    pub stamp: Option<Stamp>,
    /// The versions of this name in the store.
    pub versions: Vec<Version>,
    /// Time at which it was found.
    pub at: Timestamp,
    /// Whether the run has counted a version of it. Only documents that arrive can come twice.
    pub is_counted: bool,
}

/// The results of walking and comparing.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    pub left_out: LeftOut,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Warnings about ids that rows share, for runs whose documents differ from the run before.
    pub repeated_ids: Vec<String>,
    /// Documents that are up to date.
    pub up_to_date: Tally,
    /// Whether the walk differs from the previous run, judged without reading documents.
    pub changed: bool,
    /// Rows made by this run.
    pub made: u64,
    /// The run whose listing is valid.
    pub listing: Option<i64>,
}

impl Findings {
    /// Records that all documents are as in run `previous`, whose rows are in `written`.
    pub fn unchanged(&mut self, previous: i64, written: &Results) {
        (self.changed, self.listing) = (false, Some(previous));
        self.count(written);
    }

    /// Counts the rows in `written` as up to date.
    pub fn count(&mut self, written: &Results) {
        self.up_to_date = Tally::default();
        written.totals().for_each(|totals| self.up_to_date += &totals.tally);
    }
}

/// Documents in a batch. Waking another thread costs more than comparing one document.
const BATCH: usize = 64;
/// Maximum bytes of table rows in a batch, because rows carry their text.
const BATCH_BYTES: usize = 1_000_000;

/// Walks the inputs and passes on the documents at `places`, or all. Blocks.
///
/// The channel limits how far the walk runs ahead. A final empty batch means that all documents
/// were passed on.
pub(super) fn walk(
    roots: &Roots,
    (compare, places): (bool, Option<Vec<u64>>),
    walked: &Sender<Vec<Walked>>,
    findings: &Mutex<Findings>,
    context: &Context,
) {
    let mut wanted = places.iter().flatten().peekable();
    let mut walk = roots.walk();
    let (mut documents, mut batch, mut bytes) = (0, Vec::with_capacity(BATCH), 0);
    let (mut tables, mut a_table) = (0_u64, String::new());
    while !context.stop.is_cancelled() {
        let Some((document, failure)) = walk.next() else {
            context.meters.set_documents(documents);
            // If the channel is closed, the run is stopping.
            let _stopping = walked.blocking_send(batch);
            if places.is_none() {
                let _stopping = walked.blocking_send(Vec::new());
            }
            break;
        };
        documents += 1;
        if matches!(document.place, Place::File(_) | Place::Object { .. }) && is_table_name(&document.name) {
            tables += 1;
            if a_table.is_empty() {
                a_table.clone_from(&document.name);
            }
        }
        if places.is_some() && wanted.next_if(|place| **place == document.index).is_none() {
            continue;
        }
        let stamp = if compare { roots.stamp_of(&document.place) } else { None };
        bytes += document.row().map_or(0, |row| row.text.len());
        batch.push(Walked { document, failure, stamp });
        if (batch.len() == BATCH || bytes > BATCH_BYTES)
            && {
                bytes = 0;
                true
            }
            && walked.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err()
        {
            break;
        }
    }
    let mut findings = findings.lock();
    findings.left_out = walk.left_out();
    if tables > 0 {
        let files = if tables == 1 { "1 table is a document here".to_owned() } else { format!("{tables} tables are documents here") };
        findings.notes.push(format!("{files}, such as {a_table}; --rows TABLE makes each of its rows a document"));
    }
    findings.repeated_ids = roots.repeated_ids();
}

/// Counts the documents ahead of the walk, so that progress has a total. Blocks.
pub(super) fn count(roots: &Roots, context: &Context) {
    let documents = roots.unsorted().take_while(|()| !context.stop.is_cancelled()).count();
    if !context.stop.is_cancelled() {
        context.meters.set_documents(documents as u64);
    }
}

/// Compares the walked documents with the store.
pub(super) struct Lister {
    pub run: i64,
    /// `None` if the store contains no documents.
    pub catalog: Option<Catalog>,
    /// The listing of the previous run.
    pub previous: Option<i64>,
    pub retry: Retry,
    pub store: StoreHandle,
    pub context: Context,
    pub changed: bool,
}

impl Lister {
    /// Passes on documents with work to do and lists the others. Blocks.
    pub fn list(mut self, mut walked: Receiver<Vec<Walked>>, found: &Sender<Found>, findings: &Mutex<Findings>) -> Result<(), RunError> {
        let (mut count, mut at_the_end) = (0, false);
        let mut sums = Findings::default();
        while let Some(batch) = walked.blocking_recv() {
            at_the_end = batch.is_empty();
            count += batch.len() as u64;
            if !self.compare(batch, found, &mut sums)? {
                return Ok(());
            }
        }
        if at_the_end {
            self.finish(count, &mut sums)?;
        }
        let mut findings = findings.lock();
        let found = std::mem::take(&mut *findings);
        let Findings { left_out, notes, warnings, repeated_ids, .. } = found;
        *findings = Findings { left_out, notes, warnings, repeated_ids, changed: self.changed, ..sums };
        Ok(())
    }

    /// Compares a batch. Returns `false` if the run is stopping.
    fn compare(&mut self, batch: Vec<Walked>, found: &Sender<Found>, sums: &mut Findings) -> Result<bool, RunError> {
        let mut unchanged = Vec::new();
        for Walked { document, failure, stamp } in batch {
            let versions = match &mut self.catalog {
                Some(catalog) => catalog.versions(&document.name)?,
                None => Vec::new(),
            };
            if let Some((id, row)) = self.up_to_date(&versions, stamp) {
                self.keep(document.index, id, row, sums, &mut unchanged)?;
                continue;
            }
            self.differs_from(document.index)?;
            if found.blocking_send(Found { document, failure, stamp, versions, at: Timestamp::now(), is_counted: false }).is_err() {
                return Ok(false);
            }
        }
        if !unchanged.is_empty() {
            self.list_all(unchanged)?;
        }
        Ok(true)
    }

    /// The version and the row of an up-to-date document.
    fn up_to_date<'v>(&self, versions: &'v [Version], stamp: Option<Stamp>) -> Option<(DocumentId, &'v RowState)> {
        // A table row has a version for each set of columns that a job uses, all with one stamp.
        let mut current = versions.iter().filter(|version| stamp.is_some() && version.stamp == stamp);
        let (id, row) = current.find_map(|version| Some((version.id, version.row.as_ref()?)))?;
        (!self.retry.takes_any(row.codes.as_deref())).then_some((id, row))
    }

    /// Counts an up-to-date document and compares its position with the previous listing.
    fn keep(
        &mut self,
        position: u64,
        id: DocumentId,
        row: &RowState,
        sums: &mut Findings,
        unchanged: &mut Vec<(u64, DocumentId)>,
    ) -> Result<(), RunError> {
        self.context.meters.up_to_date.fetch_add(1, Relaxed);
        if let Some(status) = row.status() {
            sums.up_to_date.add(status, own_code(row.codes.as_deref()), 1);
        }
        if !self.changed {
            let listed = match (&mut self.catalog, self.previous) {
                (Some(catalog), Some(previous)) => catalog.listed(previous, position)?,
                _ => None,
            };
            if listed == Some(id) {
                return Ok(());
            }
            self.differs_from(position)?;
        }
        unchanged.push((position, id));
        Ok(())
    }

    /// Starts a new listing that shares the previous one up to `position`.
    fn differs_from(&mut self, position: u64) -> Result<(), RunError> {
        if !std::mem::replace(&mut self.changed, true) {
            let from = self.previous.filter(|_| position > 0);
            self.store.branch_listing(from, position)?;
        }
        Ok(())
    }

    fn list_all(&self, documents: Vec<(u64, DocumentId)>) -> Result<(), RunError> {
        Ok(self.store.list(documents)?)
    }

    /// Completes the listing after the last document.
    fn finish(&mut self, documents: u64, sums: &mut Findings) -> Result<(), RunError> {
        let longer = match (&mut self.catalog, self.previous) {
            (Some(catalog), Some(previous)) => catalog.listed(previous, documents)?.is_some(),
            _ => documents > 0,
        };
        if longer {
            self.differs_from(documents)?;
        }
        let listing = self.previous.filter(|_| !self.changed).unwrap_or(self.run);
        sums.listing = Some(listing);
        Ok(self.store.walked(listing, documents)?)
    }
}
