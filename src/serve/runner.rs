//! Does the work of one run of the queue.

use super::app::{App, until};
use super::directories::Input;
use super::live::Live;
use super::orders::{Ended, ended_by, order_of, serve_other_terminals};
use super::problem::Problem;
use super::queue::{DEADLINE, QueuedRun, RAN_SHORT, State, Totals};
use super::submission::Submission;
use crate::ask::{Allowance, OuterCap, StopKind};
use crate::config::{Config, Origin};
use crate::engine::{self, Controls, Outcome, OuterCaps, Plan, RunError, Watcher};
use crate::html_report;
use crate::read::{Archives, Grouping, InputSettings, Tables};
use crate::setup::{Assembled, Environment, Flag, RunOptions, Server, Settings, assemble};
use crate::store::{Archive, Requests, RunCounts, RunRecord, StoreError};
use futures::FutureExt as _;
use jiff::{Timestamp, Zoned};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use toml::Value;

/// The caps of its key and of the server on the money of a run.
struct OuterCapsOf {
    app: Arc<App>,
    run: QueuedRun,
}

impl fmt::Debug for OuterCapsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterCapsOf").field("run", &self.run.id).finish_non_exhaustive()
    }
}

impl OuterCaps for OuterCapsOf {
    fn of_run(&self) -> Option<OuterCap> {
        let (app, run) = (&self.app, &self.run);
        let name = app.outer_caps(&run.owner)?;
        let look = || {
            // The cap of a run at work is within what its key and the server have left.
            let own = app.queue.get(&run.id)?.and_then(|run| run.cap);
            if run.share.is_none() && own == run.cap {
                return Ok(None);
            }
            let leaves = app.with_caps(|caps| app.queue.most_for(run, caps))?;
            let may_grow = app.with_caps(|caps| app.queue.may_get_more(run, caps))?;
            Ok::<_, Problem>(Some(OuterCap { name, leaves, may_grow }))
        };
        look().unwrap_or_else(|problem| {
            crate::progress::complain(&format!("run {}: {}", run.id, problem.detail));
            None
        })
    }
}

/// Does the work of a run, and records how it ended.
pub async fn work(app: Arc<App>, run: QueuedRun) {
    let id = run.id.clone();
    app.tell_change(&id);
    let worked = AssertUnwindSafe(attempt(&app, &run)).catch_unwind().await;
    let mut ended = worked.unwrap_or_else(|_| Ended { state: State::Failed, message: "internal error: the run panicked".to_owned() });
    ended.message = app.directories.without_places(&ended.message);
    // The counters of the run are shown until its totals are known.
    let known = app.blocking(move |app| totals(&app.directories.run(&run.id), run.totals)).await;
    let live = app.live.lock().remove(&id);
    let run = id.clone();
    let recorded = match known {
        Ok(totals) => app.blocking(move |app| app.queue.end(&id, ended.state, &ended.message, &totals)).await,
        Err(problem) => Err(problem),
    };
    // If the queue cannot be written, the run stays "running" and goes on after a restart.
    if let Err(problem) = recorded {
        crate::progress::complain(&format!("run {run}: {}", problem.detail));
    }
    if let Some(live) = live {
        live.close();
    }
    app.tell_change(&run);
    app.webhooks.wake.notify_one();
    app.ended.notify_one();
    app.wake.notify_one();
}

async fn attempt(app: &Arc<App>, run: &QueuedRun) -> Ended {
    match try_to_run(app, run).await {
        Ok(Ok(outcome)) => how_it_ended(&outcome),
        Ok(Err(RunError::Database(error))) => {
            crate::progress::complain(&error.to_string());
            Ended { state: State::Failed, message: "the server cannot use its database. Its log has the reason".to_owned() }
        }
        Ok(Err(error)) => {
            let advice = error.no_room().map(|advice| format!(". {advice}")).unwrap_or_default();
            Ended { state: State::Failed, message: format!("{error}{advice}") }
        }
        Err(ended) => ended,
    }
}

fn how_it_ended(outcome: &Outcome) -> Ended {
    match &outcome.stop {
        None => match &outcome.not_in_database {
            None => Ended { state: State::Complete, message: String::new() },
            Some(why) => {
                // Its address is not for clients.
                crate::progress::complain(why);
                let message = "the database does not have all rows. The log of the server has the reason. Resume the run to write them";
                Ended { state: State::Stopped, message: message.to_owned() }
            }
        },
        Some(stop) if stop.kind == StopKind::Requested => ended_by(&stop.message),
        Some(_) if outcome.outer.as_ref().is_some_and(|outer| outer.may_grow) => {
            Ended { state: State::Queued, message: RAN_SHORT.to_owned() }
        }
        Some(stop) => Ended { state: State::Stopped, message: html_report::for_clients(&stop.message) },
    }
}

