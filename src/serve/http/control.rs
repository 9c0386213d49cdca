//! Cancel, pause, resume and requeue.

use super::find;
use super::runs::Run;
use crate::control::{Answer, Request};
use crate::model::from_object;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::live::Live;
use crate::serve::orders;
use crate::serve::problem::Problem;
use crate::serve::queue::{QueuedRun, State as RunState};
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
    caller.check_may_run()?;
    orders::cancel(&app, &find(&app, &caller, &id).await?.id).await?;
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
    caller.check_may_run()?;
    orders::pause(&app, &find(&app, &caller, &id).await?.id).await?;
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
    caller.check_may_run()?;
    let run = find(&app, &caller, &id).await?;
    let spent = run.totals.spent;
    if let Some(cap) = cap.filter(|cap| *cap <= spent) {
        return Err(Problem::invalid(format!(
            "max_usd: the cap of {cap} includes what was spent, and the run has spent {spent}. Choose a larger cap"
        )));
    }
    app.blocking(move |app| {
        let is_left = run.state == RunState::Complete && is_left(&app.directories.run(&run.id))?;
        app.queue.resume(&run.id, cap, is_left)
    })
    .await?;
    app.wake.notify_one();
    shown(&app, &caller, &id).await
}

/// Whether documents of a complete run are to be asked about again, for example because a terminal has
/// requeued them.
fn is_left(directory: &std::path::Path) -> Result<bool, Problem> {
    let Some(archive) = Archive::open(directory)? else { return Ok(false) };
    let runs = archive.runs()?;
    let Some(last) = runs.last() else { return Ok(false) };
    let counted = archive.run_counts(&runs, last)?;
    Ok(counted.pending() > 0 || counted.counts.again > 0)
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
        let (run, documents) = (run.id.clone(), asked.documents.clone());
        app.blocking(move |app| check_documents(&app.directories.run(&run), &documents)).await?;
        for document in asked.documents {
            tell(&live, Request::Requeue { document, all: asked.all }).await?;
        }
        return shown(&app, &caller, &id).await;
    }
    app.blocking(move |app| {
        let state = app.queue.while_idle(&run.id, || requeue_in(&app.directories.run(&run.id), &asked))?;
        if state.has_ended() { app.queue.resume(&run.id, None, true) } else { Ok(()) }
    })
    .await?;
    app.wake.notify_one();
    shown(&app, &caller, &id).await
}

fn no_document(name: &str) -> Problem {
    Problem::not_found(format!("{name}: no such document"))
}

/// Checks that a run at work knows these documents, if it has listed any.
fn check_documents(directory: &std::path::Path, names: &[String]) -> Result<(), Problem> {
    let Some(archive) = Archive::open(directory)? else { return Ok(()) };
    for name in names {
        if !archive.has_document(name)? {
            return Err(no_document(name));
        }
    }
    Ok(())
}

/// Requeues documents in a run store without a run at work.
fn requeue_in(directory: &std::path::Path, asked: &Requeue) -> Result<(), Problem> {
    let nothing = || Problem::conflict("the run has no results yet");
    let archive = Archive::open(directory)?.ok_or_else(nothing)?;
    let recipe = archive.runs()?.last().map(|run| run.recipe).ok_or_else(nothing)?;
    for document in &asked.documents {
        let row = archive.row_of(document, recipe)?.ok_or_else(|| no_document(document))?;
        if !asked.all && row.codes.is_none() {
            return Err(Problem::conflict(format!("{document} is {}: no call has failed. Set all to repeat all calls", row.status)));
        }
    }
    drop(archive);
    let _lock = RunLock::acquire(directory).map_err(|error| Problem::conflict(error.to_string()))?;
    Ok(Archive::open(directory)?.ok_or_else(nothing)?.requeue(&asked.documents, asked.all)?)
}
