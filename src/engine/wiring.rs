//! Every stage, channel and spawn of a run, on one screen.
//!
//! ```text
//!  walk ──found──> read ──read──> prepare ──ready──> ask ──commands──> store's thread ──commits──> write
//!                16 readers     1 per core      llm.documents         1, in groups            1, in order
//! ```
//!
//! | channel | holds | memory at most, by default |
//! |---|---|---|
//! | found | 64 names (`read.queue`) | 64 x 200 B |
//! | read | 64 files (`read.queue`) | `read.memory_mb`, counted from reading to the last answer; before that 16 readers x 16 files x 64 KB |
//! | ready | 64 documents (`prepare.queue`) | the same budget |
//! | commands | 1,024 answers and rows (`store.queue`) | 1,024 x 5 KB |
//! | commits | 1 sign | 0 |
//! | events | 256 events | 256 x 300 B |

use super::ask::{Desk, ask};
use super::conductor::conduct;
use super::meter::Meters;
use super::prepare::{prepare, workers};
use super::read::{count, read, walk};
use super::row::RowMaker;
use super::summary::{End, nothing_found, now};
use super::write::{RowWriter, publish};
use super::{Context, Outcome, Plan, RunError};
use crate::ask::{Asker, Governor, RunStop, Transport};
use crate::event::{RunEvent, VERSION};
use crate::model::LeftOut;
use crate::store::{AnswerReader, OnCommit, RunLock, Store, StoreHandle};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs a plan to its end. Watchers listen at the other end of `events`.
pub async fn run(plan: Plan, events: mpsc::Sender<RunEvent>) -> Result<Outcome, RunError> {
    let plan = Arc::new(plan);
    if plan.roots.unsorted().next().is_none() {
        return Err(RunError::NoDocuments(nothing_found(&plan)));
    }
    let directory = &plan.output.dir;
    let output_error = |source| RunError::Output { directory: directory.display().to_string(), source };
    std::fs::create_dir_all(directory).map_err(output_error)?;
    let _lock = RunLock::acquire(directory)?;
    let started = now();
    let store = Store::begin_run(directory, &started, &plan.settings)?;
    let (run, rows, answers) = (store.run(), store.rows()?, store.answers()?);

    let meters = Arc::new(Meters::new(plan.read.concurrency, workers(&plan.prepare), plan.llm.concurrency));
    let context = Context { events, meters: Arc::clone(&meters), stop: CancellationToken::new() };
    // Whatever way this function is left, nobody goes on working.
    let _stop_at_the_end = context.stop.clone().drop_guard();
    let stopped_by = Arc::new(OnceLock::new());
    let left_out = Arc::new(Mutex::new(LeftOut::default()));
    context.tell(started_event(&plan, run)).await;

    let (found_in, found_out) = mpsc::channel(plan.read.queue);
    let (read_in, read_out) = mpsc::channel(plan.read.queue);
    let (ready_in, ready_out) = mpsc::channel(plan.prepare.queue);
    let (commits_in, commits_out) = sync_channel(1);

    let (handle, store_writer) = store.start_writer(&plan.store, commits_in, measure_commits(&meters))?;
    let desk = Arc::new(desk(&plan, handle, answers, &stopped_by, &context)?);
    let writer = RowWriter { rows, jobs: plan.jobs.clone(), output: plan.output.clone(), context: context.clone() };

    let finished = CancellationToken::new();
    let mut beside = JoinSet::new();
    beside.spawn(conduct(context.clone(), Arc::clone(&stopped_by), finished.clone()));
    beside.spawn_blocking({
        let (plan, context) = (Arc::clone(&plan), context.clone());
        move || count(&plan.roots, &context)
    });
    let mut stages = JoinSet::new();
    stages.spawn_blocking({
        let (plan, context, left_out) = (Arc::clone(&plan), context.clone(), Arc::clone(&left_out));
        move || {
            walk(&plan.roots, &found_in, &left_out, &context);
            Ok(())
        }
    });
    stages.spawn(read(found_out, read_in, plan.read.clone(), context.clone()));
    stages.spawn(prepare(read_out, ready_in, Arc::clone(&plan), context.clone()));
    stages.spawn(ask(ready_out, desk, plan.llm.documents(plan.jobs.fewest_calls())));
    let mut writing = JoinSet::new();
    writing.spawn_blocking(move || writer.write(&commits_out));

    let mut result = Ok(());
    while let Some(done) = stages.join_next().await {
        let done = done.unwrap_or_else(|e| Err(RunError::Internal(format!("a stage was lost: {e}"))));
        if let (Err(error), true) = (done, result.is_ok()) {
            // The others end by themselves: their input closes, or nobody takes their output.
            context.stop.cancel();
            result = Err(error);
        }
    }
    // With the stages all ways to the store are gone, so its thread ends, and then the writer.
    let store = tokio::task::spawn_blocking(move || store_writer.join()).await.map_err(|e| RunError::Internal(e.to_string()))??;
    let written = match writing.join_next().await {
        Some(Ok(written)) => written?,
        _ => return Err(RunError::Internal("the writer was lost".into())),
    };
    result?;

    let stop = stopped_by.get().cloned();
    let totals = publish(written, &plan.output, stop.is_none())?;
    let left_out = *left_out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let end = End { run, started, stop, totals, left_out };
    let (summaries, results, ended) = end.summaries(&plan, &meters)?;
    let history = serde_json::to_string(&summaries).map_err(|e| RunError::Internal(e.to_string()))?;
    if end.stop.is_none() {
        store.drop_older_rows(summaries.iter().map(|summary| summary.job.as_str()))?;
    }
    store.end_run(&ended, &history)?;

    finished.cancel();
    while beside.join_next().await.is_some() {}
    context.tell(RunEvent::Progress(meters.snapshot())).await;
    context.tell(RunEvent::Finished { jobs: summaries.clone(), results }).await;
    Ok(Outcome { summaries, stop: end.stop })
}

fn started_event(plan: &Plan, run: i64) -> RunEvent {
    RunEvent::Started {
        version: VERSION,
        run,
        provider: plan.account.provider.as_str().to_owned(),
        model: plan.account.model.clone(),
        jobs: plan.jobs.iter().map(|job| job.name.clone()).collect(),
        output: plan.output.dir.display().to_string(),
    }
}

fn measure_commits(meters: &Arc<Meters>) -> OnCommit {
    let meters = Arc::clone(meters);
    Box::new(move |time, records| {
        meters.commit.worked(time);
        meters.commit.done(records as u64);
    })
}

fn desk(
    plan: &Plan,
    store: StoreHandle,
    answers: Option<AnswerReader>,
    stopped_by: &Arc<OnceLock<RunStop>>,
    context: &Context,
) -> Result<Desk, RunError> {
    let transport = Transport::new(&plan.account, plan.llm.concurrency, Duration::from_secs(plan.llm.timeout_s))?;
    let governor = Governor::new(plan.llm.concurrency, context.stop.clone());
    let observer = Arc::clone(&context.meters);
    Ok(Desk {
        asker: Asker::new(plan.account.clone(), governor, transport, &plan.llm, observer),
        store,
        answers: answers.map(|reader| Arc::new(Mutex::new(reader))),
        rows: RowMaker { provider: plan.account.provider.as_str(), model: plan.account.model.clone() },
        effort: Some(plan.llm.effort.as_str()).filter(|e| !e.is_empty()).map(Arc::from),
        stopped_by: Arc::clone(stopped_by),
        context: context.clone(),
    })
}
