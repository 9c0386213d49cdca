//! What the terminal does for a run: signals stop it, other terminals reach it, and its events are
//! passed on.

use super::signals::{Signal, Signals};
use crate::control::{Answer, Asked, ControlServer, Request};
use crate::engine::{Plan, StopToken, Watcher};
use crate::event::{RunEvent, line};
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The host of a run in this process. It watches the run for those who watch from here and from
/// other terminals.
#[derive(Debug)]
pub(super) struct Host {
    events: mpsc::Sender<RunEvent>,
    requests: mpsc::Sender<Asked>,
    /// The output directory, where the control server leaves its note.
    directory: PathBuf,
    /// The newest counters as a line, for other terminals.
    counters: Arc<watch::Sender<String>>,
    over: CancellationToken,
    /// What may still say something when the run is over.
    tasks: Mutex<JoinSet<()>>,
}

impl Host {
    /// A host that passes events on to `events`.
    pub fn new(plan: &Plan, events: mpsc::Sender<RunEvent>, requests: mpsc::Sender<Asked>) -> Self {
        Self {
            events,
            requests,
            directory: plan.output.dir.clone(),
            counters: Arc::new(watch::Sender::new(String::new())),
            over: CancellationToken::new(),
            tasks: Mutex::default(),
        }
    }

    /// Listens to signals until the returned task is dropped. `drain_s` is how long requests in
    /// flight may take after the first.
    pub fn listen(&self, stop: &StopToken, drain_s: u64) -> JoinSet<()> {
        let reload = Arc::new(Notify::new());
        self.spawn(announce_stop(stop.clone(), self.events.clone(), drain_s, self.over.clone()));
        self.spawn(pass_on_reloads(Arc::clone(&reload), self.requests.clone(), self.events.clone(), self.over.clone()));
        let mut listening = JoinSet::new();
        listening.spawn(obey(Signals::new(), stop.clone(), reload, self.over.clone()));
        listening
    }

    /// Closes the control server, and waits until everything about the run is said.
    pub async fn close(&self) {
        self.over.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().spawn(task);
    }

    /// Lets other terminals talk to the run, which holds the lock of the directory by now. The run
    /// does not need them.
    async fn open_control_server(&self, started: &RunEvent) -> Option<RunEvent> {
        match ControlServer::open(&self.directory).await {
            Ok(server) => {
                let hello = line(started, Timestamp::now()).unwrap_or_default();
                self.spawn(server.serve(self.requests.clone(), hello, Arc::clone(&self.counters), self.over.clone()));
                None
            }
            Err(error) => {
                let message = format!("other terminals cannot control this run (docmill pause, docmill set): {error}");
                Some(RunEvent::Warning { message })
            }
        }
    }
}

impl Watcher for Host {
    fn offer(&self, event: RunEvent) {
        let is_counters = matches!(event, RunEvent::Progress(_));
        if is_counters
            && self.counters.receiver_count() > 0
            && let Some(line) = line(&event, Timestamp::now())
        {
            self.counters.send_replace(line);
        }
        self.events.offer(event);
    }

    fn tell(&self, event: RunEvent) -> BoxFuture<'_, ()> {
        let tell = async move {
            let warning = if matches!(event, RunEvent::Started { .. }) { self.open_control_server(&event).await } else { None };
            self.events.tell(event).await;
            if let Some(warning) = warning {
                self.events.tell(warning).await;
            }
        };
        tell.boxed()
    }
}

/// Obeys signals. The first stops the run; a second, or one after the run, ends the program at
/// once, which leaves calls in flight in doubt and loses nothing that is committed. A terminal that
/// is closed signals more than once, by its shell and by itself, so that never counts as the
/// second. The loop awaits signals and nothing else.
#[expect(clippy::exit, reason = "tasks and threads that hang must not hold the program up")]
async fn obey(mut signals: Signals, stop: StopToken, reload: Arc<Notify>, over: CancellationToken) {
    loop {
        let signal = signals.next().await;
        let is_ending = stop.is_stopped() || over.is_cancelled();
        match signal {
            Signal::Reload => reload.notify_one(),
            Signal::Stop(exit_code) if is_ending => std::process::exit(exit_code),
            Signal::HungUp if is_ending => {}
            Signal::Stop(_) => stop.stop("stopped by a signal"),
            Signal::HungUp => stop.stop("stopped because its terminal was closed"),
        }
    }
}

async fn announce_stop(stop: StopToken, events: mpsc::Sender<RunEvent>, drain_s: u64, over: CancellationToken) {
    tokio::select! {
        biased;
        () = stop.stopped() => {
            let message = format!("stopping: calls in flight have {drain_s} s to finish (llm.drain_s). Press Ctrl-C \
                again to stop at once");
            events.tell(RunEvent::Note { message }).await;
        }
        () = over.cancelled() => {}
    }
}

/// Asks the run to read its settings file again after SIGHUP. Signals that come meanwhile count as
/// one more.
async fn pass_on_reloads(reload: Arc<Notify>, requests: mpsc::Sender<Asked>, events: mpsc::Sender<RunEvent>, over: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = over.cancelled() => return,
            () = reload.notified() => {}
        }
        let (answer, answered) = oneshot::channel();
        // A run that is over takes no request and answers none.
        let _over = requests.send(Asked { request: Request::Reload, answer }).await;
        if let Ok(Answer::Refused(why)) = answered.await {
            events.tell(RunEvent::Warning { message: format!("settings stay unchanged: {why}") }).await;
        }
    }
}
