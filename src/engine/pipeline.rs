//! Every stage, channel and spawn of a run, on one screen.
//!
//! ```text
//!  walk ──walked──> list ──found──> read ──read──> prepare ──ready──> ask ──commands──> store's thread ──commits──> write
//!                    └─ up to date: nothing to do   16 readers     1 per core      llm.documents   1, in groups    1, in order
//! ```
//!
//! If documents arrive during the run, `follow` takes the place of walk and list, and `publish` that of
//! write (`following`).
//!
//! | channel | holds | memory at most, by default |
//! |---|---|---|
//! | walked | 16 batches of 64 names | 1,024 x 200 B |
//! | found | 64 names (`read.queue`) | 64 x 200 B |
//! | read | 64 files (`read.queue`) | `read.memory_mb`, counted from reading to the last answer; before that 16 readers x 16 files x 64 KB |
//! | ready | 64 documents (`prepare.queue`) | the same budget |
//! | commands | 1,024 records (`store.queue`) | 1,024 x 5 KB |
//! | commits | 1 signal | 0 |
//! | requests | 8 requests from outside | 8 x 64 KB |

use super::active::ActiveDocuments;
use super::arrivals::Following;
use super::ask::ask;
use super::breaker::Breaker;
use super::closing::{close, deferred, publish, reopen, sampled, with_earlier_rows};
use super::conductor::Conductor;
use super::document_identity::Register;
use super::first_error::first_error;
use super::following::{Follower, Publisher, publish_arrived};
use super::list::{Findings, Lister, count, walk};
use super::meter::Meters;
use super::notice::Notice;
use super::opening::{Opened, Shared, announce, database, delivery, governor, measure_commits, open, processor};
use super::prepare::prepare;
use super::read::{Reader, read};
use super::runtime_control::{Adjustable, RuntimeControl, leave};
use super::summary::{End, nothing_found, now};
use super::write::{Results, RowWriter};
use super::{Context, Controls, Outcome, Plan, RunError, Watcher};
use crate::ask::{RunStop, StopKind};
use crate::store::{Catalog, RunLock, Store};
use crate::system::make_directory;
use crate::write::{ResultFiles, WriteError};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Batches between the walk and the comparison with the store.
const WALKED: usize = 16;

