//! Runs: list, look, remove.

use super::find;
use crate::event::Snapshot;
use crate::model::Money;
use crate::model::RowStatus;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::{Filter, QueuedRun, RunId, State as RunState};
use crate::serve::submission::Submission;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use utoipa::{IntoParams, ToSchema};

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: RunState,
    /// Whether it waits until a client resumes it.
    pub held: bool,
    /// Whether a client has cancelled it, and its requests in flight finish.
    pub cancelling: bool,
    /// Its job; that of the server's settings if the submission names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Whether the submission brought the file of this job.
    pub own_job: bool,
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Runs with a higher priority go first.
    pub priority: i64,
    /// When it was submitted.
    #[schema(format = DateTime)]
    pub created: String,
    /// When its work began.
    #[schema(format = DateTime)]
    pub started: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub ended: Option<String>,
    /// Why it ended early or waits; empty if it does not.
    pub message: String,
    /// Cap on its money in US dollars.
    pub max_usd: Option<f64>,
    /// Counts of documents.
    pub documents: Documents,
    /// Requests to the model.
    pub requests: u64,
    /// When work on it must have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub deadline: Option<String>,
    /// Address for a message when it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Cost of these requests, as far as their prices are known, in US dollars. Includes
    /// `uncertain_usd`.
    pub cost_usd: f64,
    /// The part of `cost_usd` that may not be billed: the maximum of requests whose cost is not known.
    /// For a run at work: until it last began.
    pub uncertain_usd: f64,
    /// Those of them with an unknown price.
    pub unpriced_requests: u64,
    /// Counters of a running run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Value>,
}

/// Counts of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Documents {
    /// With a row, failed and skipped documents included.
    pub done: u64,
    /// With a failed row.
    pub failed: u64,
    /// With a skipped row: not taken by any job of the run.
    pub skipped: u64,
    /// Without a row; absent if they were not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Runs {
    /// Runs, newest first.
    pub runs: Vec<Run>,
    /// The value of `before` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Run {
    /// A run as the API shows it, without progress.
    pub fn of(app: &App, run: QueuedRun) -> Self {
        let submission = Submission::parse(run.submission.as_bytes()).unwrap_or_default();
        let totals = run.totals;
        let own_job = submission.job_file.is_some();
        let job = submission.job.or_else(|| submission.job_file.as_deref().map(name_of_job));
        Self {
            id: run.id.to_string(),
            state: run.state,
            held: run.held,
            cancelling: run.cancelling,
            job: job.or_else(|| Some(app.default_job.clone())),
            own_job,
            label: submission.label,
            priority: run.priority,
            created: run.created.to_string(),
            started: run.started.as_ref().map(Timestamp::to_string),
            ended: run.ended.as_ref().map(Timestamp::to_string),
            message: if run.message.is_empty() { waiting(app, run.state, run.held) } else { run.message },
            max_usd: run.cap.map(Money::usd),
            documents: Documents { done: totals.done, failed: totals.failed, skipped: totals.skipped, pending: totals.pending },
            requests: totals.requests,
            deadline: run.deadline.as_ref().map(Timestamp::to_string),
            webhook: run.webhook,
            cost_usd: totals.spent.usd(),
            uncertain_usd: totals.uncertain.usd(),
            unpriced_requests: totals.unpriced,
            progress: None,
        }
    }

    /// A run with its progress, if it is at work.
    pub fn with_progress(app: &App, run: QueuedRun) -> Self {
        let progress = progress(app, &run.id);
        let counters = progress.as_ref().and_then(|progress| Snapshot::deserialize(progress).ok());
        let run = Self::of(app, run);
        let run = if let Some(counters) = counters { run.at_work(&counters) } else { run };
        Self { progress, ..run }
    }

    /// A run at work. Its record is of the time before, and the counters are of the time since.
    fn at_work(self, counters: &Snapshot) -> Self {
        let rows = |status| counters.rows.get(&status).copied().unwrap_or_default();
        let done = counters.answered + counters.up_to_date;
        let documents = Documents {
            done,
            failed: counters.failed,
            skipped: rows(RowStatus::Skipped),
            pending: counters.documents.map(|all| all.saturating_sub(done)),
        };
        Self {
            documents,
            requests: self.requests + counters.requests,
            cost_usd: (Money::from_usd(self.cost_usd) + counters.cost.usd).usd(),
            unpriced_requests: self.unpriced_requests + counters.cost.unpriced_calls,
            ..self
        }
    }
}