/// Runs the plan. The outer error is a run that does not begin: its settings or inputs are wrong, or it
/// has an order to stop.
async fn try_to_run(app: &Arc<App>, run: &QueuedRun) -> Result<Result<Outcome, RunError>, Ended> {
    let submission = Submission::parse(run.submission.as_bytes())?;
    let (environment, config, settings) = prepare(app, run, &submission, &app.directories.input(&run.id)).await?;
    let assembled = assemble(&environment, &config, settings, RunOptions::default()).await;
    let Assembled { mut plan, simulator, .. } = assembled.map_err(Problem::from)?;
    plan.report_each = true;
    let (directory, drain) = (plan.output.dir.clone(), plan.llm.drain_s);
    let (mut controls, requests) = Controls::new(&app.accounts);
    let allowance = run.share.map(|share| Arc::new(Allowance::new(share)));
    controls.allowance.clone_from(&allowance);
    controls.outer = Some(Arc::new(OuterCapsOf { app: Arc::clone(app), run: run.clone() }));
    let live = Arc::new(Live::new(controls.stop.clone(), requests));
    let gate = |_: &App| {
        crate::failpoint::gate("serve_begin");
        Ok(())
    };
    app.blocking(gate).await?;
    app.live.lock().insert(run.id.clone(), Arc::clone(&live));
    app.tell_change(&run.id);
    if let Some(order) = order_of(app, run).await? {
        live.stop.stop(order);
    }
    // A client may have stopped it meanwhile. Nothing is sent then.
    if let Some(reason) = live.stop.reason() {
        if let Some(simulator) = simulator {
            simulator.stop().await;
        }
        return Err(ended_by(reason));
    }
    let abandon = controls.abandon.clone();
    let working = engine::run(plan, controls, Arc::clone(&live) as Arc<dyn Watcher>);
    let outcome = tokio::select! {
        outcome = working => outcome,
        never = serve_other_terminals(app, &run.id, &live, &directory) => match never {},
        never = abandon_late(&live, drain, abandon) => match never {},
        never = stop_at(&live, run.deadline) => match never {},
        never = give_shares(app, run, allowance.as_deref()) => match never {},
    };
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    Ok(outcome)
}

/// Stops the run at its deadline. Requests in flight may finish.
async fn stop_at(live: &Live, deadline: Option<Timestamp>) -> std::convert::Infallible {
    if let Some(deadline) = deadline {
        tokio::time::sleep(until(deadline)).await;
        live.stop.stop(DEADLINE);
    }
    std::future::pending().await
}

/// Reserves more money when the run needs it. Without room the run stops, and may go on later.
async fn give_shares(app: &Arc<App>, run: &QueuedRun, allowance: Option<&Allowance>) -> std::convert::Infallible {
    if let Some(allowance) = allowance {
        loop {
            let (wanted, id) = (allowance.wanted().await, run.id.clone());
            match app.blocking(move |app| app.with_caps(|caps| app.queue.reserve_more(&id, wanted, caps))).await {
                Ok(Some(cap)) => allowance.grant(cap),
                Ok(None) => allowance.refuse(wanted),
                Err(problem) => {
                    crate::progress::complain(&format!("run {}: {}", run.id, problem.detail));
                    allowance.refuse(wanted);
                }
            }
        }
    }
    std::future::pending().await
}

/// Aborts requests in flight if the run has not drained in time.
async fn abandon_late(live: &Live, drain_s: u64, abandon: tokio_util::sync::CancellationToken) -> std::convert::Infallible {
    live.stop.stopped().await;
    tokio::time::sleep(std::time::Duration::from_secs(drain_s + 1)).await;
    abandon.cancel();
    std::future::pending().await
}

/// The settings of a run: those of the server, those of the submission, and the directories.
async fn prepare(
    app: &Arc<App>,
    run: &QueuedRun,
    submission: &Submission,
    input: &Input,
) -> Result<(Environment, Config, Settings), Problem> {
    let mut source = app.source.clone();
    source.flags.extend(submission.flags()?);
    let (run, submission, input) = (run.clone(), submission.clone(), input.clone());
    app.blocking(move |app| {
        let environment = Environment { now: Zoned::now(), ..app.environment.clone() };
        let (before, chosen) = source.load(&environment)?;
        let filters = FILTERS.iter().any(|key| before.origin(key) != Origin::Default);
        source.flags.extend(forced(app, &run, &submission, (&input, &chosen.input, filters)));
        let (config, settings) = source.load(&environment)?;
        Ok((environment, config, settings))
    })
    .await
}

/// Settings that leave files out.
const FILTERS: [&str; 6] = ["input.include", "input.exclude", "input.min_bytes", "input.max_bytes", "input.newer_than", "input.older_than"];

