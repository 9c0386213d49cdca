//! Predicts calls, cost and time of a run. Sends nothing to a model.

use super::create::receive;
use super::find;
use crate::engine::{History, Plan, RunError, predict, survey};
use crate::insight::{Interval, USD, rounded};
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::Filter;
use crate::serve::runner::check;
use crate::serve::submission::Submission;
use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use utoipa::ToSchema;

/// Number of the client's latest runs whose response times are used.
const EARLIER_RUNS: u32 = 10;

/// Decimals of seconds.
const SECONDS: i32 = 3;

/// The predicted work of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Estimate {
    /// Documents of the run.
    pub documents: u64,
    /// Documents that need calls.
    pub pending: u64,
    /// Documents that will fail, by code.
    pub failures: BTreeMap<String, u64>,
    /// Documents that the job does not take, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Calls to send.
    pub calls: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: Range,
    /// Cost in US dollars; absent if a price is unknown.
    pub cost_usd: Option<Range>,
    /// Cost in US dollars if every answer has the maximum length; absent if a price is unknown.
    pub cost_at_most_usd: Option<f64>,
    /// Duration in seconds; absent if response times are unknown.
    pub seconds: Option<Range>,
    /// Duration in seconds if calls are sent one after another; absent if response times are unknown.
    /// Too long if a rate limit determines `seconds`, because response times are derived from it.
    pub seconds_one_by_one: Option<f64>,
    /// The setting, limit or stage that determines the duration.
    pub bound_by: String,
    /// Notes.
    pub notes: Vec<String>,
}

/// Likely lower and upper ends.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl From<Interval> for Range {
    fn from(interval: Interval) -> Self {
        Self { low: interval.low, high: interval.high }
    }
}

/// Predict a run before it is submitted
#[utoipa::path(post, path = "/api/estimate", request_body(content((Submission = "application/json"), (String = "multipart/form-data"))),
    responses((status = OK, body = Estimate), (status = "default", body = Problem)))]
pub async fn estimate_new(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Estimate>, Problem> {
    caller.check_may_run()?;
    let received = receive(&app, &caller, request).await?;
    // The files stay until the estimate is made.
    let made = of_plan(&app, &caller, received.plan).await;
    let staged = received.staged;
    let removed = move |_: &App| {
        drop(staged);
        Ok(())
    };
    app.blocking(removed).await?;
    made
}

/// Predict the rest of a run, such as a held one
#[utoipa::path(get, path = "/api/runs/{id}/estimate", params(("id" = String, Path)),
    responses((status = OK, body = Estimate), (status = "default", body = Problem)))]
pub async fn estimate(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Estimate>, Problem> {
    let run = find(&app, &caller, &id).await?;
    let submission = Submission::parse(run.submission.as_bytes())?;
    let input = app.directories.input(&run.id);
    let plan = check(&app, &run, &submission, &input).await?;
    of_plan(&app, &caller, plan).await
}

async fn of_plan(app: &Arc<App>, caller: &Caller, plan: Plan) -> Result<Json<Estimate>, Problem> {
    let _permit = app.estimates.acquire().await.map_err(Problem::internal)?;
    let owner = caller.name.clone();
    let latest = app.blocking(move |app| app.queue.list(&owner, &Filter { state: None, before: None, limit: EARLIER_RUNS })).await?;
    let others: Vec<_> = latest.iter().map(|run| app.directories.run(&run.id)).collect();
    let plan = Arc::new(plan);
    let surveyed = {
        let plan = Arc::clone(&plan);
        // A survey stays on one thread.
        tokio::task::spawn_blocking(move || {
            let history = History::with_others(&plan, &others)?;
            let survey = Handle::current().block_on(survey(&plan, &history))?;
            let prediction = predict(&plan, &survey, &history);
            Ok::<_, RunError>((survey, prediction))
        })
    };
    let (survey, prediction) = surveyed.await.map_err(Problem::internal)?.map_err(Problem::invalid)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of tokens")]
    let input_tokens = prediction.input.round() as u64;
    Ok(Json(Estimate {
        documents: survey.documents,
        pending: survey.pending,
        failures: survey.failures.iter().map(|(code, n)| (code.as_str().to_owned(), *n)).collect(),
        skipped: survey.skipped.clone(),
        calls: prediction.calls,
        input_tokens,
        output_tokens: prediction.output.rounded(0).into(),
        cost_usd: prediction.cost.map(|usd| usd.rounded(USD).into()),
        cost_at_most_usd: prediction.at_most.map(|usd| rounded(usd, USD)),
        seconds: prediction.seconds.map(|seconds| seconds.rounded(SECONDS).into()),
        seconds_one_by_one: prediction
            .seconds
            .map(|s| rounded(s.middle() / prediction.seconds_per_second.max(1.0) * prediction.calls as f64, SECONDS)),
        bound_by: prediction.bound.clone(),
        notes: plan.notes.iter().chain(&survey.notes).cloned().collect(),
    }))
}