/// The name in a job file. An earlier version of docmill may have taken a file without one.
fn name_of_job(file: &str) -> String {
    let name = file.parse::<toml::Table>().ok().and_then(|table| table.get("name")?.as_str().map(ToOwned::to_owned));
    name.unwrap_or_else(|| "job_file".to_owned())
}

/// The newest counters of a run at work.
fn progress(app: &App, id: &RunId) -> Option<Value> {
    app.live(id).and_then(|live| serde_json::from_str(&live.counters.borrow()).ok())
}

/// Money that a run has spent since it last began. The queue does not know it yet.
pub fn spent_since(app: &App, id: &RunId) -> Money {
    let counters = app.live(id).and_then(|live| serde_json::from_str::<Snapshot>(&live.counters.borrow()).ok());
    counters.map_or(Money::ZERO, |counters| counters.cost.usd)
}

/// Why a queued run without a message waits; empty if it may start.
fn waiting(app: &App, state: RunState, held: bool) -> String {
    let most = app.settings.runs;
    match state {
        RunState::Queued if held => "waits until it is resumed".to_owned(),
        RunState::Queued if app.at_work.load(Relaxed) >= most => {
            format!("waits for its turn: runs at work are limited to {most} (serve.runs)")
        }
        _ => String::new(),
    }
}

/// The size of a page, from 1 to `most`.
pub(super) fn limit_of(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    match asked {
        Some(asked) if asked == 0 || asked > most => Err(Problem::bad_request(format!("limit: expected a number from 1 to {most}"))),
        asked => Ok(asked.unwrap_or(usual)),
    }
}

/// Which runs to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only runs in this state.
    state: Option<RunState>,
    /// Only runs older than this one.
    before: Option<String>,
    /// Maximum number of runs. Default: 20.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// List runs, newest first
#[utoipa::path(get, path = "/api/runs", params(ListQuery), responses((status = OK, body = Runs), (status = "default", body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Runs>, Problem> {
    let limit = limit_of(query.limit, 20, 100)?;
    let before = query.before.map(|id| RunId::parse(&id).ok_or_else(|| Problem::bad_request("before: not the id of a run"))).transpose()?;
    let filter = Filter { state: query.state, before, limit: limit + 1 };
    let mut runs = app.blocking(move |app| app.queue.list(&caller.name, &filter)).await?;
    let has_more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next = runs.last().filter(|_| has_more).map(|run| run.id.to_string());
    Ok(Json(Runs { runs: runs.into_iter().map(|run| Run::with_progress(&app, run)).collect(), next }))
}

/// Look at a run
#[utoipa::path(get, path = "/api/runs/{id}", params(("id" = String, Path)),
    responses((status = OK, body = Run), (status = "default", body = Problem)))]
pub async fn get(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Result<Json<Run>, Problem> {
    let run = find(&app, &caller, &id).await?;
    Ok(Json(Run::with_progress(&app, run)))
}

/// Remove an ended run with its documents and results
#[utoipa::path(delete, path = "/api/runs/{id}", params(("id" = String, Path)),
    responses((status = NO_CONTENT), (status = "default", body = Problem)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.check_may_run()?;
    let run = find(&app, &caller, &id).await?;
    let removed_id = run.id.clone();
    let removed = app.blocking(move |app| {
        let removed = app.queue.remove(&run.id)?;
        // What stays is removed at the next start.
        if removed && let Err(error) = app.directories.remove(&run.id) {
            crate::progress::complain(&format!("run {}: cannot remove its files: {error}", run.id));
        }
        Ok(removed)
    });
    if !removed.await? {
        return Err(Problem::conflict("the run has not ended. Cancel it first"));
    }
    app.tell_change(&removed_id);
    Ok(StatusCode::NO_CONTENT)
}
