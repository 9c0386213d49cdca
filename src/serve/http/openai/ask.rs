//! Requests to a model: chat completions, responses and embeddings.

use super::{check_may_send, whole};
use crate::ask::RelayEndpoint;
use crate::gateway::{Answer, ApiError, Asked, Stream, Whole};
use crate::serve::app::App;
use crate::serve::keys::Caller;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use std::convert::Infallible;
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;

/// Ask for a chat completion
#[utoipa::path(post, path = "/v1/chat/completions", request_body(content = Value, content_type = "application/json"), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn chat(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Result<Response, ApiError> {
    ask(&app, caller, RelayEndpoint::Chat, request).await
}

/// Ask for a response
#[utoipa::path(post, path = "/v1/responses", request_body(content = Value, content_type = "application/json"), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn responses(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Result<Response, ApiError> {
    ask(&app, caller, RelayEndpoint::Responses, request).await
}

/// Ask for vectors
#[utoipa::path(post, path = "/v1/embeddings", request_body(content = Value, content_type = "application/json"), responses((status = OK, body = Value), (status = "default", body = Value)))]
pub async fn embeddings(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Result<Response, ApiError> {
    ask(&app, caller, RelayEndpoint::Embeddings, request).await
}

async fn ask(app: &Arc<App>, caller: Caller, endpoint: RelayEndpoint, request: Request) -> Result<Response, ApiError> {
    check_may_send(app, &caller)?;
    let store = request.headers().get("x-docmill-store").is_some_and(|value| value == "true");
    let received = whole(app, request.into_body()).await?;
    let asked = Asked { owner: caller.name, endpoint, body: received.bytes.clone(), store };
    match app.gateway.ask(asked).await? {
        Answer::Whole(whole) => Ok(in_one_piece(whole)),
        Answer::Stream(Stream { id, first, rest }) => {
            let events = stream::once(std::future::ready(first)).chain(ReceiverStream::new(rest)).map(Ok::<_, Infallible>);
            let mut response = Body::from_stream(events).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // Proxies then pass each event on at once.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            put(&mut response, "x-request-id", &id);
            Ok(response)
        }
    }
}

fn in_one_piece(whole: Whole) -> Response {
    let Whole { id, status, body, retry_after, attempts, cost, stored, .. } = whole;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, body).into_response();
    // The body of the provider is in OpenAI's form already.
    response.extensions_mut().insert(super::error::OpenAiError);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    put(&mut response, "x-request-id", &id);
    put(&mut response, "x-docmill-attempts", &attempts.to_string());
    if let Some(cost) = cost {
        put(&mut response, "x-docmill-cost-usd", &cost.usd().to_string());
    }
    if stored {
        put(&mut response, "x-docmill-stored", "true");
    }
    if !status.is_success() {
        // docmill has retried already.
        put(&mut response, "x-should-retry", "false");
    }
    if let Some(wait) = retry_after {
        put(&mut response, RETRY_AFTER.as_str(), &wait.as_secs().max(1).to_string());
    }
    response
}

fn put(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
