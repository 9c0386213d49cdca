//! Listens to signals and to other terminals, and reports the counters while the stages work.

use super::Context;
use super::live::Live;
use crate::ask::{Governor, RunStop, StopKind, clock_time};
use crate::control::Asked;
use crate::event::{RunEvent, Snapshot, line};
use crate::store::{RunLock, StoreWatcher};
use jiff::Timestamp;
use std::io::IsTerminal as _;
use std::sync::{Arc, OnceLock};
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
    /// Cancelled when calls in flight have had the time that they get.
    pub abandon: CancellationToken,
    /// How long that is.
    pub drain: Duration,
    pub governor: Arc<Governor>,
    /// Where samples of the counters are kept.
    pub samples: StoreWatcher,
    /// Where other processes read what is being waited for.
    pub lock: Arc<RunLock>,
    /// Does what other terminals ask.
    pub live: Live,
    /// What they ask.
    pub asked: mpsc::Receiver<Asked>,
    /// The counters, for those who watch from there.
    pub seen: Arc<watch::Sender<String>>,
}

/// Why nothing is sent, as far as others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    Waiting,
    Paused,
}

impl Conductor {
    /// Runs until `finished`. The first signal stops admission, and calls in flight are finished as far as the time for
    /// it goes; the second ends the process at once, which leaves the calls in flight in doubt and costs nothing that is
    /// committed. A terminal that is closed says so more than once, by its shell and by itself: that never is the second.
    pub async fn conduct(mut self, finished: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        let mut signals = Signals::new();
        let (mut drained_at, mut said) = (None, Doing::Nothing);
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
                    self.context.meters.look();
                    let seen = Snapshot { waiting_s, ..self.context.meters.snapshot() };
                    if seen.elapsed_s >= sample_at {
                        sample_at = seen.elapsed_s * SAMPLES_APART + FIRST_SAMPLE_S;
                        self.keep(&seen);
                    }
                    if self.seen.receiver_count() > 0 && let Some(line) = line(&RunEvent::Progress(seen.clone()), Timestamp::now()) {
                        self.seen.send_replace(line);
                    }
                    // Counters are worth nothing later: watchers who are behind miss some.
                    drop(self.context.events.try_send(RunEvent::Progress(seen)));
                }
                () = at(drained_at) => {
                    drained_at = None;
                    self.abandon.cancel();
                }
                Some(Asked { request, answer }) = self.asked.recv() => {
                    let done = self.live.answer(request).await;
                    // Whoever looks after the answer finds it so.
                    said = self.tell_others(self.governor.closed_for(), said);
                    // Whoever asked may have left; what was asked is done all the same.
                    let _left = answer.send(done);
                }
                heard = signals.next() => {
                    let stopping = drained_at.is_some() || self.abandon.is_cancelled();
                    match heard {
                        Heard::Reload => self.reload().await,
                        Heard::Stop(exit_code) if stopping => std::process::exit(exit_code),
                        Heard::HungUp if stopping => {}
                        Heard::Stop(_) | Heard::HungUp => {
                            drained_at = Some(Instant::now() + self.drain);
                            self.stop(heard).await;
                        }
                    }
                }
            }
        }
    }

    /// Leaves a note for `docmill status` while nothing is sent. What it says.
    fn tell_others(&self, waiting: Option<Duration>, said: Doing) -> Doing {
        let (doing, note) = match waiting {
            _ if self.governor.standing().paused => (Doing::Paused, "paused; `docmill resume` goes on".to_owned()),
            Some(wait) if wait > TICK => (Doing::Waiting, format!("waiting until {} for the provider's limit", clock_time(wait))),
            Some(_) => return said,
            None => (Doing::Nothing, String::new()),
        };
        // It is there for the curious; a run does not fail for it.
        if doing == said || self.lock.say(&note).is_err() { said } else { doing }
    }

    /// SIGHUP: the settings file is read again.
    async fn reload(&mut self) {
        if let Err(why) = self.live.revise(|settings| settings.reload()).await {
            self.context.tell(RunEvent::Warning { message: format!("settings stay as they are: {why}") }).await;
        }
    }

    /// Keeps what the run looks like now, for reports.
    fn keep(&self, seen: &Snapshot) {
        if let Ok(sample) = serde_json::to_string(seen) {
            let elapsed = self.context.meters.wall().as_millis();
            self.samples.sample(i64::try_from(elapsed).unwrap_or(i64::MAX), sample);
        }
    }

    async fn stop(&self, heard: Heard) {
        let why = if matches!(heard, Heard::HungUp) { "its terminal was closed" } else { "stopped by a signal" };
        let message = why.to_owned();
        let _first_wins = self.stopped_by.set(RunStop { kind: StopKind::Parked, message });
        self.context.stop.cancel();
        let message = format!(
            "stopping: calls in flight are finished first, for at most {} s (llm.drain_s); once more to stop at once",
            self.drain.as_secs()
        );
        self.context.tell(RunEvent::Note { message }).await;
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What a signal wants.
#[derive(Debug, Clone, Copy)]
enum Heard {
    /// That the run stops. A second time it ends at once, with this exit code.
    Stop(i32),
    /// That the run stops, as its terminal is gone.
    #[cfg_attr(not(unix), expect(dead_code, reason = "terminals say so by a signal only on Unix"))]
    HungUp,
    /// That the settings file is read again.
    #[cfg_attr(not(unix), expect(dead_code, reason = "a signal of Unix"))]
    Reload,
}

/// What shells expect of a program that a signal has ended.
const INTERRUPTED: i32 = 130;
#[cfg(unix)]
const TERMINATED: i32 = 143;

/// Ctrl-C, SIGTERM and SIGHUP. Registered once: between two registrations a signal would be lost.
struct Signals {
    /// Whether there is a terminal that could hang up.
    #[cfg(unix)]
    on_terminal: bool,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let on_terminal = std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal();
        // Whoever lets it be ignored wants the run to outlive its terminal.
        let hang_up = if on_terminal && hang_up_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self { on_terminal, interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok(), hang_up }
    }

    /// Waits for a signal; gives what it wants.
    async fn next(&mut self) -> Heard {
        tokio::select! {
            Some(Some(())) = async { Some(self.interrupt.as_mut()?.recv().await) } => Heard::Stop(INTERRUPTED),
            Some(Some(())) = async { Some(self.terminate.as_mut()?.recv().await) } => Heard::Stop(TERMINATED),
            Some(Some(())) = async { Some(self.hang_up.as_mut()?.recv().await) } =>
                if self.on_terminal { Heard::HungUp } else { Heard::Reload },
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) -> Heard {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Heard::Stop(INTERRUPTED)
    }
}

/// Whether this process was started with SIGHUP ignored, where the system tells.
#[cfg(unix)]
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first signal, and so the lowest bit.
    ignored.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
