//! Cancel, pause, resume and requeue.

use super::find;
use super::runs::Run;
use crate::control::{Answer, Request};
use crate::model::from_object;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::live::Live;
use crate::serve::problem::Problem;
use crate::serve::queue::{QueuedRun, State as RunState};
use crate::serve::runner::{CANCELLED, PAUSED};
use crate::serve::submission::check_cap;
use crate::store::{Archive, RunLock};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use utoipa::ToSchema;

/// Maximum time until a run that was just started takes requests.
const START: Duration = Duration::from_secs(10);

/// The run for a request that changes it, and its controls if it is at work.
async fn controlled(app: &Arc<App>, caller: &Caller, id: &str) -> Result<(QueuedRun, Option<Arc<Live>>), Problem> {
    caller.check_may_run()?;
    let mut changes = app.changed.subscribe();
    let found = async {
        loop {
            let run = find(app, caller, id).await?;
            let live = app.live(&run.id);
            // Between two states the run is neither here nor there.
            if live.is_some() || run.state != RunState::Running {
                return Ok((run, live));
            }
            if matches!(changes.recv().await, Err(RecvError::Closed)) {
                return Err(Problem::full("the server stops"));
            }
        }
    };
    timeout(START, found).await.map_err(|_| Problem::conflict("the run is starting. Try again in a moment"))?
}

async fn tell(live: &Live, request: Request) -> Result<(), Problem> {
    match live.ask(request).await {
        Answer::Done(_) => Ok(()),
        Answer::Refused(why) => Err(Problem::conflict(why)),
    }
}

async fn shown(app: &Arc<App>, caller: &Caller, id: &str) -> Result<Json<Run>, Problem> {
    let run = find(app, caller, id).await?;
    app.tell_change(&run.id);
    Ok(Json(Run::with_progress(app, run)))
}

/// Cancel a run
///
/// Requests in flight may finish, and their answers are kept. The run can be resumed.
#[utoipa::path(post, path = "/api/runs/{id}/cancel", params(("id" = String, Path)),
    responses((status = OK, body = Run), (status = "default", body = Problem)))]
pub async fn cancel(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Run>, Problem> {
    match controlled(&app, &caller, &id).await? {
        (_, Some(live)) => live.cancel(CANCELLED),
        (run, None) => {
            let waiting = [RunState::Queued, RunState::Stopped, RunState::Failed];
            let turned = app.blocking(move |app| app.queue.turn(&run.id, &waiting, RunState::Cancelled, CANCELLED)).await?;
            if !turned {
                return Err(Problem::conflict("the run has ended"));
            }
            app.webhooks.wake.notify_one();
        }
    }
    shown(&app, &caller, &id).await
}

/// Pause a run
///
/// A queued run does not start. A run at work finishes its requests in flight, gives its place to
/// another run, and waits in the queue.
#[utoipa::path(post, path = "/api/runs/{id}/pause", params(("id" = String, Path)),
    responses((status = OK, body = Run), (status = "default", body = Problem)))]
pub async fn pause(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Run>, Problem> {
    let (run, live) = controlled(&app, &caller, &id).await?;
    if run.state.has_ended() {
        return Err(Problem::conflict("the run has ended"));
    }
    app.blocking(move |app| app.queue.hold(&run.id, true)).await?;
    if let Some(live) = live {
        live.stop.stop(PAUSED);
    }
    shown(&app, &caller, &id).await
}

/// Parses a body that must be an object.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    from_object(body).map_err(|error| {
        let why = format!("the body is not valid: {error}");
        if error.is_data() { Problem::invalid(why) } else { Problem::bad_request(why) }
    })
}

/// Changes of a run that is resumed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// New cap on money in US dollars, what was spent included.
    #[serde(default)]
    max_usd: Option<f64>,
}

/// Resume a paused, held, cancelled, stopped or failed run
#[utoipa::path(post, path = "/api/runs/{id}/resume", params(("id" = String, Path)), request_body = Option<Resume>,
    responses((status = OK, body = Run), (status = "default", body = Problem)))]
