//! Stage 2: prepares documents on the CPU pool.
//!
//! The pool's queue is unbounded, so the stage hands it at most one group more than there are
//! workers. Every document comes back. If its work panics, the document fails.

use super::document::{Read, Ready, State};
use super::isolation::Isolation;
use super::long_documents::divided;
use super::memory::{Budget, Held};
use super::{Context, JobSet, Plan, RunError};
use crate::failpoint;
use crate::job::{Chunks, Job};
use crate::model::{Document, DocumentId, DocumentTimes, Facts, Failure, FailureCode, Prepared};
use crate::prepare::{
    Extraction, ImageLimits, PrepareSettings, Sniffed, chunks, misnamed as misnamed_as, peak_memory, prepare as prepare_bytes,
    prepare_extraction, prompt_injections, sniff,
};
use crate::read::OnEmpty;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_stream::wrappers::ReceiverStream;

/// How documents become content for prompts.
pub(super) struct Preparation {
    pub settings: PrepareSettings,
    pub images: ImageLimits,
    /// The context size of the model in tokens, if known.
    pub longest: Option<u64>,
}

impl Preparation {
    /// The content of a document, split for `job`. With `flag`, facts name instructions in it.
    ///
    /// Blocks until processes have divided long texts.
    pub fn content(&self, work: Work, job: &Job, flag: bool, processes: &Processes) -> Result<(Facts, Chunks), Failure> {
        let prepared = match work {
            Work::File(bytes, sniffed) => prepare_bytes(&bytes, sniffed, &self.settings, &self.images),
            Work::Extraction(extraction, bytes, sniffed) => prepare_extraction(extraction, &bytes, sniffed, &self.settings, &self.images),
        };
        let Prepared { content, mut facts } = prepared?;
        if flag {
            facts.orders = prompt_injections(&content);
        }
        let chunks = divided(&content, &mut facts, job, self.longest, &|text, limit| processes.divide(text, limit))?;
        Ok((facts, chunks))
    }
}

/// The processes that read documents, for threads that block.
pub(super) struct Processes {
    pub isolation: Isolation,
    pub runtime: Handle,
}

/// Texts up to this size in bytes are divided in this process.
const DIVIDED_HERE: usize = 32 * 1024;

impl Processes {
    /// Divides a text into chunks of at most `limit` tokens.
    ///
    /// Some texts take minutes for each megabyte. So processes with a limit of CPU time divide all but
    /// short ones.
    fn divide(&self, text: &str, limit: u64) -> Result<Vec<String>, Failure> {
        if text.len() <= DIVIDED_HERE { Ok(chunks(text, limit)) } else { self.runtime.block_on(self.isolation.divide(text, limit)) }
    }
}

/// The shared state of preparation.
struct Bench {
    jobs: JobSet,
    recipe: Preparation,
    decoding: Budget,
    /// For content of files that other processes have read.
    ///
    /// A document asks for its text's memory once, and documents that have it wait for no memory.
    texts: Budget,
    processes: Processes,
    pool: ThreadPool,
    on_empty: OnEmpty,
    context: Context,
}

