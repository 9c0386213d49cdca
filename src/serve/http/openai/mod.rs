//! Routes under `/v1`, in the form of OpenAI's API.
//!
//! A client of OpenAI changes only its base address and its key.

mod ask;
mod batches;
mod error;
mod files;
mod kept;
mod models;

pub use error::openai_errors;

use crate::gateway::{ApiError, BodyMemory};
use crate::serve::app::App;
use crate::serve::keys::Caller;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::{OpenApi, openapi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Maximum size of a request in bytes, as OpenAI and Anthropic allow.
const BODY: usize = 32_000_000;
/// The word in `jobs` of a key that allows requests.
const GATEWAY: &str = "gateway";

/// What a removed object looks like.
fn deleted(id: &str, object: &str) -> Json<Value> {
    Json(json!({"id": id, "object": object, "deleted": true}))
}

/// The routes that the router of descriptions cannot take: ids of models contain slashes.
#[derive(OpenApi)]
#[openapi(paths(models::get))]
struct Undescribed;

/// The routes, and their description. They need the sender of the request.
pub fn routes() -> (Router<Arc<App>>, openapi::OpenApi) {
    let (router, description) = OpenApiRouter::with_openapi(Undescribed::openapi())
        .routes(routes!(ask::chat))
        .routes(routes!(ask::responses))
        .routes(routes!(kept::get, kept::remove))
        .routes(routes!(ask::embeddings))
        .routes(routes!(files::create, files::list))
        .routes(routes!(files::get, files::remove))
        .routes(routes!(files::content))
        .routes(routes!(batches::create, batches::list))
        .routes(routes!(batches::get))
        .routes(routes!(batches::cancel))
        .routes(routes!(models::list))
        .split_for_parts();
    (router.route("/v1/models/{*id}", get(models::get)).layer(DefaultBodyLimit::disable()), description)
}

/// Checks that the sender may send requests.
fn check_may_send(app: &App, caller: &Caller) -> Result<(), ApiError> {
    caller.check_may_run().map_err(|problem| ApiError::forbidden(problem.detail))?;
    if caller.jobs.as_ref().is_some_and(|jobs| !jobs.iter().any(|job| job == GATEWAY)) {
        let message = format!("key {} may run only some jobs. Add \"{GATEWAY}\" to its jobs to allow requests", caller.name);
        return Err(ApiError::forbidden(message));
    }
    if app.stop.is_cancelled() {
        return Err(ApiError::unavailable("the server stops. Send the request again when it has started"));
    }
    Ok(())
}

/// A body in memory.
struct Received {
    bytes: Bytes,
    /// Its share of the memory for bodies, until the request has ended.
    _memory: BodyMemory,
}

/// Receives a whole body.
///
/// Bodies of all requests share a limited memory. What does not fit is refused, and can be sent
/// again.
async fn whole(app: &App, body: Body) -> Result<Received, ApiError> {
    let (mut body, mut bytes, mut memory) = (Limited::new(body, BODY), BytesMut::new(), app.gateway.body_memory());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return ApiError::too_large("the request is larger than 32 MB");
            }
            ApiError::invalid(format!("the body did not arrive: {error}"))
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        bytes.extend_from_slice(&piece);
        if !memory.grow_to(bytes.len()) {
            return Err(ApiError::unavailable("too many large requests at a time. Send the request again later"));
        }
    }
    Ok(Received { bytes: bytes.freeze(), _memory: memory })
}
