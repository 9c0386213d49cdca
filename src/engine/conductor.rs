//! Listens to signals and reports the counters while the stages work.

use super::Context;
use crate::ask::{Governor, RunStop, StopKind, clock_time};
use crate::event::{RunEvent, Snapshot};
use crate::store::{RunLock, StoreWatcher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
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
    /// Cancelled when calls in flight have had the time that they get.
    pub abandon: CancellationToken,
    /// How long that is.
    pub drain: Duration,
    pub governor: Arc<Governor>,
    /// Where samples of the counters are kept.
    pub samples: StoreWatcher,
    /// Where other processes read what is being waited for.
    pub lock: Arc<RunLock>,
}

impl Conductor {
    /// Runs until `finished`. The first signal stops admission, and calls in flight are finished as far as the time for
    /// it goes; the second ends the process at once, which leaves the calls in flight in doubt and costs nothing that is
    /// committed.
    pub async fn conduct(self, finished: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        let mut signals = Signals::new();
        let (mut drained_at, mut said) = (None, false);
        let mut sample_at = FIRST_SAMPLE_S;
        loop {
            tokio::select! {
                () = finished.cancelled() => break,
                _ = ticks.tick() => {
                    let waiting = self.governor.closed_for();
                    if waiting.is_some() {
                        self.context.meters.pause(TICK);
                    }
                    said = self.tell_others(waiting, said);
                    let waiting_s = waiting.unwrap_or_default().as_secs_f64();
                    self.context.meters.queues.look();
                    let seen = Snapshot { waiting_s, ..self.context.meters.snapshot() };
                    if seen.elapsed_s >= sample_at {
                        sample_at = seen.elapsed_s * SAMPLES_APART + FIRST_SAMPLE_S;
                        self.keep(&seen);
                    }
                    // Counters are worth nothing later: watchers who are behind miss some.
                    drop(self.context.events.try_send(RunEvent::Progress(seen)));
                }
                () = at(drained_at) => {
                    drained_at = None;
                    self.abandon.cancel();
                }
                exit_code = signals.next() => {
                    if drained_at.is_some() || self.abandon.is_cancelled() {
                        std::process::exit(exit_code);
                    }
                    drained_at = Some(Instant::now() + self.drain);
                    self.stop().await;
                }
            }
        }
    }

    /// Leaves a note for `docmill status` while the provider wants nothing. Whether there is one.
    fn tell_others(&self, waiting: Option<Duration>, said: bool) -> bool {
        let note = match waiting {
            Some(wait) if !said && wait > TICK => {
                format!("waiting until {} for the provider's limit", clock_time(wait))
            }
            None if said => String::new(),
            _ => return said,
        };
        // It is there for the curious; a run does not fail for it.
        self.lock.say(&note).is_ok() && !note.is_empty()
    }

    /// Keeps what the run looks like now, for reports.
    fn keep(&self, seen: &Snapshot) {
        if let Ok(sample) = serde_json::to_string(seen) {
            let elapsed = self.context.meters.wall().as_millis();
            self.samples.sample(i64::try_from(elapsed).unwrap_or(i64::MAX), sample);
        }
    }

    async fn stop(&self) {
        let message = "stopped by a signal".to_owned();
        let _first_wins = self.stopped_by.set(RunStop { kind: StopKind::Parked, message });
        self.context.stop.cancel();
        let message = format!(
            "stopping: calls in flight are finished first, for at most {} s (llm.drain_s); once more to stop at once",
            self.drain.as_secs()
        );
        self.context.tell(RunEvent::Warning { message }).await;
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What shells expect of a program that a signal has ended.
const INTERRUPTED: i32 = 130;
#[cfg(unix)]
const TERMINATED: i32 = 143;

/// Ctrl-C and SIGTERM. Registered once: between two registrations a signal would be lost.
struct Signals {
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok() }
    }

    /// Waits for a signal; gives the exit code of a program that it ends.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            Some(Some(())) = async { Some(self.interrupt.as_mut()?.recv().await) } => INTERRUPTED,
            Some(Some(())) = async { Some(self.terminate.as_mut()?.recv().await) } => TERMINATED,
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPTED
    }
}
