//! The models that clients may ask for.

use crate::gateway::ApiError;
use crate::serve::app::App;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 0, "owned_by": "docmill"})
}

/// List the models that clients may ask for
#[utoipa::path(get, path = "/v1/models", responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let models: Vec<Value> = app.gateway.models().await?.iter().map(|id| model(id)).collect();
    Ok(Json(json!({"object": "list", "data": models})))
}

/// Look at a model
#[utoipa::path(get, path = "/v1/models/{id}", params(("id" = String, Path)), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn get(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let known = app.gateway.models().await?.contains(&id);
    if known { Ok(Json(model(&id))) } else { Err(ApiError::unknown_model(&id)) }
}