/// Runs a plan to its end. Installs no signal handler, opens no port and touches no terminal.
#[expect(clippy::too_many_lines, reason = "every stage, channel and spawn of a run stands here")]
pub async fn run(plan: Plan, controls: Controls, watcher: Arc<dyn Watcher>) -> Result<Outcome, RunError> {
    let plan = Arc::new(plan);
    if plan.arrivals.is_none() && plan.roots.unsorted().next().is_none() {
        return Err(RunError::NoDocuments(nothing_found(&plan)));
    }
    let directory = &plan.output.dir;
    let output_error = |source| RunError::Output { directory: directory.display().to_string(), source };
    make_directory(directory).map_err(output_error)?;
    let lock = Arc::new(RunLock::acquire(directory)?);
    let unwritable = |e: WriteError| if e.no_room().is_some() { e.into() } else { output_error(std::io::Error::other(e)) };
    plan.jobs.iter().try_for_each(|job| ResultFiles::check(&plan.output, &job.name)).map_err(unwritable)?;
    let started = now();
    let gone = Store::is_gone(directory);
    let Opened {
        store,
        rows,
        catalog,
        next_document,
        next_attempt,
        previous,
        following,
        outbox,
        database: rows_of_database,
        answers,
        vectors,
        fence,
        budget,
        identity,
        cancelled,
    } = open(&plan, &started).map_err(unusable)?;
    // `first`: the store contains neither an answer nor a failure.
    let (run, first) = (store.run(), answers.reader.is_none());

    let meters = Arc::new(Meters::new(&plan));
    // A stop of the caller takes effect immediately, without waiting for the conductor.
    let (stop, asked_to_stop) = (controls.stop.child(), controls.stop.clone());
    let context = Context { watcher, meters: Arc::clone(&meters), stop, abandon: CancellationToken::new() };
    // All stages stop when this function returns, even with an error.
    let _stop_at_the_end = context.stop.clone().drop_guard();
    let stopped_by = Arc::new(OnceLock::new());
    let findings = Arc::new(Mutex::new(Findings::default()));
    announce(&plan, run, gone, &context).await;
    let database = match database(rows_of_database, &context).await {
        Ok(database) => database,
        Err(error) => {
            store.withdraw_run()?;
            return Err(error);
        }
    };

    let (walked_in, walked_out) = mpsc::channel(WALKED);
    let (found_in, found_out) = mpsc::channel(plan.read.queue);
    let (read_in, read_out) = mpsc::channel(plan.read.queue);
    let (ready_in, ready_out) = mpsc::channel(plan.prepare.queue);
    let (commits_in, commits_out) = sync_channel(1);

    let (stop, commits, commits_for_database) = (context.stop.clone(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (handle, store_writer) = store.start_writer(
        &plan.store,
        commits_in,
        measure_commits(&meters, [&commits, &commits_for_database].map(Arc::clone)),
        Box::new(move || stop.cancel()),
    )?;
    let register = catalog.as_ref().map(Catalog::another).transpose()?;
    let register = Register::new(register, next_document, plan.roots.clone(), plan.retry.clone()).beside(plan.beside.clone());
    let register = register.of_run(run, following.as_ref().is_none_or(|(following, _)| following.arrivals.renames()));
    let (following, newest) = following.unzip();
    let delivery = outbox.map(|outbox| delivery(&plan, outbox, handle.clone(), &context)).transpose()?;
    let reader = Reader {
        settings: plan.read.clone(),
        register: Arc::new(register),
        store: handle.clone(),
        context: context.clone(),
        following: following.clone(),
    };
    let compare = catalog.is_some();
    let follower = following.clone().zip(catalog.as_ref().map(Catalog::another).transpose()?).map(|(following, catalog)| Follower {
        following,
        run,
        catalog,
        retry: plan.retry.clone(),
        store: handle.clone(),
        context: context.clone(),
        runtime: tokio::runtime::Handle::current(),
        listed: HashMap::new(),
    });
    let lister =
        Lister { run, catalog, previous, retry: plan.retry.clone(), store: handle.clone(), context: context.clone(), changed: false };
    let breaker = Arc::new(Breaker::new(plan.llm.retry.max_consecutive_failures));
    let governor = governor(&plan, budget, &controls.accounts, &context)
        .with_allowance(controls.allowance.clone())
        .with_store(identity, plan.settled.clone());
    let (governor, samples) = (Arc::new(governor), handle.watcher());
    let handle_watcher = handle.watcher();
    meters.watch(&governor, (&found_in, &read_in, &ready_in), &handle);
    let active = Arc::new(ActiveDocuments::without(cancelled));
    let (window, window_out) = watch::channel(plan.jobs.documents(&plan.llm));
    let adjustable = Adjustable {
        governor: Arc::clone(&governor),
        active: Arc::clone(&active),
        window,
        store: handle.watcher(),
        following: following.clone(),
    };
    let live = RuntimeControl::new(&plan, run, adjustable, &context);
    let (breaking, stopping) = (Arc::clone(&breaker), Arc::clone(&stopped_by));
    let shared = Shared {
        governor: Arc::clone(&governor),
        breaker: breaking,
        stopped_by: stopping,
        active: Arc::clone(&active),
        fence,
        following: following.clone(),
    };
    let processor = Arc::new(processor(&plan, handle, (answers, vectors), next_attempt, shared, &context)?);
    let publisher = following.clone().zip(newest).map(|(following, rows)| Publisher {
        rows,
        following,
        store: handle_watcher,
        context: context.clone(),
    });
    let writer = RowWriter { rows, results: Results::new(plan.columns(), plan.output.clone()), context: context.clone() };

    let outer = controls.outer.clone();
    let (finished, mut beside, money) = (CancellationToken::new(), JoinSet::new(), Arc::clone(&governor));
    let drain = Duration::from_secs(plan.llm.drain_s);
    let conductor = Conductor {
        context: context.clone(),
        stopped_by: Arc::clone(&stopped_by),
        drain,
        notice: Arc::new(Notice::new(&governor, &lock, directory)),
        governor,
        samples,
        live,
        controls,
    };
    beside.spawn(conductor.conduct(finished.clone()));
    let mut stages = JoinSet::new();
    if let Some(follower) = follower {
        // The store's thread ends when no handle is left.
        drop(lister);
        stages.spawn_blocking(move || follower.follow(&found_in));
    } else {
        beside.spawn_blocking({
            let (plan, context) = (Arc::clone(&plan), context.clone());
            move || count(&plan.roots, &context)
        });
        stages.spawn_blocking({
            let (plan, context, findings) = (Arc::clone(&plan), context.clone(), Arc::clone(&findings));
            move || {
                walk(&plan.roots, (compare, plan.places()), &walked_in, &findings, &context);
                Ok(())
            }
        });
        stages.spawn_blocking({
            let findings = Arc::clone(&findings);
            move || lister.list(walked_out, &found_in, &findings)
        });
    }
    stages.spawn(read(found_out, read_in, reader));
    stages.spawn(prepare(read_out, ready_in, Arc::clone(&plan), context.clone()));
    let answered = CancellationToken::new();
    if let Some(delivery) = delivery {
        stages.spawn(delivery.deliver(answered.clone(), commits));
    }
    stages.spawn({
        let at_the_end = answered.drop_guard();
        async move {
            let _at_the_end = at_the_end;
            ask(ready_out, processor, window_out).await
        }
    });
    let (mut streaming, streamed) = (JoinSet::new(), CancellationToken::new());
    if let Some(database) = database {
        streaming.spawn(database.follow(commits_for_database, streamed.clone()));
    }
    let mut writing = JoinSet::new();
    writing.spawn_blocking({
        let plan = Arc::clone(&plan);
        move || match publisher {
            Some(publisher) => publisher.publish(&plan, &commits_out),
            None => writer.write(&commits_out),
        }
    });

    let result = first_error(stages, &context).await;
    if let Some(reason) = asked_to_stop.reason() {
        let _first_wins = stopped_by.set(RunStop { kind: StopKind::Requested, message: reason.to_owned() });
    }
    money.leave().await;
    // The stages held all handles of the store. Its thread now ends, and then the writer.
    let (store, committed) =
        tokio::task::spawn_blocking(move || store_writer.join()).await.map_err(|e| RunError::Internal(e.to_string()))??;
    let Some(Ok(written)) = writing.join_next().await else {
        return Err(RunError::Internal("the writer of results ended unexpectedly".into()));
    };
    let mut findings = findings.lock().clone();
    findings.made = meters.snapshot().answered;
    // An error of the store comes first, because it usually causes the others.
    let worked = committed.map_err(RunError::from).and(result).and(written);
    let in_vain = if first && following.is_none() { breaker.nothing_succeeded() } else { None };
    let _first_wins = in_vain.or_else(|| deferred(&meters)).or_else(|| sampled(&plan, &meters)).map(|stop| stopped_by.set(stop));
    // A source without an end ends when its user asks for that. If earlier results stay, it has ended too
    // early.
    let keeps_others = following.as_ref().is_some_and(Following::keeps_others);
    let is_end = |stop: &RunStop| following.is_some() && !keeps_others && stop.kind == StopKind::Requested;
    let stop = || stopped_by.get().filter(|stop| !is_end(stop)).cloned();
    let complete = stop().is_none();
    let publishing = {
        let plan = Arc::clone(&plan);
        meters.publishing.store(true, Relaxed);
        let following = following.clone();
        move || {
            if let Some(following) = &following {
                let published = worked.and_then(|_| publish_arrived(&plan, &store, following, &breaker, &mut findings));
                return (store, findings, published);
            }
            let worked = worked.and_then(|written| reopen(&breaker, &plan, &store, written));
            let worked = worked.and_then(|written| with_earlier_rows(&plan, &store, written, complete));
            let published = worked.and_then(|written| publish(&plan, &store, &mut findings, written, (complete, previous)));
            (store, findings, published)
        }
    };
    let published = tokio::task::spawn_blocking(publishing).await;
    let (mut store, findings, published) =
        published.map_err(|e| RunError::Internal(format!("publishing the results ended unexpectedly: {e}")))?;
    meters.publishing.store(false, Relaxed);
    let results = match published {
        Err(error) if error.no_room().is_some() => {
            let message = format!("{error}. All committed answers are safe. {}", error.no_room().unwrap_or_default());
            let _first_wins = stopped_by.set(RunStop { kind: StopKind::Parked, message });
            BTreeMap::new()
        }
        published => published?,
    };
    let end = End { run, started, stop: stop(), reached: money.budget_reached(), outer, results, findings };
    streamed.cancel();
    let database = streaming.join_next().await.and_then(Result::ok);
    let outcome = Box::pin(close(end, &plan, (&mut store, database), &meters, &context)).await;
    let left = leave(&active, stop().is_some(), &mut store, &context).await;

    finished.cancel();
    while beside.join_next().await.is_some() {}
    drop(lock);
    left.and(outcome)
}

/// An error of the store before anything was sent.
fn unusable(error: RunError) -> RunError {
    match error {
        RunError::Store(error) => RunError::Unusable(error),
        other => other,
    }
}