/// Settings that no other source can change. `chosen` are the settings of inputs otherwise, and whether
/// they leave files out.
fn forced(app: &App, run: &QueuedRun, submission: &Submission, (input, chosen, filters): (&Input, &InputSettings, bool)) -> Vec<Flag> {
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let list = |items: Vec<String>| Value::from(items.into_iter().map(Value::from).collect::<Vec<_>>());
    let documents = input.documents();
    let has_documents = std::fs::read_dir(&documents).is_ok_and(|mut entries| entries.next().is_some());
    // Groups and tables are found in directories only, and lists have no filters.
    let in_order = !filters && chosen.group == Grouping::None && input.has_order(chosen.tables != Tables::Rows);
    let (base, order, directory) = match (has_documents, in_order) {
        (true, true) => (documents, Some(input.order()), None),
        (true, false) => (input.directory().to_owned(), None, Some(documents)),
        (false, _) => (input.directory().to_owned(), None, None),
    };
    let paths: Vec<String> = directory.map(text).into_iter().chain(submission.addresses.iter().cloned()).collect();
    let rows: Vec<String> = Some(input.rows()).filter(|rows| rows.exists()).map(text).into_iter().collect();
    let mut settings = vec![
        ("output.dir", Value::from(text(app.directories.run(&run.id)))),
        ("output.copy_to", Value::from("")),
        ("output.existing", Value::from("replace")),
        ("input.paths", list(paths)),
        ("input.rows", list(rows)),
        ("input.base", Value::from(text(base))),
        ("input.files_from", Value::from(order.map(text).unwrap_or_default())),
        ("input.follow_links", Value::from("never")),
        ("report.events", Value::from("")),
        ("report.metrics", Value::from("")),
    ];
    // An uploaded archive is named by its client.
    if chosen.archives == Archives::Named && input.has_archive() {
        settings.push(("input.archives", Value::from("read")));
    }
    if let Some(cap) = run.share.or(run.cap) {
        settings.push(("budget.max_usd", Value::from(cap.usd())));
    }
    let job = Some(input.job()).filter(|job| job.exists()).map(text).or_else(|| submission.job.clone());
    settings.extend(job.map(|job| ("job.use", Value::from(job))));
    settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_string(), "docmill serve".to_owned())).collect()
}

/// Checks settings, job and inputs of a run without sending anything.
///
/// `input` is where its documents are.
pub async fn check(app: &Arc<App>, run: &QueuedRun, submission: &Submission, input: &Input) -> Result<Plan, Problem> {
    let checked = async {
        let (environment, config, settings) = prepare(app, run, submission, input).await?;
        let options = RunOptions { server: Server::Offline, ..RunOptions::default() };
        Ok(assemble(&environment, &config, settings, options).await?.plan)
    };
    checked.await.map_err(|problem| app.without_places(problem))
}

/// Ends the work on runs that were at work when the server was killed, with the totals of their stores.
pub async fn end_interrupted(app: &Arc<App>) -> Result<(), Problem> {
    for id in app.queue.interrupted() {
        let id = id.clone();
        let ended = app.blocking(move |app| {
            let Some(run) = app.queue.get(&id)? else { return Ok(()) };
            let totals = totals(&app.directories.run(&id), run.totals).unwrap_or_else(|problem| {
                crate::progress::complain(&format!("run {id}: {}", problem.detail));
                run.totals
            });
            app.queue.end(&id, State::Queued, "", &totals)
        });
        ended.await?;
    }
    Ok(())
}

/// The totals of a run store.
pub fn totals(directory: &Path, before: Totals) -> Result<Totals, Problem> {
    let Some(archive) = Archive::open(directory)? else { return Ok(before) };
    let ledger = archive.ledger(Requests::All)?;
    let mut totals = Totals {
        requests: ledger.requests,
        spent: ledger.counted,
        uncertain: ledger.counted - ledger.cost.usd.min(ledger.counted),
        unpriced: ledger.cost.unpriced_calls,
        ..Totals::default()
    };
    let runs = archive.runs()?;
    if let Some(last) = runs.last() {
        let counted = count(&archive, &runs, last)?;
        let tally = counted.counts.all();
        totals.done = tally.rows();
        totals.failed = tally.failures.values().sum();
        totals.skipped = tally.skips.values().sum();
        totals.pending = counted.counted.then(|| counted.pending());
    }
    Ok(totals)
}

/// Counts the documents of the last work on a run.
///
/// It may have stopped before it had listed all documents. They are the same ones as before, so an
/// earlier listing that is longer counts.
fn count(archive: &Archive, runs: &[RunRecord], last: &RunRecord) -> Result<RunCounts, StoreError> {
    let mut best = archive.run_counts(runs, last)?;
    if last.documents.is_some() {
        return Ok(best);
    }
    let rows = |counted: &RunCounts| counted.counts.all().rows();
    for run in runs.iter().rev().skip(1).filter(|run| run.recipe == last.recipe) {
        let earlier = archive.run_counts(runs, run)?;
        let (documents, counted) = (best.documents.max(earlier.documents), best.counted || earlier.counted);
        if rows(&earlier) > rows(&best) {
            best = earlier;
        }
        best = RunCounts { documents, counted, ..best };
        if run.documents.is_some() {
            break;
        }
    }
    Ok(best)
}
