//! Stage 2: the bridge between the async stages and the CPU pool.
//!
//! The pool's own queue has no bound, so only as many groups are handed to it as there are workers, and one more. Every
//! document comes back: if its work is lost, that is its failure.

use super::memory::{Budget, Held};
use super::read::Read;
use super::{Context, JobSet, Plan, RunError};
use crate::job::Job;
use crate::model::{Document, DocumentId, Failure, FailureCode, Kind, Prepared};
use crate::prepare::{ImageLimits, PrepareSettings, Sniffed, peak_memory, prepare as prepare_document, sniff};
use futures::{StreamExt as _, stream};
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
    pub id: DocumentId,
    /// Whether the store has never seen it.
    pub is_new: bool,
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

/// Documents that are taken up together, where so many are waiting.
const BATCH: usize = 16;
/// Texts up to this size are prepared together, in bytes.
const SMALL_TEXT: usize = 32 * 1024;
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
    // One more than there are workers: the next group is at hand when one of them is free.
    let mut preparing = ReceiverStream::new(read)
        .ready_chunks(BATCH)
        .flat_map(|reads| stream::iter(groups(reads, &bench)))
        .map(|group| prepare_group(group, &bench))
        .buffer_unordered(workers + 1);
    while let Some(group) = preparing.next().await {
        for ready in group {
            context.meters.prepare.done(1);
            if out.send(ready).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Small texts go to the pool together, as handing over costs as much as preparing one; everything else goes alone.
fn groups(reads: Vec<Read>, bench: &Bench) -> Vec<Vec<Planned>> {
    let planned = reads.into_iter().map(|read| plan(read, bench));
    let (small, large): (Vec<Planned>, Vec<Planned>) = planned.partition(Planned::is_small);
    std::iter::once(small).filter(|group| !group.is_empty()).chain(large.into_iter().map(|one| vec![one])).collect()
}

/// What is to be done with a document.
struct Planned {
    ready: Unprepared,
    work: Result<(Vec<u8>, Sniffed), State>,
}

/// A document on its way through preparation.
struct Unprepared {
    document: Document,
    id: DocumentId,
    is_new: bool,
    job: Arc<Job>,
    held: Option<Held>,
}

impl Planned {
    fn is_small(&self) -> bool {
        self.work.as_ref().is_ok_and(|(bytes, sniffed)| matches!(sniffed, Sniffed::Text) && bytes.len() <= SMALL_TEXT)
    }
}

fn plan(read: Read, bench: &Bench) -> Planned {
    let Read { document, id, is_new, bytes, held } = read;
    let extension = document.place.extension();
    let (job, work) = match bytes {
        Ok(bytes) => {
            let sniffed = sniff(&bytes, &extension);
            let (job, taken) = bench.jobs.pick(sniffed.kind().filter(|_| !bytes.is_empty()), &extension);
            let work = if taken { Ok((bytes, sniffed)) } else { Err(State::Skipped(not_taken(sniffed.kind(), &job))) };
            (job, work)
        }
        Err(failure) => (bench.jobs.pick(None, &extension).0, Err(State::Failed(failure))),
    };
    Planned { ready: Unprepared { document, id, is_new, job, held }, work }
}

fn not_taken(kind: Option<Kind>, job: &Job) -> Failure {
    let kind = kind.map_or("a document", |kind| if kind == Kind::Image { "an image" } else { "a text" });
    Failure::new(FailureCode::UnsupportedKind, format!("this is {kind}, which job {} does not take", job.name))
}

async fn prepare_group(group: Vec<Planned>, bench: &Arc<Bench>) -> Vec<Ready> {
    let peak: usize = group.iter().flat_map(|planned| &planned.work).map(|(bytes, sniffed)| peak_memory(bytes, *sniffed)).sum();
    let decoding = bench.decoding.take(peak as u64).await;
    let mut kept = Vec::with_capacity(group.len());
    let mut work = Vec::with_capacity(group.len());
    for Planned { ready, work: planned } in group {
        kept.push(ready);
        work.push(planned);
    }
    let states = on_pool(work, bench).await;
    drop(decoding);
    kept.into_iter()
        .zip(states)
        .map(|(Unprepared { document, id, is_new, job, mut held }, state)| {
            if let Some(held) = &mut held {
                held.shrink_to(if let State::Prepared(prepared) = &state { prepared.content.bytes() as u64 } else { 0 });
            }
            Ready { document, id, is_new, job, state, held }
        })
        .collect()
}

async fn on_pool(work: Vec<Result<(Vec<u8>, Sniffed), State>>, bench: &Arc<Bench>) -> Vec<State> {
    let (count, nothing_to_do) = (work.len(), work.iter().all(Result::is_err));
    let (done, result) = oneshot::channel();
    let shared = Arc::clone(bench);
    let prepare_all = move || {
        if done.is_closed() {
            return;
        }
        let started = Instant::now();
        let prepare_one = |(bytes, sniffed): (Vec<u8>, Sniffed)| {
            let prepared = prepare_document(&bytes, sniffed, &shared.settings, &shared.images);
            prepared.map_or_else(State::Failed, State::Prepared)
        };
        let states: Vec<State> = work.into_iter().map(|planned| planned.map_or_else(|state| state, prepare_one)).collect();
        shared.context.meters.prepare.worked(started.elapsed());
        let _nobody_waits = done.send(states);
    };
    if nothing_to_do {
        prepare_all();
    } else {
        bench.pool.spawn(prepare_all);
    }
    let lost = || State::Failed(Failure::new(FailureCode::Internal, "the preparation of this document panicked"));
    result.await.unwrap_or_else(|_| std::iter::repeat_with(lost).take(count).collect())
}
