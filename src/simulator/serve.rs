//! Serves one request: route, decide, wait, respond.
//!
//! It never logs, and never holds a lock while waiting.

use super::bill::Rates;
use super::cache::Cache;
use super::dialect::{Dialect, Problem};
use super::handler::{JSON, RequestHandler};
use super::ledger::{Ledger, Outcome};
use super::limits::Limits;
use super::pace::Pace;
use super::payload::{Broken, Payload, Tab};
use super::scenario::Scenario;
use super::script::Script;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MAX_REQUEST: usize = 32 * 1024 * 1024;

/// The models that a scenario without `models` accepts.
const KNOWN_MODELS: [&str; 10] = [
    "simulated-small",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
    "gpt-6-luna",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
    "gemini-3.8-flash",
    "gemini-3.5-flash-lite",
];

/// State shared by all connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) scenario: Scenario,
    pub(super) models: Vec<String>,
    pub(super) limits: Limits,
    pub(super) cache: Cache,
    pub(super) ledger: Arc<Ledger>,
    pub(super) pace: Pace,
    next_id: AtomicU64,
}

impl Shared {
    pub(super) fn new(scenario: Scenario) -> Self {
        let models = if scenario.models.is_empty() { KNOWN_MODELS.map(str::to_owned).to_vec() } else { scenario.models.clone() };
        let pace = Pace::new(scenario.speed);
        let now = pace.now();
        let limits = Limits::new(&scenario, now);
        let cache = Cache::new(&scenario.cache);
        let ledger = Arc::new(Ledger::new(Rates::of(&scenario.prices), now));
        Self { scenario, models, limits, cache, ledger, pace, next_id: AtomicU64::new(1) }
    }

    /// Whether the request has the required key.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let key = self.scenario.require_key.as_bytes();
        let api_key = headers.get("x-api-key").map(HeaderValue::as_bytes);
        let bearer = headers.get("authorization").and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let goog_key = headers.get("x-goog-api-key").map(HeaderValue::as_bytes);
        key.is_empty() || goog_key == Some(key) || api_key == Some(key) || bearer == Some(key)
    }
}

/// Serves one request. An error closes the connection without a response, with RST if `reset` is
/// set.
pub(super) async fn serve(shared: Arc<Shared>, reset: Arc<AtomicBool>, request: Request<Incoming>) -> Result<Response<Payload>, Broken> {
    match Dialect::of_path(request.uri().path()) {
        Some(dialect) if request.method() == Method::POST => call(shared, dialect, request, &reset).await,
        _ => Ok(look_up(&shared, &request)),
    }
}

/// Serves everything except model calls.
fn look_up(shared: &Shared, request: &Request<Incoming>) -> Response<Payload> {
    let is_anthropic = request.headers().contains_key("anthropic-version");
    let dialect = if is_anthropic { Dialect::Anthropic } else { Dialect::OpenAi };
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
            return json_response(StatusCode::OK, list_models(&shared.models, dialect).to_string());
        }
        (&Method::GET, "/v1/models") => Problem::Unauthorized,
        (method, path) => Problem::UnknownPath(format!("{method} {path}")),
    };
    let (status, body) = dialect.problem(&problem, "req_sim_0");
    json_response(status, body)
}

fn list_models(models: &[String], dialect: Dialect) -> Value {
    let entry = |id: &String| match dialect {
        Dialect::Anthropic => {
            json!({ "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z" })
        }
        _ => json!({ "id": id, "object": "model", "created": 0, "owned_by": "simulator" }),
    };
    let data: Vec<_> = models.iter().map(entry).collect();
    match dialect {
        Dialect::Anthropic => {
            json!({ "data": data, "has_more": false, "first_id": models.first(), "last_id": models.last() })
        }
        _ => json!({ "object": "list", "data": data }),
    }
}

async fn call(shared: Arc<Shared>, dialect: Dialect, request: Request<Incoming>, reset: &AtomicBool) -> Result<Response<Payload>, Broken> {
    let mut visit = shared.ledger.arrive(shared.pace.now());
    let id = format!("req_sim_{:08}", shared.next_id.fetch_add(1, Ordering::Relaxed));
    let (head, body) = request.into_parts();
    let handler = RequestHandler { shared: &shared, dialect, id: &id };
    let plan = match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(body) => handler.plan(&head, &body.to_bytes(), &mut visit),
        Err(error) if error.is::<LengthLimitError>() => handler.refuse(&Problem::TooLarge),
        Err(_) => return Err(Broken), // the client left while sending
    };
    drop(head);
    if !plan.delay.is_zero() {
        tokio::time::sleep(shared.pace.on_the_wall(plan.delay)).await;
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
    let metered = dialect.meters_output();
    let tab = Tab { shared, visit, outcome: plan.outcome, tokens: plan.tokens, metered, _seat: plan.seat };
    let mut response = respond(plan.status, plan.content_type, plan.script, Some(tab));
    let headers = response.headers_mut();
    if let Some(name) = dialect.id_header() {
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

/// A response that is not a model's.
fn json_response(status: StatusCode, body: String) -> Response<Payload> {
    respond(status, JSON, Script::whole(body, 0), None)
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
