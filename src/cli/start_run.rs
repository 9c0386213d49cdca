//! A run that was put together, carried out and watched to its last event.

use super::exit::{CliError, Exit};
use super::host::Host;
use crate::ask::StopKind;
use crate::engine::{self, Controls, Outcome, RunError, Watcher};
use crate::event::RunEvent;
use crate::progress::{AlertSettings, EventLog, MetricsServer, Style, Watching};
use crate::setup::Assembled;
use crate::store::LockError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events that may wait for a slow terminal.
const EVENTS: usize = 256;
/// How long the last words may take after a run that was stopped: more than alerts, traces and a log get.
const PATIENCE: Duration = Duration::from_secs(12);

impl Assembled {
    /// Runs it, and shows what happens.
    pub async fn run(self, style: Style) -> Result<Outcome, CliError> {
        let Self { mut plan, simulator, report, alerts, doubts } = self;
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
        let alarm = watching.alert(&alerts, &events.downgrade()).map_err(CliError::usage)?;
        let watching = tokio::task::spawn_blocking(move || watching.watch(watched));
        let (controls, requests) = Controls::new();
        let host = Arc::new(Host::new(&plan, events.clone(), requests));
        // Dropped when all is said: a signal ends the program until then.
        let _listening = host.listen(&controls.stop, plan.llm.drain_s);
        let outcome = engine::run(plan, controls, Arc::clone(&host) as Arc<dyn Watcher>).await;
        // Where another run is at work, the log may be that run's.
        let is_elsewhere = matches!(outcome, Err(RunError::Lock(LockError::Held { .. })));
        let outcome = outcome.map_err(run_failed);
        let last = Some(last(&outcome)).filter(|_| !is_elsewhere);
        let telling = async {
            // All that is still to be said is said before the last event, which is then the end of a log.
            host.close().await;
            tell(&events, RunEvent::Ending).await;
            let lost = async { if let Some(traces) = traces { traces.end().await } else { None } };
            let (late, lost) = tokio::join!(alarm.end(), lost);
            for message in late.into_iter().chain(lost) {
                tell(&events, RunEvent::Warning { message }).await;
            }
            if let Some(simulator) = simulator {
                simulator.stop().await;
            }
            if let Some(last) = last {
                tell(&events, last).await;
            }
            drop((host, events));
            // The watcher ends with the events; only then is the screen ours again.
            watching.await
        };
        tokio::select! {
            biased;
            watched = telling => watched.map_err(CliError::internal)?,
            // What is written to a pipe that is not read never ends, and neither would the program.
            () = patience(&outcome) => std::process::exit(Exit::StoppedEarly as i32),
        }
        outcome
    }
}

/// Waits as long as the last words of a run may take after a signal has stopped it; for ever if none has.
async fn patience(outcome: &Result<Outcome, CliError>) {
    let stop = outcome.as_ref().ok().and_then(|outcome| outcome.stop.as_ref());
    if stop.is_some_and(|stop| stop.kind == StopKind::Requested) {
        tokio::time::sleep(PATIENCE).await;
    } else {
        std::future::pending::<()>().await;
    }
}

async fn tell(events: &mpsc::Sender<RunEvent>, event: RunEvent) {
    // A watcher that is lost is told about at the end.
    let _nobody_watches = events.send(event).await;
}

/// How it ended.
fn last(outcome: &Result<Outcome, CliError>) -> RunEvent {
    match outcome {
        Ok(outcome) => RunEvent::Finished {
            jobs: outcome.summaries.clone(),
            results: outcome.results.clone(),
            stopped: outcome.stop.as_ref().map(|stop| stop.message.clone()).or_else(|| outcome.not_copied.clone()),
            exit_code: Exit::of(outcome) as u8,
        },
        Err(stop) => RunEvent::Failed { message: stop.message.clone(), exit_code: stop.exit as u8 },
    }
}

/// A run that could not go on, as the end of a command.
pub(super) fn run_failed(error: RunError) -> CliError {
    match error {
        full if full.is_disk_full() => {
            CliError { exit: Exit::StoppedEarly, message: format!("{full}. Make room and run the same command again") }
        }
        RunError::NoDocuments(_) | RunError::Output { .. } | RunError::Lock(_) | RunError::Unusable(_) => CliError::usage(error),
        other => CliError::internal(other),
    }
}
