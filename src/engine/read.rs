//! Stage 1: the walk, and the readers behind it.

use super::memory::{Budget, Held};
use super::{Context, RunError};
use crate::model::{Document, Failure, FailureCode};
use crate::read::{Found, LeftOut, Opened, ReadSettings, Roots, open};
use futures::StreamExt as _;
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
    let documents = roots.walk().take_while(|_| !context.stop.is_cancelled()).count();
    if !context.stop.is_cancelled() {
        context.meters.set_documents(documents as u64);
    }
}

/// Reads documents, several at a time.
pub(super) async fn read(found: Receiver<Found>, out: Sender<Read>, settings: ReadSettings, context: Context) -> Result<(), RunError> {
    let budget = Budget::megabytes(settings.memory_mb);
    let max_bytes = settings.max_file_mb.saturating_mul(1_000_000);
    let mut reading = ReceiverStream::new(found)
        .map(|(document, failure)| read_one(document, failure, max_bytes, &budget, &context))
        .buffer_unordered(settings.concurrency);
    while let Some(read) = reading.next().await {
        context.meters.read.done(1);
        if out.send(read?).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn read_one(
    document: Document,
    failure: Option<Failure>,
    max_bytes: u64,
    budget: &Budget,
    context: &Context,
) -> Result<Read, RunError> {
    if let Some(failure) = failure {
        return Ok(Read { document, bytes: Err(failure), held: None });
    }
    let document = Arc::new(document);
    let opened = blocking(context, {
        let document = Arc::clone(&document);
        move || open(&document, max_bytes)
    })
    .await?;
    let mut held = None;
    let bytes = match opened {
        Err(failure) => Err(failure),
        Ok(opened) => {
            // Room for the file and for what preparation makes of it: base64 is a third larger.
            held = budget.take(opened.size() / 3 * 4 + 4096).await;
            match opened {
                Opened::Read(bytes) => Ok(bytes),
                waiting @ Opened::Waiting { .. } => blocking(context, move || waiting.read(max_bytes)).await?,
            }
        }
    };
    let document = Arc::try_unwrap(document).unwrap_or_else(|shared| (*shared).clone());
    Ok(Read { document, bytes, held })
}

/// File work, off the threads that must not block, on the meter.
async fn blocking<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<Result<T, Failure>, RunError> {
    let meters = Arc::clone(&context.meters);
    let done = spawn_blocking(move || {
        let started = Instant::now();
        let result = work();
        meters.read.worked(started.elapsed());
        result
    });
    match done.await {
        Ok(result) => Ok(result),
        Err(error) if error.is_panic() => Ok(Err(Failure::new(FailureCode::Internal, format!("reading panicked: {error}")))),
        Err(error) => Err(RunError::Internal(format!("a reader was lost: {error}"))),
    }
}
