//! The routes of the server.

mod calls;
mod control;
mod create;
mod discard;
mod estimate;
mod events;
mod guard;
mod health;
mod listen;
mod openai;
mod page;
mod results;
mod runs;
mod summary;
mod webhooks;

pub use listen::listen;

use super::app::App;
use super::keys::Caller;
use super::problem::Problem;
use super::queue::{QueuedRun, RunId};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Maximum time between two pieces of a request body.
const SLOWEST_BODY: Duration = Duration::from_secs(20);

/// Maximum length of an error that the framework has made, in bytes.
const LONGEST_ERROR: usize = 10_000;

/// Submits language-model jobs over documents, follows them, and fetches their results.
#[derive(OpenApi)]
#[openapi(info(title = "docmill"))]
struct Api;

/// The routes under `/api`, and their description.
fn api() -> (Router<Arc<App>>, openapi::OpenApi) {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(create::create, runs::list))
        .routes(routes!(runs::get, runs::remove))
        .routes(routes!(control::cancel))
        .routes(routes!(control::pause))
        .routes(routes!(control::resume))
        .routes(routes!(control::requeue))
        .routes(routes!(estimate::estimate))
        .routes(routes!(estimate::estimate_new))
        .routes(routes!(events::events))
        .routes(routes!(calls::calls))
        .routes(routes!(page::jobs))
        .routes(routes!(results::rows))
        .routes(routes!(results::results))
        .routes(routes!(results::report))
        .routes(routes!(summary::summary))
        .routes(routes!(summary::picture))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::replay))
        .split_for_parts()
}

/// All routes.
pub fn router(app: &Arc<App>) -> Router {
    let (api, mut description) = api();
    let (openai, of_openai) = openai::routes();
    description.merge(of_openai);
    let description = Json(description);
    Router::new()
        .merge(api)
        .merge(openai)
        .route("/openapi.json", get(move || std::future::ready(description.clone())))
        .route("/metrics", get(health::metrics))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::authenticate))
        .merge(page::routes())
        .route("/healthz", get(health::health))
        .route("/readyz", get(health::ready))
        .fallback(|| std::future::ready(Problem::not_found("no such address. /openapi.json lists all")))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::check_origin))
        // Each route that takes a body has its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyTimeoutLayer::new(SLOWEST_BODY))
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(Problem::internal("the request failed unexpectedly"))
        }))
        .layer(middleware::from_fn(openai::openai_errors))
        .layer(middleware::map_response(as_problem))
        .layer(middleware::from_fn(discard::discard_rest))
        .with_state(Arc::clone(app))
}

/// Gives errors that the framework has made the form of all others.
async fn as_problem(response: Response) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.contains("json")));
    if !response.status().is_client_error() || is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, LONGEST_ERROR).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let problem = match parts.status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::bad_request("this address does not take this method. /openapi.json lists all"),
        StatusCode::UNPROCESSABLE_ENTITY => Problem::invalid(text),
        StatusCode::NOT_FOUND => Problem::not_found(text),
        _ => Problem::bad_request(text),
    };
    let (problem, body) = Problem { status: parts.status.as_u16(), ..problem }.into_response().into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(problem.headers);
    Response::from_parts(parts, body)
}

/// The run of a caller. A run of another key does not exist for the caller.
async fn find(app: &Arc<App>, caller: &Caller, id: &str) -> Result<QueuedRun, Problem> {
    let missing = || Problem::not_found("no such run");
    let id = RunId::parse(id).ok_or_else(missing)?;
    let run = app.blocking(move |app| app.queue.get(&id)).await?;
    run.filter(|run| run.owner == caller.name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_routes_are_described() {
        let (_, mut description) = api();
        description.merge(openai::routes().1);
        let text = serde_json::to_value(&description).unwrap();
        for path in [
            "/api/runs",
            "/api/runs/{id}",
            "/api/runs/{id}/events",
            "/api/runs/{id}/rows",
            "/api/estimate",
            "/v1/chat/completions",
            "/v1/responses/{id}",
            "/v1/models/{id}",
        ] {
            assert!(text["paths"][path].is_object(), "{path} is not in {text}");
        }
    }
}
