//! Responses that clients fetch again.

use super::{check_may_send, deleted};
use crate::gateway::ApiError;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde_json::Value;
use std::sync::Arc;

/// Fetch a response again
#[utoipa::path(get, path = "/v1/responses/{id}", params(("id" = String, Path)),
    responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn get(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let body = app.gateway.response(&caller.name, &id).await?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Forget a response
#[utoipa::path(delete, path = "/v1/responses/{id}", params(("id" = String, Path)),
    responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    check_may_send(&app, &caller)?;
    app.gateway.forget_response(&caller.name, &id).await?;
    Ok(deleted(&id, "response"))
}
