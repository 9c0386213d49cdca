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
use serde_json::Value;
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

/// The type of errors.
const PROBLEM: &str = "application/problem+json";

/// The description of all routes. Each response gets a text, and each operation an id of its own.
fn description(mut api: openapi::OpenApi, openai: openapi::OpenApi) -> Value {
    api.merge(openai);
    let mut whole = serde_json::to_value(api).unwrap_or_default();
    for (path, methods) in whole["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if path.starts_with("/v1") {
                operation["operationId"] = format!("{method}{}", path.replace(['/', '{', '}'], "_")).trim_end_matches('_').into();
            }
            for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
                let is_error = status == "default";
                let text = if is_error { "The request failed" } else { "The request succeeded" };
                if let Some(response) = response.as_object_mut() {
                    // Errors under `/v1` have the form of OpenAI.
                    if is_error
                        && path.starts_with("/api")
                        && let Some(content) = response.get_mut("content").and_then(Value::as_object_mut)
                        && let Some(problem) = content.remove("application/json")
                    {
                        content.insert(PROBLEM.to_owned(), problem);
                    }
                    response.entry("description").or_insert_with(|| text.into());
                }
            }
        }
    }
    whole
}

/// All routes.
pub fn router(app: &Arc<App>) -> Router {
    let (api, of_api) = api();
    let (openai, of_openai) = openai::routes();
    let description = Json(description(of_api, of_openai));
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
        let text = description(api().1, openai::routes().1);
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
        let operations: Vec<&Value> =
            text["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()).collect();
        let ids: std::collections::BTreeSet<_> = operations.iter().map(|operation| operation["operationId"].as_str()).collect();
        assert_eq!(ids.len(), operations.len());
        let responses = operations.iter().flat_map(|operation| operation["responses"].as_object().unwrap().values());
        assert!(responses.into_iter().all(|response| response["description"].is_string()));
        let runs = &text["paths"]["/api/runs/{id}/results"]["get"];
        assert!(runs["responses"]["default"]["content"][PROBLEM].is_object(), "{runs}");
        let format = runs["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "format").unwrap();
        assert_eq!(format["schema"]["enum"], serde_json::json!(crate::write::Format::ALL.map(crate::write::Format::as_str)), "{format}");
    }
}
