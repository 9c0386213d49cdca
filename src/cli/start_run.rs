//! Starts an assembled run and shows its events until the last one.

use super::exit::{CliError, Exit};
use super::host::Host;
use super::stderr_is_closed;
use crate::ask::{Accounts, StopKind};
use crate::engine::{self, Controls, Outcome, RunError, Watcher};
use crate::event::RunEvent;
use crate::progress::{AlertSettings, EventLog, MetricsServer, Style, Watching};
use crate::setup::Assembled;
use crate::store::LockError;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The accounts of this process: its runs share their limits.
static ACCOUNTS: LazyLock<Arc<Accounts>> = LazyLock::new(Arc::default);
/// Events that may wait for a slow terminal.
const EVENTS: usize = 256;
/// How often a run looks whether the program that reads its events is still there. Without it, nobody
/// would know what the run spends.
const READER: Duration = Duration::from_millis(500);
/// Time limit for the last messages after a signal has stopped the run. It exceeds the limits of
/// alerts, traces and the event log.
const PATIENCE: Duration = Duration::from_secs(12);

impl Assembled {
    /// Runs the plan and shows its progress.
    pub async fn run(self, style: Style) -> Result<Outcome, CliError> {
        let Self { mut plan, stop, simulator, report, alerts, secrets, doubts } = self;
        plan.report_each = style == Style::Json || !report.events.is_empty() || alerts.iter().any(AlertSettings::is_about_each);
        plan.trace = !report.traces.is_empty();
        let (events, watched) = mpsc::channel(EVENTS);
        if let Some(message) = doubts {
            drop(events.try_send(RunEvent::Warning { message }));
        }
        let (mut watching, mut beside) = (Watching::new(style, &report), JoinSet::new());
        if !report.events.is_empty() {
            watching.log(EventLog::open(&report.events).map_err(|why| CliError::usage(format!("report.events: {why}")))?);
        }
        if !report.metrics.is_empty() {
            let server = MetricsServer::bind(&report.metrics).map_err(|why| CliError::usage(format!("report.metrics: {why}")))?;
            watching.serve(&server);
            drop(events.try_send(RunEvent::Note { message: format!("metrics are at {}", server.url()) }));
            beside.spawn(server.serve());
        }
        let traces = plan.trace.then(|| watching.trace(&report.traces)).transpose();
        let traces = traces.map_err(|why| CliError::usage(format!("report.traces: {why}")))?;
        let alarm = watching.alert(&alerts, secrets, &events.downgrade()).map_err(CliError::usage)?;
        let watching = tokio::task::spawn_blocking(move || watching.watch(watched));
        let (controls, requests) = Controls::new(&ACCOUNTS);
        let host = Arc::new(Host::new(&plan, events.clone(), requests));
        // Listens to signals until the last message is out.
        let _listening = host.listen(&controls.stop, plan.llm.drain_s).map_err(CliError::internal)?;
        let asked_to_stop = controls.stop.clone();
        beside.spawn(async move {
            stop.stopped().await;
            asked_to_stop.stop(stop.reason().unwrap_or_default());
        });
        if style == Style::Json {
            let stop = controls.stop.clone();
            beside.spawn(async move {
                let mut looks = tokio::time::interval(READER);
                while !stderr_is_closed() {
                    looks.tick().await;
                }
                stop.stop("stopped because the program that read its progress has ended");
            });
        }
        let outcome = engine::run(plan, controls, Arc::clone(&host) as Arc<dyn Watcher>).await;
        // If another run holds the lock, the event log may belong to that run.
        let is_elsewhere = matches!(outcome, Err(RunError::Lock(LockError::Held { .. } | LockError::Removed { .. })));
        let outcome = outcome.map_err(run_failed);
        let last = Some(last(&outcome)).filter(|_| !is_elsewhere);
        let last_messages = async {
            // All other messages come before the last event, so the event log ends with it.
            host.close().await;
            send(&events, RunEvent::Ending).await;
            let lost = async { if let Some(traces) = traces { traces.end().await } else { None } };
            let (late, lost) = tokio::join!(alarm.end(), lost);
            for message in late.into_iter().chain(lost) {
                send(&events, RunEvent::Warning { message }).await;
            }
            if let Some(simulator) = simulator {
                simulator.stop().await;
            }
            if let Some(last) = last {
                send(&events, last).await;
            }
            drop((host, events));
            // The watcher ends with the events. After that, the command may write to the screen.
            watching.await
        };
        tokio::select! {
            biased;
            watched = last_messages => watched.map_err(CliError::internal)?,
            // A write to a pipe without a reader could block forever.
            () = patience(&outcome) => std::process::exit(Exit::StoppedEarly as i32),
        }
        outcome
    }
}

/// Waits for `PATIENCE` if a signal has stopped the run, and forever otherwise.
async fn patience(outcome: &Result<Outcome, CliError>) {
    let stop = outcome.as_ref().ok().and_then(|outcome| outcome.stop.as_ref());
    if stop.is_some_and(|stop| stop.kind == StopKind::Requested) {
        tokio::time::sleep(PATIENCE).await;
    } else {
        std::future::pending::<()>().await;
    }
}

async fn send(events: &mpsc::Sender<RunEvent>, event: RunEvent) {
    // The end of the command reports a lost watcher.
    let _watcher_is_gone = events.send(event).await;
}

/// The last event of a run.
fn last(outcome: &Result<Outcome, CliError>) -> RunEvent {
    match outcome {
        Ok(outcome) => RunEvent::Finished {
            jobs: outcome.summaries.clone(),
            results: outcome.results.clone(),
            stopped: outcome
                .stop
                .as_ref()
                .map(|stop| stop.message.clone())
                .or_else(|| outcome.not_copied.clone())
                .or_else(|| outcome.not_in_database.clone()),
            exit_code: Exit::of(outcome) as u8,
        },
        Err(stop) => RunEvent::Failed { message: stop.message.clone(), exit_code: stop.exit as u8 },
    }
}

/// Converts the error of a run to the error of a command.
pub(super) fn run_failed(error: RunError) -> CliError {
    if let Some(advice) = error.no_room() {
        return CliError { exit: Exit::StoppedEarly, message: format!("{error}. {advice}") };
    }
    match error {
        RunError::Lock(error) => CliError::lock(&error),
        RunError::NoDocuments(_) | RunError::Output { .. } | RunError::Unusable(_) | RunError::Database(_) => CliError::usage(error),
        other => CliError::internal(other),
    }
}
