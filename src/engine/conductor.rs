//! Reports the counters, takes requests, and drains the run when its caller stops it.

use super::notice::{Notice, TICK};
use super::runtime_control::RuntimeControl;
use super::{Context, Controls};
use crate::ask::{Governor, RunStop, StopKind};
use crate::event::{RunEvent, Snapshot};
use crate::store::StoreWatcher;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Seconds from the start to the first stored sample. The next sample follows after as many
/// seconds plus 1 % of the run time so far, so even a long run stores only some hundreds.
const FIRST_SAMPLE_S: f64 = 0.5;
const SAMPLES_APART: f64 = 1.01;

/// Conducts a run from its first stage to its last row.
pub(super) struct Conductor {
    pub context: Context,
    /// Why the run stops early, once it does.
    pub stopped_by: Arc<OnceLock<RunStop>>,
    /// How long requests in flight may take once the run stops.
    pub drain: Duration,
    pub governor: Arc<Governor>,
    /// Where samples of the counters are kept.
    pub samples: StoreWatcher,
    /// Tells other processes what is being waited for.
    pub notice: Arc<Notice>,
    /// Answers requests from outside.
    pub live: RuntimeControl,
    /// The caller's side.
    pub controls: Controls,
}

impl Conductor {
    /// Runs until `finished`. A stop ends admission and leaves requests in flight the time to
    /// finish; after that, or when the caller abandons the run, they are aborted and their calls
    /// are in doubt.
    ///
    /// The loop awaits neither a watcher nor the store nor a settings file. Each of them may hang,
    /// and a stop must work all the same.
    pub async fn conduct(self, finished: CancellationToken) {
        let Self { context, stopped_by, drain, governor, samples, notice, live, controls } = self;
        let Controls { stop, abandon, requests, accounts: _, allowance: _, outer: _ } = controls;
        let mut serving = pin!(live.serve(requests, Arc::clone(&notice), finished));
        let mut ticks = tokio::time::interval(TICK);
        let (mut abort_at, mut sample_at) = (None, FIRST_SAMPLE_S);
        let end_admission = || {
            let message = stop.reason().unwrap_or("abandoned").to_owned();
            let _first_wins = stopped_by.set(RunStop { kind: StopKind::Requested, message });
            context.stop.cancel();
        };
        loop {
            let is_aborting = context.abandon.is_cancelled();
            tokio::select! {
                () = &mut serving => {
                    // A short run ends before the next tick.
                    context.meters.notes_of_servers().into_iter().for_each(|message| context.watcher.offer(RunEvent::Note { message }));
                    return;
                }
                _ = ticks.tick() => {
                    let waiting = governor.closed_for();
                    if waiting.is_some() {
                        context.meters.pause(TICK);
                    }
                    for message in notice.update().into_iter().chain(context.meters.notes_of_servers()) {
                        context.watcher.offer(RunEvent::Note { message });
                    }
                    let waiting_s = waiting.unwrap_or_default().as_secs_f64();
                    context.meters.sample();
                    let snapshot = Snapshot { waiting_s, ..context.meters.snapshot() };
                    if snapshot.elapsed_s >= sample_at {
                        sample_at = snapshot.elapsed_s * SAMPLES_APART + FIRST_SAMPLE_S;
                        keep(&snapshot, &context, &samples);
                    }
                    context.watcher.offer(RunEvent::Progress(Box::new(snapshot)));
                }
                () = stop.stopped(), if abort_at.is_none() && !is_aborting => {
                    abort_at = Some(Instant::now() + drain);
                    end_admission();
                }
                () = abandoned(&abandon, abort_at), if !is_aborting => {
                    end_admission();
                    context.abandon.cancel();
                }
            }
        }
    }
}

/// Stores a sample of the counters for reports.
fn keep(snapshot: &Snapshot, context: &Context, samples: &StoreWatcher) {
    // Texts of answers belong to documents, which may be pruned.
    let snapshot = Snapshot { answering: None, ..snapshot.clone() };
    if let Ok(sample) = serde_json::to_string(&snapshot) {
        let elapsed = context.meters.wall().as_millis();
        samples.sample(i64::try_from(elapsed).unwrap_or(i64::MAX), sample);
    }
}

/// Waits for the caller to abandon the run, or for the end of the time to drain.
async fn abandoned(by_caller: &CancellationToken, abort_at: Option<Instant>) {
    match abort_at {
        Some(time) => drop(tokio::time::timeout_at(time, by_caller.cancelled()).await),
        None => by_caller.cancelled().await,
    }
}
