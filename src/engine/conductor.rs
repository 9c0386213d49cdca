//! Listens to signals and to other terminals, and reports the counters while the stages work.

use super::Context;
use super::runtime_control::RuntimeControl;
use super::signals::{Signal, Signals};
use crate::ask::{Governor, RunStop, StopKind, clock_time};
use crate::control::Asked;
use crate::event::{RunEvent, Snapshot, line};
use crate::store::{RunLock, StoreWatcher};
use futures::future::{Fuse, FusedFuture as _, FutureExt as _};
use jiff::Timestamp;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often watchers get the counters.
const TICK: Duration = Duration::from_millis(100);
/// Samples are kept this long after the beginning and after each other, in seconds, plus a hundredth of the time that the
/// run has taken: some hundreds in all, however long it is.
const FIRST_SAMPLE_S: f64 = 0.5;
const SAMPLES_APART: f64 = 1.01;

/// Listens and reports.
pub(super) struct Conductor {
    pub context: Context,
    /// Why the run stops early, once it does.
    pub stopped_by: Arc<OnceLock<RunStop>>,
    /// How long calls in flight may take once the run stops.
    pub drain: Duration,
    pub governor: Arc<Governor>,
    /// Where samples of the counters are kept.
    pub samples: StoreWatcher,
    /// Tells other processes what is being waited for.
    pub notice: Arc<Notice>,
    /// Does what other terminals ask.
    pub live: RuntimeControl,
    /// What they ask.
    pub asked: mpsc::Receiver<Asked>,
    /// The counters, for those who watch from there.
    pub seen: Arc<watch::Sender<String>>,
}

impl Conductor {
    /// Runs until `finished`. The first signal stops admission, and calls in flight are finished as far as the time for
    /// it goes; the second ends the process at once, which leaves the calls in flight in doubt and costs nothing that is
    /// committed. A terminal that is closed says so more than once, by its shell and by itself: that never is the second.
    ///
    /// The loop awaits nothing besides: not a watcher who reads slowly, not the store, not a file of settings. Any of
    /// them may hang, and signals have to be heard all the same.
    pub async fn conduct(self, finished: CancellationToken) {
        let Self { context, stopped_by, drain, governor, samples, notice, live, asked, seen } = self;
        let (reload, reloads) = mpsc::channel(1);
        let mut serving = pin!(live.serve(asked, reloads, (Arc::clone(&notice), finished)).fuse());
        let mut telling = pin!(Fuse::terminated());
        let mut ticks = tokio::time::interval(TICK);
        let mut signals = Signals::new();
        let (mut drained_at, mut sample_at) = (None, FIRST_SAMPLE_S);
        while !(serving.is_terminated() && telling.is_terminated()) {
            tokio::select! {
                () = &mut serving => {}
                () = &mut telling => {}
                _ = ticks.tick() => {
                    let waiting = governor.closed_for();
                    if waiting.is_some() {
                        context.meters.pause(TICK);
                    }
                    notice.update();
                    let waiting_s = waiting.unwrap_or_default().as_secs_f64();
                    context.meters.look();
                    let snapshot = Snapshot { waiting_s, ..context.meters.snapshot() };
                    if snapshot.elapsed_s >= sample_at {
                        sample_at = snapshot.elapsed_s * SAMPLES_APART + FIRST_SAMPLE_S;
                        keep(&snapshot, &context, &samples);
                    }
                    if seen.receiver_count() > 0 && let Some(line) = line(&RunEvent::Progress(snapshot.clone()), Timestamp::now()) {
                        seen.send_replace(line);
                    }
                    // Counters are worth nothing later: watchers who are behind miss some.
                    drop(context.events.try_send(RunEvent::Progress(snapshot)));
                }
                () = at(drained_at) => {
                    drained_at = None;
                    context.abandon.cancel();
                }
                heard = signals.next() => {
                    let stopping = drained_at.is_some() || context.abandon.is_cancelled();
                    match heard {
                        // One that is waiting already reads the same file.
                        Signal::Reload => drop(reload.try_send(())),
                        Signal::Stop(exit_code) if stopping => std::process::exit(exit_code),
                        Signal::HungUp if stopping => {}
                        Signal::Stop(_) | Signal::HungUp => {
                            drained_at = Some(Instant::now() + drain);
                            let message = stop(heard, &stopped_by, &context, drain);
                            telling.set(context.tell(RunEvent::Note { message }).fuse());
                        }
                    }
                }
            }
        }
    }
}

/// Stops admission. What is said about it.
fn stop(heard: Signal, stopped_by: &OnceLock<RunStop>, context: &Context, drain: Duration) -> String {
    let why = if matches!(heard, Signal::HungUp) { "its terminal was closed" } else { "stopped by a signal" };
    let _first_wins = stopped_by.set(RunStop { kind: StopKind::Signalled, message: why.to_owned() });
    context.stop.cancel();
    let most = drain.as_secs();
    format!("stopping: calls in flight are finished first, for at most {most} s (llm.drain_s); once more to stop at once")
}

/// Keeps what the run looks like now, for reports.
fn keep(snapshot: &Snapshot, context: &Context, samples: &StoreWatcher) {
    if let Ok(sample) = serde_json::to_string(snapshot) {
        let elapsed = context.meters.wall().as_millis();
        samples.sample(i64::try_from(elapsed).unwrap_or(i64::MAX), sample);
    }
}

/// Why nothing is sent, as far as others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    Waiting,
    Paused,
}

/// What other processes read about a run at work, beside its lock.
pub(super) struct Notice {
    governor: Arc<Governor>,
    lock: Arc<RunLock>,
    said: Mutex<Doing>,
}

impl Notice {
    pub fn new(governor: &Arc<Governor>, lock: &Arc<RunLock>) -> Self {
        Self { governor: Arc::clone(governor), lock: Arc::clone(lock), said: Mutex::new(Doing::Nothing) }
    }

    /// Leaves a note for `docmill status` while nothing is sent.
    pub fn update(&self) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (doing, note) = match self.governor.closed_for() {
            _ if self.governor.status().paused => (Doing::Paused, "paused; `docmill resume` goes on".to_owned()),
            Some(wait) if wait > TICK => (Doing::Waiting, format!("waiting until {} for the provider's limit", clock_time(wait))),
            Some(_) => return,
            None => (Doing::Nothing, String::new()),
        };
        // It is there for the curious; a run does not fail for it.
        if doing != *said && self.lock.say(&note).is_ok() {
            *said = doing;
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
