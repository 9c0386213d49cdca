//! Runs a plan in this process: handles signals, serves other terminals, and passes events on.

use super::exit::Exit;
use super::signals::{INTERRUPTED, Signal, Signals};
use crate::control::{Answer, Asked, ControlServer, Request};
use crate::engine::{Plan, StopToken, Watcher};
use crate::event::{RunEvent, line};
use crate::model::command_in;
use crate::progress::say;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The host of a run in this process. It passes events to this terminal and to others.
#[derive(Debug)]
pub(super) struct Host {
    events: mpsc::Sender<RunEvent>,
    requests: mpsc::Sender<Asked>,
    /// The output directory. The control server writes its note there.
    directory: PathBuf,
    /// The newest counters as a line, for other terminals.
    counters: Arc<watch::Sender<String>>,
    over: CancellationToken,
    /// Tasks that may still report something after the run.
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

    /// Listens to signals until the guard is dropped. After the first signal, requests in flight have
    /// `drain_s` seconds to finish.
    ///
    /// The signals have their own thread and runtime: system calls that hang can block all workers
    /// of the run's runtime.
    pub fn listen(&self, stop: &StopToken, drain_s: u64) -> std::io::Result<DropGuard> {
        let reload = Arc::new(Notify::new());
        self.spawn(announce_stop(stop.clone(), self.events.clone(), drain_s, self.over.clone()));
        self.spawn(pass_on_reloads(Arc::clone(&reload), self.requests.clone(), self.events.clone(), self.over.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Registered before the run begins, so that no signal is missed.
        let signals = {
            let _entered = runtime.enter();
            Signals::new()
        };
        let listening = CancellationToken::new();
        let (stop, over, until) = (stop.clone(), self.over.clone(), listening.clone());
        let most = Duration::from_secs(drain_s) + MARGIN;
        let next = format!("Run the same command again to continue (`{}` shows more)", command_in(&self.directory, "status"));
        let obey = move || runtime.block_on(until.run_until_cancelled(obey(signals, stop, reload, over, (most, next))));
        std::thread::Builder::new().name("docmill-signals".to_owned()).spawn(obey)?;
        Ok(listening.drop_guard())
    }

    /// Closes the control server, and waits until all tasks have reported.
    pub async fn close(&self) {
        self.over.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().spawn(task);
    }

    /// Lets other terminals control the run, which holds the lock of the directory. Failure is only a
    /// warning.
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

/// Time for a drained run to close its files. After it, something hangs.
const MARGIN: Duration = Duration::from_secs(4);
/// Signals within this time after the first one are the same request: `timeout` and some service
/// managers signal the process and then its group. A hand is slower.
const SAME: Duration = Duration::from_millis(200);

/// Obeys signals. The first stops the run. A second one, after [`SAME`] or after the run, ends the
/// program at once: calls in flight are in doubt then, and committed data is safe. A closed terminal may signal
/// twice, by its shell and by itself, so SIGHUP never counts as the second. The program also ends
/// if the run has not ended `most` after the first signal. `next` says how to continue.
#[expect(clippy::exit, reason = "tasks and threads that hang must not hold the program up")]
async fn obey(mut signals: Signals, stop: StopToken, reload: Arc<Notify>, over: CancellationToken, (most, next): (Duration, String)) {
    let (mut latest, mut first) = (None, None);
    loop {
        let signal = match latest {
            None => signals.next().await,
            Some(latest) => match timeout_at(latest, signals.next()).await {
                Ok(signal) => signal,
                Err(_late) => {
                    let seconds = most.as_secs();
                    last_words(format!(
                        "the run did not end within {seconds} s of the signal: a read or write hangs. Committed work is kept. {next}"
                    ));
                    std::process::exit(Exit::StoppedEarly as i32);
                }
            },
        };
        let is_ending = stop.is_stopped() || over.is_cancelled();
        match signal {
            Signal::Reload => reload.notify_one(),
            Signal::Stop(_) if first.is_some_and(|first: Instant| first.elapsed() < SAME) => {}
            Signal::Stop(exit_code) if is_ending => {
                last_words(format!("stopped at once. Committed work is kept, and requests in flight are in doubt. {next}"));
                std::process::exit(exit_code)
            }
            Signal::HungUp if is_ending => {}
            Signal::Stop(INTERRUPTED) => stop.stop("stopped by Ctrl-C"),
            Signal::Stop(_) => stop.stop("stopped by SIGTERM"),
            Signal::HungUp => stop.stop("stopped because the terminal was closed"),
        }
        if matches!(signal, Signal::Stop(_)) {
            first.get_or_insert_with(Instant::now);
        }
        if stop.is_stopped() {
            latest.get_or_insert_with(|| Instant::now() + most);
        }
    }
}

/// Writes a message before the program ends. Waits only briefly, because stderr may hang.
fn last_words(message: String) {
    const PATIENCE: Duration = Duration::from_millis(500);
    let (said, is_said) = sync_channel(1);
    let say = move || {
        // The bars and the line of `^C` stay above the message.
        say(&format!("\ndocmill: {message}"));
        said.send(()).ok();
    };
    if std::thread::Builder::new().spawn(say).is_ok() {
        is_said.recv_timeout(PATIENCE).ok();
    }
}

async fn announce_stop(stop: StopToken, events: mpsc::Sender<RunEvent>, drain_s: u64, over: CancellationToken) {
    tokio::select! {
        biased;
        () = stop.stopped() => {
            let again = if std::io::stdin().is_terminal() { "Another Ctrl-C" } else { "A signal" };
            let message = format!("stopping: calls in flight have {drain_s} s to finish (llm.drain_s). {again} stops at once");
            events.tell(RunEvent::Note { message }).await;
        }
        () = over.cancelled() => {}
    }
}

/// Asks the run to reload its settings file after SIGHUP. Signals during a reload count as one more.
async fn pass_on_reloads(reload: Arc<Notify>, requests: mpsc::Sender<Asked>, events: mpsc::Sender<RunEvent>, over: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = over.cancelled() => return,
            () = reload.notified() => {}
        }
        let answer = over.run_until_cancelled(Asked::ask(&requests, Request::Reload)).await;
        if let Some(Answer::Refused(why)) = answer {
            events.tell(RunEvent::Warning { message: format!("settings stay unchanged: {why}") }).await;
        }
    }
}