pub async fn resume(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    changes: Bytes,
) -> Result<Json<Run>, Problem> {
    let Resume { max_usd } = if changes.trim_ascii().is_empty() { Resume::default() } else { object(&changes)? };
    let cap = check_cap(max_usd)?;
    let (run, live) = controlled(&app, &caller, &id).await?;
    if cap.is_some() && live.is_some() {
        return Err(Problem::conflict("the run is at work. Pause it first, to change its cap"));
    }
    let spent = run.totals.spent;
    if let Some(cap) = cap.filter(|cap| *cap <= spent) {
        return Err(Problem::invalid(format!(
            "max_usd: the cap of {cap} includes what was spent, and the run has spent {spent}. Choose a larger cap"
        )));
    }
    if run.state == RunState::Complete {
        return Err(Problem::conflict("the run is complete. Requeue documents to ask again"));
    }
    if live.as_ref().is_some_and(|live| live.is_cancelled()) {
        return Err(Problem::conflict("the run is being cancelled. Resume it when it has ended"));
    }
    // A run that stops goes on from the queue. Another one may have been paused by a terminal.
    if let Some(live) = live.filter(|live| live.stop.reason().is_none()) {
        tell(&live, Request::Resume).await?;
    }
    app.blocking(move |app| {
        if let Some(cap) = cap {
            app.queue.set_cap(&run.id, cap)?;
        }
        app.queue.hold(&run.id, false)?;
        app.queue.clear_message(&run.id)?;
        app.queue.turn(&run.id, &[RunState::Cancelled, RunState::Stopped, RunState::Failed], RunState::Queued, "")
    })
    .await?;
    app.wake.notify_one();
    shown(&app, &caller, &id).await
}

/// Documents to ask about again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Requeue {
    /// Names of documents.
    documents: Vec<String>,
    /// Whether to repeat answered calls as well.
    #[serde(default)]
    all: bool,
}

/// Ask again about documents
///
/// An ended run goes on with them. A run at work asks about them when it is resumed.
#[utoipa::path(post, path = "/api/runs/{id}/requeue", params(("id" = String, Path)),
    responses((status = OK, body = Run), (status = "default", body = Problem)))]
pub async fn requeue(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    asked: Bytes,
) -> Result<Json<Run>, Problem> {
    let asked: Requeue = object(&asked)?;
    if asked.documents.is_empty() {
        return Err(Problem::invalid("documents: name at least one document"));
    }
    let (run, live) = controlled(&app, &caller, &id).await?;
    if let Some(live) = live {
        for document in asked.documents {
            tell(&live, Request::Requeue { document, all: asked.all }).await?;
        }
        return shown(&app, &caller, &id).await;
    }
    app.blocking(move |app| {
        let directory = app.directories.run(&run.id);
        let nothing = || Problem::conflict("the run has no results yet");
        let archive = Archive::open(&directory)?.ok_or_else(nothing)?;
        let recipe = archive.runs()?.last().map(|run| run.recipe).ok_or_else(nothing)?;
        for document in &asked.documents {
            let row = archive.row_of(document, recipe)?.ok_or_else(|| Problem::not_found(format!("{document}: no such document")))?;
            if !asked.all && row.codes.is_none() {
                return Err(Problem::conflict(format!("{document} is {}: no call has failed. Set all to repeat all calls", row.status)));
            }
        }
        let _lock = RunLock::acquire(&directory).map_err(|error| Problem::conflict(error.to_string()))?;
        for document in &asked.documents {
            Archive::open(&directory)?.ok_or_else(nothing)?.requeue(document, asked.all)?;
        }
        let ended = [RunState::Complete, RunState::Cancelled, RunState::Stopped, RunState::Failed];
        app.queue.turn(&run.id, &ended, RunState::Queued, "")
    })
    .await?;
    app.wake.notify_one();
    shown(&app, &caller, &id).await
}
