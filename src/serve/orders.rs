//! Orders to a run at work: of clients, of other terminals, of its deadline and of the server.

use super::app::App;
use super::live::Live;
use super::problem::Problem;
use super::queue::{CANCELLED, DEADLINE, QueuedRun, RunId, State};
use crate::control::{Answer, Asked, ControlServer, Request};
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Reason of a stop by a client that wants to go on later.
pub const PAUSED: &str = "paused by a client";
/// Reason of a stop by the server.
pub const SERVER_STOPS: &str = "the server stops; it goes on when the server starts again";

/// How the work on a run ended.
pub struct Ended {
    /// The new state. `Queued` means that it goes on later.
    pub state: State,
    /// Why it ended early.
    pub message: String,
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self { state: State::Failed, message: problem.detail }
    }
}

/// Requests of terminals that wait.
const ASKED: usize = 16;

/// The order that a run has before it begins.
///
/// Its controls are in place, so a later order reaches them.
pub async fn order_of(app: &Arc<App>, run: &QueuedRun) -> Result<Option<&'static str>, Problem> {
    let id = run.id.clone();
    let now = app.blocking(move |app| app.queue.get(&id)).await?;
    let (cancelling, held) = now.map_or((false, false), |run| (run.cancelling, run.held));
    Ok(if cancelling {
        Some(CANCELLED)
    } else if held {
        Some(PAUSED)
    } else if app.stop.is_cancelled() {
        Some(SERVER_STOPS)
    } else {
        run.deadline.filter(|deadline| *deadline <= Timestamp::now()).map(|_| DEADLINE)
    })
}

/// How a run ends that was asked to stop. The queue knows whether a client has cancelled it.
pub fn ended_by(reason: &str) -> Ended {
    let state = if reason == DEADLINE { State::Stopped } else { State::Queued };
    // A run that goes on later says why it waits, not why it stopped.
    Ended { state, message: if state == State::Queued { String::new() } else { reason.to_owned() } }
}

/// Pauses a run: it stops if it is at work, and waits until a client resumes it.
pub async fn pause(app: &Arc<App>, id: &RunId) -> Result<(), Problem> {
    let held = id.clone();
    app.blocking(move |app| app.queue.pause(&held)).await?;
    if let Some(live) = app.live(id) {
        live.stop.stop(PAUSED);
    }
    app.tell_change(id);
    Ok(())
}

/// Cancels a run.
pub async fn cancel(app: &Arc<App>, id: &RunId) -> Result<(), Problem> {
    let cancelled = id.clone();
    app.blocking(move |app| app.queue.cancel(&cancelled)).await?;
    if let Some(live) = app.live(id) {
        live.stop.stop(CANCELLED);
    }
    app.webhooks.wake.notify_one();
    app.tell_change(id);
    Ok(())
}

/// Lets `docmill status --watch`, `pause`, `requeue` and `cancel` reach the run. Failure costs only that.
pub async fn serve_other_terminals(app: &Arc<App>, id: &RunId, live: &Live, directory: &Path) -> std::convert::Infallible {
    let mut changes = live.changes();
    let hello = loop {
        if let Some(started) = live.started.get() {
            break started.clone();
        }
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    };
    if let Ok(server) = ControlServer::open(directory).await {
        let (asked, mut received) = mpsc::channel::<Asked>(ASKED);
        let pass_on = async {
            while let Some(Asked { request, answer }) = received.recv().await {
                let done = match request {
                    Request::Pause => pause_from_terminal(app, id).await,
                    Request::Resume => Answer::Refused(format!(
                        "the run belongs to a server. Resume it with POST /api/runs/{id}/resume, or Resume on its page"
                    )),
                    other => live.ask(other).await,
                };
                // A terminal that disconnects needs no answer.
                let _gone = answer.send(done);
            }
        };
        tokio::join!(server.serve(asked, hello, Arc::clone(&live.counters), live.over.clone()), pass_on);
    }
    std::future::pending().await
}

/// A paused run of a server gives its place to another one, so only the server can resume it.
async fn pause_from_terminal(app: &Arc<App>, id: &RunId) -> Answer {
    match pause(app, id).await {
        Ok(()) => Answer::Done(format!(
            "paused: calls in flight finish, and the run waits until POST /api/runs/{id}/resume, or Resume on the page"
        )),
        Err(problem) => Answer::Refused(problem.detail),
    }
}
