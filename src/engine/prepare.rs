//! Stage 2: the bridge between the async stages and the CPU pool.
//!
//! The pool's own queue has no bound, so a document gets there only when a worker is about to be free. Every document
//! comes back: if its work is lost, that is its failure.

use super::memory::{Budget, Held};
use super::read::Read;
use super::{Context, JobSet, Plan, RunError};
use crate::job::Job;
use crate::model::{Document, Failure, FailureCode, Prepared};
use crate::prepare::{ImageLimits, PrepareSettings, Sniffed, peak_memory, prepare as prepare_document, sniff};
use futures::StreamExt as _;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_stream::wrappers::ReceiverStream;

/// A document on its way to the model, or past it.
#[derive(Debug)]
pub(super) struct Ready {
    pub document: Document,
    pub job: Arc<Job>,
    pub state: State,
    /// Keeps the prepared bytes counted until the last answer is in.
    pub held: Option<Held>,
}

/// Whether there is anything to ask.
#[derive(Debug)]
pub(super) enum State {
    Prepared(Prepared),
    Failed(Failure),
    Skipped(Failure),
}

/// Everything that preparation needs, shared by all documents.
struct Bench {
    jobs: JobSet,
    settings: PrepareSettings,
    images: ImageLimits,
    decoding: Budget,
    pool: ThreadPool,
    context: Context,
}

/// Stacks of the pool: decoders of hostile files recurse, and an overflow cannot be caught.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How many documents are prepared at the same time.
pub(super) fn workers(settings: &PrepareSettings) -> usize {
    if settings.workers > 0 { settings.workers } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// Prepares documents on all cores.
pub(super) async fn prepare(read: Receiver<Read>, out: Sender<Ready>, plan: Arc<Plan>, context: Context) -> Result<(), RunError> {
    let workers = workers(&plan.prepare);
    let pool = ThreadPoolBuilder::new()
        .num_threads(workers)
        .stack_size(STACK_BYTES)
        .thread_name(|n| format!("docmill-prepare-{n}"))
        // Without a handler a panic outside the fence would abort the process. The document is reported lost.
        .panic_handler(|_| {})
        .build()
        .map_err(|e| RunError::Internal(format!("the threads for preparation cannot be started: {e}")))?;
    let bench = Arc::new(Bench {
        jobs: plan.jobs.clone(),
        settings: plan.prepare.clone(),
        images: plan.images,
        decoding: Budget::megabytes(plan.prepare.memory_mb),
        pool,
        context: context.clone(),
    });
    // One more than there are workers: the next document is at hand when one of them is free.
    let mut preparing = ReceiverStream::new(read).map(|read| prepare_one(read, Arc::clone(&bench))).buffer_unordered(workers + 1);
    while let Some(ready) = preparing.next().await {
        context.meters.prepare.done(1);
        if out.send(ready).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn prepare_one(read: Read, bench: Arc<Bench>) -> Ready {
    let Read { document, bytes, mut held } = read;
    let extension = document.path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(failure) => {
            let (job, _) = bench.jobs.pick(None, &extension);
            return Ready { document, job, state: State::Failed(failure), held };
        }
    };
    let sniffed = sniff(&bytes, &extension);
    let (job, taken) = bench.jobs.pick(if bytes.is_empty() { None } else { sniffed.kind() }, &extension);
    if !taken {
        let kind = sniffed.kind().map_or("document", |kind| kind.as_str());
        let failure = Failure::new(
            FailureCode::UnsupportedKind,
            format!("this is {} {kind}, which job {} does not take", if kind == "image" { "an" } else { "a" }, job.name),
        );
        return Ready { document, job, state: State::Skipped(failure), held };
    }
    let decoding = bench.decoding.take(peak_memory(&bytes, sniffed) as u64).await;
    let state = match on_pool(bytes, sniffed, &bench).await {
        Ok(prepared) => State::Prepared(prepared),
        Err(failure) => State::Failed(failure),
    };
    drop(decoding);
    if let Some(held) = &mut held {
        held.shrink_to(if let State::Prepared(prepared) = &state { prepared.content.bytes() as u64 } else { 0 });
    }
    Ready { document, job, state, held }
}

async fn on_pool(bytes: Vec<u8>, sniffed: Sniffed, bench: &Arc<Bench>) -> Result<Prepared, Failure> {
    let (done, result) = oneshot::channel();
    let shared = Arc::clone(bench);
    bench.pool.spawn(move || {
        if done.is_closed() {
            return;
        }
        let started = Instant::now();
        let prepared = prepare_document(&bytes, sniffed, &shared.settings, &shared.images);
        shared.context.meters.prepare.worked(started.elapsed());
        let _nobody_waits = done.send(prepared);
    });
    result.await.unwrap_or_else(|_| Err(Failure::new(FailureCode::Internal, "the preparation of this document panicked")))
}
