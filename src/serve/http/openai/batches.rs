//! Batches: requests in files.

use super::files::{ListQuery, list_of};
use super::{check_may_send, whole};
use crate::gateway::{ApiError, Batch, NewBatch};
use crate::model::from_object;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use axum::extract::{Path, Query, Request, State};
use axum::{Extension, Json};
use serde_json::Value;
use std::sync::Arc;

/// Create a batch
#[utoipa::path(post, path = "/v1/batches", request_body(content = Value, content_type = "application/json"), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn create(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Result<Json<Value>, ApiError> {
    check_may_send(&app, &caller)?;
    let received = whole(&app, request.into_body()).await?;
    let new: NewBatch = from_object(&received.bytes).map_err(|error| ApiError::invalid(format!("the batch is not valid: {error}")))?;
    Ok(Json(app.gateway.create_batch(caller.name, new).await?.json()))
}

/// List batches, newest first
#[utoipa::path(get, path = "/v1/batches", params(ListQuery), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let (batches, more) = app.gateway.batches(caller.name, query.page(20, 100)?).await?;
    Ok(list_of(&batches.iter().map(Batch::json).collect::<Vec<_>>(), more))
}

/// Look at a batch
#[utoipa::path(get, path = "/v1/batches/{id}", params(("id" = String, Path)), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.gateway.batch(&caller.name, &id).await?.json()))
}

/// Cancel a batch
#[utoipa::path(post, path = "/v1/batches/{id}/cancel", params(("id" = String, Path)), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn cancel(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    check_may_send(&app, &caller)?;
    Ok(Json(app.gateway.cancel_batch(&caller.name, &id).await?.json()))
}
