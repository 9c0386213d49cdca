//! Listens to signals and reports the counters while the stages work.

use super::Context;
use crate::ask::{RunStop, StopKind};
use crate::event::RunEvent;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often watchers get the counters.
const TICK: Duration = Duration::from_millis(100);
/// What shells expect of a program that a second Ctrl-C ends.
const INTERRUPTED: i32 = 130;

/// Runs until `finished`. The first signal stops admission, and calls in flight are finished; the second ends the
/// process at once, which costs the answers in flight and nothing that is committed.
pub(super) async fn conduct(context: Context, stopped_by: Arc<OnceLock<RunStop>>, finished: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    let mut signals = Signals::new();
    let mut received = 0;
    loop {
        tokio::select! {
            () = finished.cancelled() => break,
            _ = ticks.tick() => {
                // Counters are worth nothing later: watchers who are behind miss some.
                drop(context.events.try_send(RunEvent::Progress(context.meters.snapshot())));
            }
            () = signals.next() => {
                received += 1;
                if received > 1 {
                    #[expect(clippy::exit, reason = "a second Ctrl-C means now")]
                    std::process::exit(INTERRUPTED);
                }
                let message = "stopped by a signal".to_owned();
                let _first_wins = stopped_by.set(RunStop { kind: StopKind::Parked, message });
                context.stop.cancel();
                let message = "stopping: calls in flight are finished first; once more to stop at once".to_owned();
                context.tell(RunEvent::Warning { message }).await;
            }
        }
    }
}

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

    async fn next(&mut self) {
        tokio::select! {
            Some(Some(())) = async { Some(self.interrupt.as_mut()?.recv().await) } => {}
            Some(Some(())) = async { Some(self.terminate.as_mut()?.recv().await) } => {}
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
