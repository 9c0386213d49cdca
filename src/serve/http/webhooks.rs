//! Messages about a run, and their repetition.

use super::find;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::Delivery;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The messages about a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deliveries {
    /// The messages, the oldest first.
    messages: Vec<Delivery>,
}

/// List the webhook messages about a run, with their attempts
#[utoipa::path(get, path = "/api/runs/{id}/webhooks", params(("id" = String, Path)),
    responses((status = OK, body = Deliveries), (status = "default", body = Problem)))]
pub async fn deliveries(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Deliveries>, Problem> {
    let run = find(&app, &caller, &id).await?;
    let messages = app.blocking(move |app| app.queue.deliveries(&run.id)).await?;
    Ok(Json(Deliveries { messages }))
}

/// Send the webhook messages about a run again
#[utoipa::path(post, path = "/api/runs/{id}/webhooks/replay", params(("id" = String, Path)),
    responses((status = OK, body = Deliveries), (status = "default", body = Problem)))]
pub async fn replay(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Deliveries>, Problem> {
    caller.check_may_run()?;
    let run = find(&app, &caller, &id).await?;
    let messages = app.blocking(move |app| {
        app.queue.replay_messages(&run.id)?;
        app.queue.deliveries(&run.id)
    });
    let messages = messages.await?;
    app.webhooks.wake.notify_one();
    Ok(Json(Deliveries { messages }))
}
