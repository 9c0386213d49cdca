//! Calls of a run with their times, also those in flight.

use super::find;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::store::{Archive, Attempted};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Maximum number of calls in a response.
const PAGE: u32 = 1000;

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CallsQuery {
    /// Calls after this one. Default: from the first.
    #[serde(default)]
    after: i64,
}

/// A request to the model.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallTimes {
    /// Its number.
    id: i64,
    /// Name of its document.
    document: String,
    /// Task and axes.
    call: String,
    /// Number of the attempt within the call, from 1.
    attempt: u32,
    /// When it was sent, in milliseconds since 1970.
    sent_ms: i64,
    /// When it ended, in milliseconds since 1970; null while it is in flight, and if it was lost.
    ended_ms: Option<i64>,
    /// Whether it gave an answer.
    answered: bool,
    /// Whether the server was killed while it was in flight.
    lost: bool,
}

/// Calls in the order in which they were sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallList {
    /// The calls.
    calls: Vec<CallTimes>,
    /// The value of `after` for later calls. Fetch calls in flight again to see their end.
    next: i64,
    /// The time of the server, in milliseconds since 1970. Calls in flight have lasted until then.
    now_ms: i64,
}

/// Fetch the calls of a run with their times
#[utoipa::path(get, path = "/api/runs/{id}/calls", params(("id" = String, Path), CallsQuery),
    responses((status = OK, body = CallList), (status = "default", body = Problem)))]
pub async fn calls(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<CallsQuery>,
) -> Result<Json<CallList>, Problem> {
    let run = find(&app, &caller, &id).await?;
    let (after, id) = (query.after, run.id.clone());
    let run_at_work = || app.live(&id).map(|live| live.run());
    // The run may start or end while the ledger is read.
    let before = run_at_work();
    let attempted = app.blocking(move |app| match Archive::open(&app.directories.run(&run.id))? {
        Some(archive) => Ok(archive.attempts_after(after, PAGE)?),
        None => Ok(Vec::new()),
    });
    let attempted = attempted.await?;
    let next = attempted.last().map_or(after, |one| one.id);
    let at_work = [before, run_at_work()];
    let times = |one: Attempted| {
        let Attempted { id, run, document, call, attempt, sent_ms, ended_ms, answered, lost } = one;
        // Only calls of the run at work are in flight. The others were killed with their server.
        let lost = lost || (ended_ms.is_none() && !at_work.contains(&Some(run)));
        CallTimes { id, document, call, attempt, sent_ms, ended_ms, answered, lost }
    };
    Ok(Json(CallList { calls: attempted.into_iter().map(times).collect(), next, now_ms: Timestamp::now().as_millisecond() }))
}