/// Maximum number of waiting documents taken at once.
const BATCH: usize = 16;
/// Maximum size of texts that are prepared in one group, in bytes.
const SMALL_TEXT: usize = 32 * 1024;
/// Copies of an extracted text during preparation: as received, as blocks, as content.
const EXTRACT_COPIES: u64 = 3;
/// Stack size of pool threads. Decoders of hostile files recurse, and an overflow cannot be caught.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Prepares documents on all cores.
pub(super) async fn prepare(read: Receiver<Read>, out: Sender<Ready>, plan: Arc<Plan>, context: Context) -> Result<(), RunError> {
    let workers = plan.prepare.parallelism();
    let pool = ThreadPoolBuilder::new()
        .num_threads(workers)
        .stack_size(STACK_BYTES)
        .thread_name(|n| format!("docmill-prepare-{n}"))
        // Without a handler, a panic would abort the process. The document fails instead.
        .panic_handler(|_| {})
        .build()
        .map_err(|e| RunError::Internal(format!("cannot start the threads for preparation: {e}")))?;
    let bench = Arc::new(Bench {
        jobs: plan.jobs.clone(),
        recipe: Preparation { settings: plan.prepare.clone(), images: plan.images, longest: plan.longest },
        decoding: Budget::megabytes(plan.prepare.memory_mb),
        texts: Budget::megabytes(plan.prepare.memory_mb),
        processes: Processes {
            isolation: Isolation::new(&plan.prepare, &plan.images).map_err(|e| RunError::Internal(e.to_string()))?,
            runtime: Handle::current(),
        },
        pool,
        on_empty: plan.on_empty,
        context: context.clone(),
    });
    // One group more than there are workers, so that a free worker never waits for the next group.
    let mut preparing = ReceiverStream::new(read)
        .ready_chunks(BATCH)
        .flat_map(|reads| stream::iter(groups(reads, &bench)))
        .map(|group| prepare_group(group, &bench))
        .buffer_unordered(workers + 1);
    loop {
        // When the run stops, unprepared documents stay pending, and their processes end.
        let group = tokio::select! {
            biased;
            () = context.stop.cancelled() => return Ok(()),
            group = preparing.next() => group,
        };
        let Some(group) = group else { break };
        for ready in group {
            context.meters.prepare.done(1);
            if context.meters.prepare.room(out.send(ready)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Divides documents into groups for the pool: small texts together, all others alone.
///
/// Handing over a group costs as much as preparing a small text.
fn groups(reads: Vec<Read>, bench: &Bench) -> Vec<Vec<Planned>> {
    let planned = reads.into_iter().map(|read| plan(read, bench));
    let (small, large): (Vec<Planned>, Vec<Planned>) = planned.partition(Planned::is_small);
    std::iter::once(small).filter(|group| !group.is_empty()).chain(large.into_iter().map(|one| vec![one])).collect()
}

/// A document with its work, or its state if it needs no work.
struct Planned {
    ready: Unprepared,
    work: Result<Work, State>,
}

/// The input of preparation.
pub(super) enum Work {
    /// The bytes of a file.
    File(Vec<u8>, Sniffed),
    /// What another process extracted from a file, and the bytes of the file.
    Extraction(Extraction, Vec<u8>, Sniffed),
}

/// A document during preparation.
struct Unprepared {
    document: Document,
    id: DocumentId,
    is_new: bool,
    job: Arc<Job>,
    held: Option<Held>,
    held_text: Option<Held>,
    times: DocumentTimes,
    /// A note on its name.
    misnamed: Option<String>,
}

impl Planned {
    fn is_small(&self) -> bool {
        matches!(&self.work, Ok(Work::File(bytes, Sniffed::Text)) if bytes.len() <= SMALL_TEXT)
    }
}

fn plan(read: Read, bench: &Bench) -> Planned {
    let Read { document, id, is_new, bytes, held, times } = read;
    let (extension, mut misnamed) = (document.extension(), None);
    let (job, work) = match bytes {
        Ok(bytes) => {
            let sniffed = if document.row().is_some() { Sniffed::Text } else { sniff(&bytes, &extension) };
            misnamed = misnamed_as(sniffed, &extension).filter(|_| document.row().is_none());
            let (job, taken) = bench.jobs.route(&bytes, sniffed, &extension, bench.recipe.settings.pdf.mode);
            (job, taken.map(|()| Work::File(bytes, sniffed)).map_err(State::Skipped))
        }
        Err(failure) => (bench.jobs.pick(None, &extension).0, Err(State::Failed(failure))),
    };
    Planned { ready: Unprepared { document, id, is_new, job, held, held_text: None, times, misnamed }, work }
}

async fn prepare_group(group: Vec<Planned>, bench: &Arc<Bench>) -> Vec<Ready> {
    let peak = |work: &Work| if let Work::File(bytes, sniffed) = work { peak_memory(bytes, *sniffed) } else { 0 };
    let peak: usize = group.iter().flat_map(|planned| &planned.work).map(peak).sum();
    let decoding = bench.context.meters.prepare.memory(bench.decoding.take(peak as u64)).await;
    let mut kept = Vec::with_capacity(group.len());
    let mut work = Vec::with_capacity(group.len());
    for Planned { mut ready, work: planned } in group {
        work.push(match planned {
            Ok(Work::File(bytes, sniffed)) if sniffed.is_read_apart() => extracted(bytes, sniffed, &mut ready.held_text, bench).await,
            planned => planned,
        });
        kept.push(ready);
    }
    let jobs = kept.iter().map(|ready| Arc::clone(&ready.job)).collect();
    let states = on_pool(work, jobs, bench).await;
    drop(decoding);
    let ready = Timestamp::now();
    kept.into_iter()
        .zip(states)
        .map(|(Unprepared { document, id, is_new, job, mut held, mut held_text, times, misnamed }, state)| {
            for held in [&mut held, &mut held_text].into_iter().flatten() {
                held.shrink_to(if let State::Prepared(_, chunks) = &state { bytes(chunks) } else { 0 });
            }
            let state = match state {
                State::Prepared(mut facts, chunks) => {
                    let notes = [misnamed, facts.note.take()].into_iter().flatten().collect::<Vec<_>>();
                    facts.note = (!notes.is_empty()).then(|| notes.join("; "));
                    State::Prepared(facts, chunks)
                }
                State::Failed(failure) if failure.code == FailureCode::Empty && bench.on_empty == OnEmpty::Skip => State::Skipped(failure),
                state => state,
            };
            Ready { document, id, is_new, job, state, held, held_text, times: DocumentTimes { ready, ..times } }
        })
        .collect()
}

/// Bytes of all chunks, which stay in memory until the last answer.
fn bytes(chunks: &Chunks) -> u64 {
    chunks.sets.iter().flatten().map(|chunk| chunk.content.bytes() as u64).sum()
}

/// Reads the content of a file in another process, and waits for memory before taking it.
async fn extracted(bytes: Vec<u8>, sniffed: Sniffed, held: &mut Option<Held>, bench: &Bench) -> Result<Work, State> {
    let meter = &bench.context.meters.prepare;
    let slot = bench.processes.isolation.slot().await;
    let working = meter.working();
    let extracted = bench.processes.isolation.extract(slot, &bytes, sniffed).await.map_err(State::Failed)?;
    drop(working);
    *held = meter.memory(bench.texts.take(extracted.length.saturating_mul(EXTRACT_COPIES))).await;
    let _working = meter.working();
    let extraction = bench.processes.isolation.receive(extracted).await.map_err(State::Failed)?;
    Ok(Work::Extraction(extraction, bytes, sniffed))
}

async fn on_pool(work: Vec<Result<Work, State>>, jobs: Vec<Arc<Job>>, bench: &Arc<Bench>) -> Vec<State> {
    let (count, nothing_to_do) = (work.len(), work.iter().all(Result::is_err));
    let (done, result) = oneshot::channel();
    let shared = Arc::clone(bench);
    let prepare_all = move || {
        if done.is_closed() {
            return;
        }
        let _working = shared.context.meters.prepare.working();
        let prepare_one = |work: Work, job: &Job| {
            failpoint::linger("prepare_ms");
            shared
                .recipe
                .content(work, job, job.flag_prompt_injection, &shared.processes)
                .map(|(facts, chunks)| State::Prepared(Box::new(facts), chunks))
        };
        let all = work.into_iter().zip(&jobs);
        let states =
            all.map(|(planned, job)| planned.map_or_else(|state| state, |work| prepare_one(work, job).unwrap_or_else(State::Failed)));
        let states: Vec<State> = states.collect();
        let _stage_is_gone = done.send(states);
    };
    if nothing_to_do {
        prepare_all();
    } else {
        bench.pool.spawn(prepare_all);
    }
    let lost = || State::Failed(Failure::new(FailureCode::Internal, "docmill panicked while it prepared this document"));
    result.await.unwrap_or_else(|_| std::iter::repeat_with(lost).take(count).collect())
}
