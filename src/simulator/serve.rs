//! Serves one request: route, decide, wait, respond.
//!
//! It never logs, and never holds a lock while waiting.

use super::dialect::Dialect;
use super::ending::Problem;
use super::handler::{JSON, RequestHandler};
use super::ledger::Outcome;
use super::openai::chat::CHAT_COMPLETIONS;
use super::payload::{Broken, Payload, Tab};
use super::script::Script;
use super::shared::Shared;
use super::{DIALECTS, anthropic, openai};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;

const MAX_REQUEST: usize = 32 * 1024 * 1024;

/// Serves one request. An error closes the connection without a response, with RST if `reset` is
/// set.
pub(super) async fn serve(shared: Arc<Shared>, reset: Arc<AtomicBool>, request: Request<Incoming>) -> Result<Response<Payload>, Broken> {
    match DIALECTS.iter().find(|dialect| (dialect.has_path)(request.uri().path())) {
        Some(dialect) if request.method() == Method::POST => call(shared, dialect, request, &reset).await,
        _ => Ok(look_up(&shared, &request)),
    }
}

/// Serves everything except model calls.
fn look_up(shared: &Shared, request: &Request<Incoming>) -> Response<Payload> {
    let is_anthropic = request.headers().contains_key("anthropic-version");
    let dialect = if is_anthropic { &anthropic::MESSAGES } else { &CHAT_COMPLETIONS };
    let path = request.uri().path();
    let problem = match (request.method(), path) {
        (&Method::GET, "/health") => return json_response(StatusCode::OK, r#"{"status":"ok"}"#.to_owned()),
        (&Method::GET, "/ledger") => {
            let mut book = serde_json::to_value(shared.ledger.totals()).unwrap_or_default();
            let asked = |pair: &str| request.uri().query().is_some_and(|query| query.split('&').any(|own| own == pair));
            if asked("calls=1") {
                book["calls"] = serde_json::to_value(shared.ledger.calls()).unwrap_or_default();
            }
            if asked("documents=1") {
                book["documents"] = serde_json::to_value(shared.ledger.documents()).unwrap_or_default();
            }
            return json_response(StatusCode::OK, book.to_string());
        }
        (&Method::GET, "/v1/models") if shared.admits(request.headers()) => {
            let list = if is_anthropic { anthropic::list_models } else { openai::list_models };
            return json_response(StatusCode::OK, list(&shared.models).to_string());
        }
        (&Method::GET, "/v1/models") => Problem::Unauthorized,
        (method, path) => Problem::UnknownPath(format!("{method} {path}")),
    };
    let (status, body) = (dialect.problem)(&problem, "req_sim_0");
    json_response(status, body)
}

async fn call(
    shared: Arc<Shared>,
    dialect: &'static Dialect,
    request: Request<Incoming>,
    reset: &AtomicBool,
) -> Result<Response<Payload>, Broken> {
    let mut visit = shared.ledger.arrive(shared.pace.now());
    let id = format!("req_sim_{:08}", shared.next_id.fetch_add(1, Ordering::Relaxed));
    let (head, body) = request.into_parts();
    let handler = RequestHandler { shared: &shared, dialect, id: &id };
    let body = Limited::new(body, MAX_REQUEST).collect().await;
    // The work for a response is part of its latency.
    let begun = Instant::now();
    let plan = match body {
        Ok(body) => handler.plan(&head, &body.to_bytes(), &mut visit),
        Err(error) if error.is::<LengthLimitError>() => handler.refuse(&Problem::TooLarge),
        Err(_) => return Err(Broken), // the client left while sending
    };
    drop(head);
    if !plan.delay.is_zero() {
        tokio::time::sleep_until(begun + shared.pace.on_the_wall(plan.delay)).await;
    }
    match plan.outcome {
        Outcome::Reset => {
            visit.end(plan.outcome, plan.tokens);
            reset.store(true, Ordering::Release);
            return Err(Broken);
        }
        Outcome::Hang => {
            visit.end(plan.outcome, plan.tokens);
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    if plan.tokens.input() > 0 {
        shared.cache.begin(&plan.written, shared.pace.now());
    }
    let metered = dialect.meters_output;
    let tab = Tab { shared, visit, outcome: plan.outcome, tokens: plan.tokens, metered, _seat: plan.seat };
    let mut response = respond(plan.status, plan.content_type, plan.script, Some(tab));
    let headers = response.headers_mut();
    if let Some(name) = dialect.id_header {
        put(headers, name, &id);
    }
    for (name, value) in &plan.headers {
        put(headers, name, value);
    }
    Ok(response)
}

fn respond(status: StatusCode, content_type: &'static str, script: Script, tab: Option<Tab>) -> Response<Payload> {
    let mut response = Response::new(Payload::new(script, tab));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON response of an endpoint other than model calls.
fn json_response(status: StatusCode, body: String) -> Response<Payload> {
    respond(status, JSON, Script::whole(body, 0), None)
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
