//! Stage 1: reads documents and matches them with the documents of the store.

use super::arrivals::{Fate, Following};
use super::document::Read;
use super::document_identity::{Identity, Register};
use super::list::Found;
use super::memory::Budget;
use super::meter::Meters;
use super::{Context, RunError};
use crate::failpoint;
use crate::model::{Digest, Document, DocumentTimes, Failure, FailureCode, Place, Stamp};
use crate::read::{Opened, Progress, ReadSettings};
use crate::store::{ReadDocument, StoreHandle, Version, own_code};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::mem::take;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Maximum number of waiting files that a reader opens at a time. Switching threads costs more than
/// reading a small file.
const BATCH: usize = 16;
/// Mean reading time from which on readers take one file at a time, so that other readers have
/// work.
const SLOW: Duration = Duration::from_micros(500);

/// The shared state of reading.
pub(super) struct Reader {
    pub settings: ReadSettings,
    pub register: Arc<Register>,
    pub store: StoreHandle,
    pub context: Context,
    /// The source of documents, if they arrive during the run.
    pub following: Option<Following>,
}

/// Reads documents concurrently.
///
/// A document that waits for memory holds nothing, and documents with memory never wait for it.
/// Otherwise all could deadlock.
pub(super) async fn read(found: Receiver<Found>, out: Sender<Read>, reader: Reader) -> Result<(), RunError> {
    let budget = Budget::megabytes(reader.settings.memory_mb);
    let reader = &reader;
    let reading = stream::unfold((found, Arc::clone(&reader.context.meters)), next_batch)
        .map(|batch| reader.open_batch(batch))
        .buffer_unordered(reader.settings.concurrency)
        .flat_map(|opened| match opened {
            Ok(batch) => stream::iter(batch.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .map(|opened| async { reader.finish(opened?, &budget).await })
        .buffer_unordered(reader.settings.concurrency);
    let mut reading = pin!(reading);
    while let Some(done) = reading.next().await {
        let Done { listed, read } = done?;
        // Listing happens here and not in the concurrent futures. Such a future could hold a place
        // in the store's queue while this loop waits for the next stage, which may wait for the
        // store.
        let meter = &reader.context.meters.read;
        if let Some(listed) = listed {
            meter.room(reader.store.list_read(listed)).await?;
        }
        let Some(read) = read else { continue };
        if meter.room(out.send(read)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The next batch of a reader.
async fn next_batch((mut found, meters): (Receiver<Found>, Arc<Meters>)) -> Option<(Vec<Found>, (Receiver<Found>, Arc<Meters>))> {
    let meter = &meters.read;
    // Before the first file is read, the speed is unknown.
    let is_slow = meter.count() == 0 || meter.work() > SLOW * u32::try_from(meter.count()).unwrap_or(u32::MAX);
    let mut batch = Vec::with_capacity(BATCH);
    let taken = found.recv_many(&mut batch, if is_slow { 1 } else { BATCH }).await;
    (taken > 0).then_some((batch, (found, meters)))
}

/// A document after reading.
struct Done {
    /// `None` if the file changed while it was read.
    listed: Option<ReadDocument>,
    /// `None` if the document is up to date, or changed while it was read.
    read: Option<Read>,
}

/// An opened document. A small one is already read and identified.
struct OpenedDocument {
    document: Document,
    versions: Vec<Version>,
    stamp: Option<Stamp>,
    /// The stamp that the file had when it arrived.
    arrived: Option<Stamp>,
    content: Content,
    found: Timestamp,
    /// Whether the run has counted a version of it.
    is_counted: bool,
}

enum Content {
    Read(Vec<u8>, Identity),
    Failed(Failure, Identity),
    Waiting(Opened),
    /// The file changed or disappeared after its arrival.
    Changed,
}

/// A batch that a blocking thread opens. If the thread hangs, another one opens the rest.
struct Batch {
    waiting: VecDeque<Found>,
    /// The document that is being opened, to report it if that hangs. `None` for a row.
    current: Option<Found>,
    opened: Vec<OpenedDocument>,
    /// Number of threads that hung.
    hung: u32,
}

impl Batch {
    fn next(&mut self) -> Option<Found> {
        let found = self.waiting.pop_front()?;
        // Copies of rows would cost memory, and rows are read already.
        self.current = Some(&found).filter(|found| found.document.row().is_none()).cloned();
        Some(found)
    }

    /// Puts the document back that the thread has hung on, as a failure.
    fn give_up(&mut self, seconds: u64) {
        self.hung += 1;
        let failure = Some(hangs(seconds));
        self.waiting.extend(self.current.take().map(|found| Found { failure, ..found }));
    }
}

fn hangs(seconds: u64) -> Failure {
    let what = format!(
        "reading the file made no progress for {seconds} s (read.timeout_s). Check the disk or network that has it. The next run tries again"
    );
    Failure::new(FailureCode::Unreadable, what)
}

impl Reader {
    fn max_bytes(&self) -> u64 {
        self.settings.max_file_mb.saturating_mul(1_000_000)
    }

    async fn open_batch(&self, batch: Vec<Found>) -> Result<Vec<OpenedDocument>, RunError> {
        let (max_bytes, register) = (self.max_bytes(), Arc::clone(&self.register));
        let follows = self.following.is_some();
        let open_one = move |Found { mut document, failure, versions, at, stamp: arrived, is_counted }: Found| {
            failpoint::linger("read_ms");
            if failure.is_none() {
                failpoint::hang_over("read_hangs", &document.name);
            }
            let (opened, stamp) = match failure {
                Some(failure) => (Err(failure), register.roots().settled_stamp(&document.place)),
                None => register.roots().open_document(&mut document.place, max_bytes),
            };
            let content = match opened {
                Ok(Opened::Read(_)) if follows && has_changed(&register, &document, arrived) => Content::Changed,
                Err(failure) if follows && failure.code == FailureCode::Vanished => Content::Changed,
                Ok(Opened::Read(bytes)) => read_content(Ok(bytes), &register, &document, &versions, stamp)?,
                Ok(waiting @ (Opened::Waiting { .. } | Opened::Elsewhere { .. } | Opened::Later { .. })) => Content::Waiting(waiting),
                Err(failure) => read_content(Err(failure), &register, &document, &versions, stamp)?,
            };
            Ok::<_, RunError>(OpenedDocument { document, versions, stamp, arrived, content, found: at, is_counted })
        };
        let batch = Arc::new(Mutex::new(Batch { waiting: batch.into(), current: None, opened: Vec::new(), hung: 0 }));
        loop {
            let (shared, open_one) = (Arc::clone(&batch), open_one.clone());
            let hung = batch.lock().hung;
            let open_all = move |progress: &Progress| {
                while let Some(found) = Some(shared.lock()).filter(|batch| batch.hung == hung).and_then(|mut batch| batch.next()) {
                    let opened = open_one(found)?;
                    let mut batch = shared.lock();
                    if batch.hung == hung {
                        batch.opened.push(opened);
                    }
                    progress.step();
                }
                Ok(())
            };
            match self.blocking(self.settings.timeout_s, open_all).await? {
                Some(opened) => return opened.map(|()| take(&mut batch.lock().opened)),
                None => batch.lock().give_up(self.settings.timeout_s),
            }
        }
    }

    /// Reads a document that was only opened, within the memory budget.
    async fn finish(&self, opened: OpenedDocument, budget: &Budget) -> Result<Done, RunError> {
        let OpenedDocument { document, versions, stamp, arrived, content, found, is_counted } = opened;
        // The budget covers the prepared content too: base64 is a third larger than the file.
        let size = match &content {
            Content::Read(bytes, _) => bytes.len() as u64,
            Content::Waiting(waiting) => waiting.size(),
            Content::Failed(..) | Content::Changed => 0,
        };
        let held = if matches!(content, Content::Failed(..) | Content::Changed) {
            None
        } else {
            self.context.meters.read.memory(budget.take(size / 3 * 4 + 4096)).await
        };
        let (document, content) = match content {
            Content::Waiting(waiting) => {
                let (max_bytes, register) = (self.max_bytes(), Arc::clone(&self.register));
                // The client of remote documents has its own time limits.
                let timeout_s = if matches!(waiting, Opened::Elsewhere { .. }) { u64::MAX } else { self.settings.timeout_s };
                let (left, left_versions, follows) = (document.clone(), versions.clone(), self.following.is_some());
                let read = move |progress: &Progress| {
                    let bytes = waiting.read(max_bytes, progress);
                    let is_gone = bytes.as_ref().is_err_and(|failure| failure.code == FailureCode::Vanished);
                    if follows && (is_gone || has_changed(&register, &document, arrived)) {
                        return Ok((document, Content::Changed));
                    }
                    let content = read_content(bytes, &register, &document, &versions, stamp)?;
                    Ok::<_, RunError>((document, content))
                };
                if let Some(read) = self.blocking(timeout_s, read).await? {
                    read?
                } else {
                    let register = Arc::clone(&self.register);
                    let failed = move |_: &Progress| {
                        let content = read_content(Err(hangs(timeout_s)), &register, &left, &left_versions, stamp)?;
                        Ok::<_, RunError>((left, content))
                    };
                    let failed = self.blocking(u64::MAX, failed).await?;
                    failed.ok_or_else(|| RunError::Internal("a failed read timed out".into()))??
                }
            }
            read => (document, read),
        };
        let (bytes, identity) = match content {
            Content::Read(bytes, identity) => (Ok(bytes), identity),
            Content::Failed(failure, identity) => (Err(failure), identity),
            Content::Changed => {
                if let Some(following) = &self.following {
                    following.count(-1, &self.context.meters);
                    following.ended(&document, Fate::Changed);
                }
                return Ok(Done { listed: None, read: None });
            }
            Content::Waiting(_) => return Err(RunError::Internal("an opened file was not read".into())),
        };
        let Identity { id, record, kept, is_new, renamed, row_is_old } = identity;
        let listed = Some(ReadDocument {
            position: document.index,
            id,
            record,
            renamed,
            forget_row: row_is_old || (bytes.is_err() && kept.is_none()),
        });
        if let Some(row) = kept {
            if !is_counted {
                self.context.meters.up_to_date.fetch_add(1, Relaxed);
            }
            if let Some(following) = &self.following {
                following.count(-i64::from(is_counted), &self.context.meters);
                let status = row.status().map(|status| (status, own_code(row.codes.as_deref())));
                following.ended(&document, Fate::Done { document: id, status, is_new: false });
            }
            return Ok(Done { listed, read: None });
        }
        self.context.meters.read.done(1);
        let times = DocumentTimes { found, read: Timestamp::now(), ..DocumentTimes::default() };
        Ok(Done { listed, read: Some(Read { document, id, is_new, bytes, held, times }) })
    }

    /// Runs blocking file work on its own thread and meters it.
    ///
    /// `None` if the work makes no progress for `seconds`. Its thread stays behind, because a hanging
    /// system call cannot be ended.
    async fn blocking<T: Send + 'static>(
        &self,
        seconds: u64,
        work: impl FnOnce(&Progress) -> T + Send + 'static,
    ) -> Result<Option<T>, RunError> {
        let (meters, progress) = (Arc::clone(&self.context.meters), Arc::new(Progress::default()));
        let counted = Arc::clone(&progress);
        let mut done = spawn_blocking(move || {
            let _working = meters.read.working();
            work(&counted)
        });
        let mut seen = 0;
        loop {
            match timeout(Duration::from_secs(seconds), &mut done).await {
                Ok(done) => {
                    return done.map(Some).map_err(|e| RunError::Internal(format!("reading a document ended unexpectedly: {e}")));
                }
                Err(_) if progress.steps() > seen => seen = progress.steps(),
                Err(_) => return Ok(None),
            }
        }
    }
}

/// Whether a file differs from the one that arrived. Half of a file must never be sent.
fn has_changed(register: &Register, document: &Document, arrived: Option<Stamp>) -> bool {
    matches!(document.place, Place::File(_) | Place::Group(_) | Place::Member(_)) && register.roots().stamp_of(&document.place) != arrived
}

fn read_content(
    bytes: Result<Vec<u8>, Failure>,
    register: &Register,
    document: &Document,
    versions: &[Version],
    stamp: Option<Stamp>,
) -> Result<Content, RunError> {
    let digest = match (&bytes, document.row()) {
        (Ok(bytes), None) => Some(Digest::of(bytes)),
        (Ok(_), Some(row)) => Some(row.digest),
        // A row without text was read, like any other row.
        (Err(failure), Some(row)) if failure.code == FailureCode::Empty => Some(row.digest),
        (Err(_), _) => None,
    };
    let mut identity = register.identify(document, versions, digest, stamp)?;
    if let (Err(failure), None, None) = (&bytes, document.row(), &identity.kept) {
        identity.kept = register.failed_before(versions, identity.id, failure.code, stamp);
    }
    Ok(match bytes {
        Ok(bytes) => Content::Read(bytes, identity),
        Err(failure) => Content::Failed(failure, identity),
    })
}
