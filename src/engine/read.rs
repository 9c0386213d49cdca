//! Stage 1: the walk, and the readers behind it.

use super::memory::{Budget, Held};
use super::{Context, RunError};
use crate::model::{Document, Failure, LeftOut};
use crate::read::{Found, Opened, ReadSettings, Roots, open};
use futures::{StreamExt as _, stream};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;

/// A document that was read, or could not be. Its bytes count against the memory budget for as long as `held` lives.
#[derive(Debug)]
pub(super) struct Read {
    pub document: Document,
    pub bytes: Result<Vec<u8>, Failure>,
    pub held: Option<Held>,
}

/// Walks the inputs, no further ahead than the channel reaches. Blocks.
pub(super) fn walk(roots: &Roots, found: &Sender<Found>, left_out: &Mutex<LeftOut>, context: &Context) {
    let mut walk = roots.walk();
    let mut documents = 0;
    while !context.stop.is_cancelled() {
        let Some(next) = walk.next() else {
            context.meters.set_documents(documents);
            break;
        };
        documents += 1;
        if found.blocking_send(next).is_err() {
            break;
        }
    }
    *left_out.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = walk.left_out();
}

/// Counts the documents ahead of the walk, so that progress has a total. Blocks.
pub(super) fn count(roots: &Roots, context: &Context) {
    let documents = roots.unsorted().take_while(|()| !context.stop.is_cancelled()).count();
    if !context.stop.is_cancelled() {
        context.meters.set_documents(documents as u64);
    }
}

/// Files that one reader opens at a time, where so many are waiting: handing over to another thread costs more than
/// reading a small one.
const BATCH: usize = 16;

/// Reads documents, several at a time.
///
/// A document waits for its share of the memory budget alone and holds nothing meanwhile: were documents that have
/// theirs kept back until others get it, all could wait for ever.
pub(super) async fn read(found: Receiver<Found>, out: Sender<Read>, settings: ReadSettings, context: Context) -> Result<(), RunError> {
    let budget = Budget::megabytes(settings.memory_mb);
    let max_bytes = settings.max_file_mb.saturating_mul(1_000_000);
    let mut reading = ReceiverStream::new(found)
        .ready_chunks(BATCH)
        .map(|batch| open_batch(batch, max_bytes, &context))
        .buffer_unordered(settings.concurrency)
        .flat_map(|opened| match opened {
            Ok(batch) => stream::iter(batch.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .map(|opened| async { finish(opened?, max_bytes, &budget, &context).await })
        .buffer_unordered(settings.concurrency);
    while let Some(read) = reading.next().await {
        context.meters.read.done(1);
        if out.send(read?).await.is_err() {
            break;
        }
    }
    Ok(())
}

type OpenedDocument = (Document, Result<Opened, Failure>);

async fn open_batch(batch: Vec<Found>, max_bytes: u64, context: &Context) -> Result<Vec<OpenedDocument>, RunError> {
    let open_one = move |(document, failure): Found| {
        let opened = failure.map_or_else(|| open(&document, max_bytes), Err);
        (document, opened)
    };
    blocking(context, move || batch.into_iter().map(open_one).collect()).await
}

async fn finish((document, opened): OpenedDocument, max_bytes: u64, budget: &Budget, context: &Context) -> Result<Read, RunError> {
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) => return Ok(Read { document, bytes: Err(failure), held: None }),
    };
    // Room for the file and for what preparation makes of it: base64 is a third larger.
    let held = budget.take(opened.size() / 3 * 4 + 4096).await;
    let bytes = match opened {
        Opened::Read(bytes) => Ok(bytes),
        waiting @ Opened::Waiting { .. } => blocking(context, move || waiting.read(max_bytes)).await?,
    };
    Ok(Read { document, bytes, held })
}

/// File work, off the threads that must not block, on the meter.
async fn blocking<T: Send + 'static>(context: &Context, work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
    let meters = Arc::clone(&context.meters);
    let done = spawn_blocking(move || {
        let started = Instant::now();
        let result = work();
        meters.read.worked(started.elapsed());
        result
    });
    done.await.map_err(|e| RunError::Internal(format!("a reader was lost: {e}")))
}
