//! Stages of a run whose documents arrive while it is active.
//!
//! [`Follower`] takes the place of walk and list, and [`Publisher`] that of the writer in input
//! order. A slow document therefore delays no other document.

use super::arrivals::{Arrival, Fate, Following};
use super::breaker::Breaker;
use super::list::{Findings, Found};
use super::write::{JobResults, Results};
use super::{Context, Plan, RunError};
use crate::event::RunEvent;
use crate::model::{Document, DocumentId, Place, Stamp};
use crate::store::{Catalog, NewestRows, Retry, RowState, Store, StoreHandle, StoreWatcher, Version, own_code};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

/// Says why result files do not change yet.
const KEPT: &str = "the results were made with another job or other settings. They stay until all documents that are there now have \
    a new row";

/// Passes on arrived documents that have work to do.
pub(super) struct Follower {
    pub following: Following,
    pub run: i64,
    pub catalog: Catalog,
    pub retry: Retry,
    pub store: StoreHandle,
    pub context: Context,
    pub runtime: Handle,
    /// The versions that were listed last of groups with several ones, which may come back.
    pub listed: HashMap<String, DocumentId>,
}

impl Follower {
    /// Follows the source until it ends or the run stops. Blocks.
    pub fn follow(mut self, found: &Sender<Found>) -> Result<(), RunError> {
        let mut position = self.following.first;
        self.context.meters.up_to_date.store(position, Relaxed);
        self.following.count(0, &self.context.meters);
        let arrivals = Arc::clone(&self.following.arrivals);
        if arrivals.publish_every().is_some() && self.following.keeps_others() {
            self.show(vec![KEPT.to_owned()]);
        }
        while let Some(batch) = arrivals.next(&self.context.stop) {
            self.show(arrivals.notes());
            for Arrival { name, place, failure, stamp, is_scanned } in batch {
                let document = Document { index: position, name, place };
                position += 1;
                if is_scanned {
                    // Scans come in the order of names, so this look-up reads ahead.
                    let versions = self.catalog.versions(&document.name)?;
                    if let Some((id, row)) = self.up_to_date(&versions, stamp) {
                        self.keep(&document, id, row, versions.len() > 1)?;
                        continue;
                    }
                }
                let versions = self.catalog.versions_now(&document.name)?;
                if let Some((id, row)) = self.up_to_date(&versions, stamp) {
                    self.keep(&document, id, row, versions.len() > 1)?;
                    continue;
                }
                self.listed.remove(&document.name);
                self.following.count(1, &self.context.meters);
                let mut is_counted = false;
                for version in &versions {
                    is_counted |= self.is_counted(version.id, version.row.as_ref())?;
                }
                if found.blocking_send(Found { document, failure, stamp, versions, at: Timestamp::now(), is_counted }).is_err() {
                    return Ok(());
                }
            }
        }
        self.show(arrivals.notes());
        Ok(())
    }

    fn show(&self, notes: Vec<String>) {
        for message in notes {
            self.runtime.block_on(self.context.tell(RunEvent::Note { message }));
        }
    }

    fn up_to_date<'v>(&self, versions: &'v [Version], stamp: Option<Stamp>) -> Option<(DocumentId, &'v RowState)> {
        let mut current = versions.iter().filter(|version| stamp.is_some() && version.stamp == stamp);
        let (id, row) = current.find_map(|version| Some((version.id, version.row.as_ref()?)))?;
        (!self.retry.takes_row(row, self.run)).then_some((id, row))
    }

    /// Whether a document counts already: it was in the results before, or this run made its row.
    fn is_counted(&self, id: DocumentId, row: Option<&RowState>) -> Result<bool, RunError> {
        Ok(row.is_some_and(|row| row.run == self.run) || self.catalog.lists(self.run, id)?)
    }

    /// Lists and counts an up-to-date document, unless it is listed already.
    fn keep(&mut self, document: &Document, id: DocumentId, row: &RowState, has_versions: bool) -> Result<(), RunError> {
        let is_counted = self.is_counted(id, Some(row))?;
        // A file that came and went leaves its group as it was before, with the stamp of that time.
        let is_back =
            has_versions && matches!(document.place, Place::Group(_)) && self.listed.insert(document.name.clone(), id) != Some(id);
        let is_listed = !is_back && document.row().is_none() && self.catalog.lists(self.run, id)? && !self.following.is_back(id);
        if !is_listed {
            self.store.list(vec![(document.index, id)])?;
            self.catalog.note_listed(id)?;
        }
        if !is_counted {
            self.following.count(1, &self.context.meters);
            self.context.meters.up_to_date.fetch_add(1, Relaxed);
        }
        let status = row.status().map(|status| (status, own_code(row.codes.as_deref())));
        self.following.ended(document, Fate::Done { document: id, status, is_new: false });
        Ok(())
    }
}

/// Pause between looks at the results.
const TICK: Duration = Duration::from_millis(200);
/// The share of time that goes into result files is at most one part in this number.
const SHARE: u32 = 10;

/// Writes result files while the run goes on.
pub(super) struct Publisher {
    pub rows: NewestRows,
    pub following: Following,
    pub store: StoreWatcher,
    pub context: Context,
}

impl Publisher {
    /// Publishes results until the store's thread has ended. Blocks.
    pub fn publish(self, plan: &Plan, commits: &Receiver<()>) -> Result<Results, RunError> {
        // Later results would fail too, so the run stops before it pays for more.
        self.follow(plan, commits).inspect_err(|_| self.context.stop.cancel())?;
        Ok(Results::new(plan.columns(), plan.output.clone()))
    }

    fn follow(&self, plan: &Plan, commits: &Receiver<()>) -> Result<(), RunError> {
        let (mut published, mut due) = ((0, 0), Instant::now());
        loop {
            match commits.recv_timeout(TICK) {
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            }
            let Some(every) = self.following.arrivals.publish_every() else { continue };
            let (now, version) = (Instant::now(), self.following.version());
            if version == published || now < due || self.context.stop.is_cancelled() || self.following.keeps_others() {
                continue;
            }
            let _working = self.context.meters.write.working();
            let mut results = Results::new(plan.columns(), plan.output.clone());
            let gone = self.rows.read(|name| self.following.arrivals.keeps(name), |row| results.push(row))?;
            self.following.note_gone(&gone);
            if !gone.is_empty() && self.store.vanished(gone).is_err() {
                return Ok(());
            }
            let files = results.publish(true)?.into_values().flat_map(|job| job.files).collect();
            if self.store.published(files).is_err() {
                return Ok(());
            }
            published = version;
            due = now + every.max(now.elapsed() * SHARE);
        }
    }
}

/// Completes the results of a run whose documents arrived while it was active.
pub(super) fn publish_arrived(
    plan: &Plan,
    store: &Store,
    following: &Following,
    breaker: &Breaker,
    findings: &mut Findings,
) -> Result<BTreeMap<String, JobResults>, RunError> {
    if let Some(calls) = breaker.tripped() {
        store.reopen(&calls)?;
    }
    let arrivals = &following.arrivals;
    store.end_following(arrivals.order(), |name| arrivals.keeps(name))?;
    (findings.changed, findings.listing) = (true, Some(store.run()));
    let mut results = Results::new(plan.columns(), plan.output.clone());
    store.rows_of(store.run())?.read_from(0, true, |row| results.push(row))?;
    if following.keeps_others() {
        return Ok(results.discard());
    }
    let results = results.publish(true)?;
    let files: Vec<_> = results.values().flat_map(|job| job.files.clone()).collect();
    store.published(&files)?;
    Ok(results)
}
