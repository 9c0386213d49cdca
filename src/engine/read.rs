//! Stage 1: reads documents and matches them with the documents of the store.

use super::document::Read;
use super::document_identity::{Identity, Register};
use super::list::Found;
use super::memory::Budget;
use super::meter::Meters;
use super::{Context, RunError};
use crate::failpoint;
use crate::model::{Digest, Document, DocumentTimes, Failure, Stamp};
use crate::read::{Opened, ReadSettings};
use crate::store::{ReadDocument, StoreHandle, Version};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::spawn_blocking;

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
        meter.room(reader.store.list_read(listed)).await?;
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
    listed: ReadDocument,
    /// `None` if the document is up to date.
    read: Option<Read>,
}

/// An opened document. A small one is already read and identified.
struct OpenedDocument {
    document: Document,
    versions: Vec<Version>,
    stamp: Option<Stamp>,
    content: Content,
    found: Timestamp,
}

enum Content {
    Read(Vec<u8>, Identity),
    Failed(Failure, Identity),
    Waiting(Opened),
}

impl Reader {
    fn max_bytes(&self) -> u64 {
        self.settings.max_file_mb.saturating_mul(1_000_000)
    }

    async fn open_batch(&self, batch: Vec<Found>) -> Result<Vec<OpenedDocument>, RunError> {
        let (max_bytes, register) = (self.max_bytes(), Arc::clone(&self.register));
        let open_one = move |Found { mut document, failure, versions, at, .. }: Found| {
            failpoint::linger("read_ms");
            let (opened, stamp) =
                failure.map_or_else(|| register.roots().open_document(&mut document.place, max_bytes), |failure| (Err(failure), None));
            let content = match opened {
                Ok(Opened::Read(bytes)) => read_content(Ok(bytes), &register, &document, &versions, stamp)?,
                Ok(waiting @ (Opened::Waiting { .. } | Opened::Elsewhere { .. })) => Content::Waiting(waiting),
                Err(failure) => read_content(Err(failure), &register, &document, &versions, stamp)?,
            };
            Ok(OpenedDocument { document, versions, stamp, content, found: at })
        };
        self.blocking(move || batch.into_iter().map(open_one).collect()).await?
    }

    /// Reads a document that was only opened, within the memory budget.
    async fn finish(&self, opened: OpenedDocument, budget: &Budget) -> Result<Done, RunError> {
        let OpenedDocument { document, versions, stamp, content, found } = opened;
        // The budget covers the prepared content too: base64 is a third larger than the file.
        let size = match &content {
            Content::Read(bytes, _) => bytes.len() as u64,
            Content::Waiting(waiting) => waiting.size(),
            Content::Failed(..) => 0,
        };
        let held = if matches!(content, Content::Failed(..)) {
            None
        } else {
            self.context.meters.read.memory(budget.take(size / 3 * 4 + 4096)).await
        };
        let (document, content) = match content {
            Content::Waiting(waiting) => {
                let (max_bytes, register) = (self.max_bytes(), Arc::clone(&self.register));
                let read = move || {
                    let content = read_content(waiting.read(max_bytes), &register, &document, &versions, stamp)?;
                    Ok::<_, RunError>((document, content))
                };
                self.blocking(read).await??
            }
            read => (document, read),
        };
        let (bytes, identity) = match content {
            Content::Read(bytes, identity) => (Ok(bytes), identity),
            Content::Failed(failure, identity) => (Err(failure), identity),
            Content::Waiting(_) => return Err(RunError::Internal("an opened file was not read".into())),
        };
        let Identity { id, record, kept, is_new, renamed, row_is_old } = identity;
        let listed = ReadDocument { position: document.index, id, record, renamed, forget_row: row_is_old || bytes.is_err() };
        if kept.is_some() {
            self.context.meters.up_to_date.fetch_add(1, Relaxed);
            return Ok(Done { listed, read: None });
        }
        self.context.meters.read.done(1);
        let times = DocumentTimes { found, read: Timestamp::now(), ..DocumentTimes::default() };
        Ok(Done { listed, read: Some(Read { document, id, is_new, bytes, held, times }) })
    }

    /// Runs blocking file work on its own thread and meters it.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
        let meters = Arc::clone(&self.context.meters);
        let done = spawn_blocking(move || {
            let _working = meters.read.working();
            work()
        });
        done.await.map_err(|e| RunError::Internal(format!("reading a document ended unexpectedly: {e}")))
    }
}

fn read_content(
    bytes: Result<Vec<u8>, Failure>,
    register: &Register,
    document: &Document,
    versions: &[Version],
    stamp: Option<Stamp>,
) -> Result<Content, RunError> {
    let digest = bytes.as_ref().ok().map(|bytes| document.row().map_or_else(|| Digest::of(bytes), |row| row.digest));
    let identity = register.identify(document, versions, digest, stamp)?;
    Ok(match bytes {
        Ok(bytes) => Content::Read(bytes, identity),
        Err(failure) => Content::Failed(failure, identity),
    })
}
