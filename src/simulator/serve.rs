//! The life of one request: route, read, check, limit, decide, wait, reply.
//!
//! Promises: the answer is ready before the waiting starts, so a waiting request holds its reply but not its
//! images. Never logs; never holds a lock while it waits.

use super::answer;
use super::ask::{Ask, tokens};
use super::dialect::{Dialect, End, Problem};
use super::faults;
use super::ledger::{Ledger, Outcome, Visit};
use super::limits::{Limits, Seat, Standing};
use super::scenario::{FaultKind, Scenario};
use super::wire::{Broken, Payload};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const MAX_REQUEST: usize = 32 * 1024 * 1024;
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const GARBAGE: &str = "<html><head><title>Gateway</title></head><body>[simulated] not an answer</body></html>";
const REFUSAL: &str = "[simulated] I cannot help with that.";

/// The models that a scenario without `models` accepts.
const KNOWN_MODELS: [&str; 8] = [
    "simulated-small",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
    "gpt-6-luna",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
];

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    scenario: Scenario,
    models: Vec<String>,
    limits: Limits,
    pub(super) ledger: Ledger,
    next_id: AtomicU64,
}

impl Shared {
    pub(super) fn new(scenario: Scenario) -> Self {
        let models = if scenario.models.is_empty() { KNOWN_MODELS.map(str::to_owned).to_vec() } else { scenario.models.clone() };
        let limits = Limits::new(&scenario);
        Self { scenario, models, limits, ledger: Ledger::default(), next_id: AtomicU64::new(1) }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let key = self.scenario.require_key.as_bytes();
        let api_key = headers.get("x-api-key").map(HeaderValue::as_bytes);
        let bearer = headers.get("authorization").and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        key.is_empty() || api_key == Some(key) || bearer == Some(key)
    }
}

/// Answers one request. An error closes the connection without a reply, with RST if `reset` was set.
pub(super) async fn serve(shared: Arc<Shared>, reset: Arc<AtomicBool>, request: Request<Incoming>) -> Result<Response<Payload>, Broken> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/messages") => call(&shared, Dialect::Anthropic, request, &reset).await,
        (&Method::POST, "/v1/chat/completions") => call(&shared, Dialect::OpenAi, request, &reset).await,
        _ => Ok(look_up(&shared, &request)),
    }
}

/// Everything that is not a model call.
fn look_up(shared: &Shared, request: &Request<Incoming>) -> Response<Payload> {
    let is_anthropic = request.headers().contains_key("anthropic-version");
    let dialect = if is_anthropic { Dialect::Anthropic } else { Dialect::OpenAi };
    let path = request.uri().path();
    let problem = match (request.method(), path) {
        (&Method::GET, "/health") => return respond(StatusCode::OK, JSON, r#"{"status":"ok"}"#),
        (&Method::GET, "/ledger") => {
            let mut book = serde_json::to_value(shared.ledger.totals()).unwrap_or_default();
            if request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "calls=1")) {
                book["calls"] = serde_json::to_value(shared.ledger.calls()).unwrap_or_default();
            }
            return respond(StatusCode::OK, JSON, book.to_string());
        }
        (&Method::GET, "/v1/models") if shared.admits(request.headers()) => {
            return respond(StatusCode::OK, JSON, list_models(&shared.models, dialect).to_string());
        }
        (&Method::GET, "/v1/models") => Problem::Unauthorized,
        (method, path) => Problem::UnknownPath(format!("{method} {path}")),
    };
    let (status, body) = dialect.problem(&problem, "req_sim_0");
    respond(status, JSON, body)
}

fn list_models(models: &[String], dialect: Dialect) -> Value {
    let entry = |id: &String| match dialect {
        Dialect::Anthropic => {
            json!({ "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z" })
        }
        Dialect::OpenAi => json!({ "id": id, "object": "model", "created": 0, "owned_by": "simulator" }),
    };
    let data: Vec<_> = models.iter().map(entry).collect();
    match dialect {
        Dialect::Anthropic => {
            json!({ "data": data, "has_more": false, "first_id": models.first(), "last_id": models.last() })
        }
        Dialect::OpenAi => json!({ "object": "list", "data": data }),
    }
}

/// What is to be done about a model call.
struct Plan<'a> {
    outcome: Outcome,
    tokens: (u64, u64),
    status: StatusCode,
    body: String,
    delay: Duration,
    standing: Option<Standing>,
    seat: Option<Seat<'a>>,
    truncated: bool,
    content_type: &'static str,
}

async fn call(shared: &Shared, dialect: Dialect, request: Request<Incoming>, reset: &AtomicBool) -> Result<Response<Payload>, Broken> {
    let mut visit = shared.ledger.arrive();
    let id = format!("req_sim_{:08}", shared.next_id.fetch_add(1, Ordering::Relaxed));
    let (head, body) = request.into_parts();
    let desk = Desk { shared, dialect, id: &id };
    let plan = match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(body) => desk.plan(&head.headers, &body.to_bytes(), &mut visit),
        Err(error) if error.is::<LengthLimitError>() => desk.refuse(&Problem::TooLarge),
        Err(_) => return Err(Broken), // the client left while sending
    };
    drop(head);
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    visit.end(plan.outcome, plan.tokens);
    match plan.outcome {
        Outcome::Reset => {
            reset.store(true, Ordering::Release);
            return Err(Broken);
        }
        Outcome::Hang => std::future::pending::<()>().await,
        _ => {}
    }
    let mut response = if plan.truncated {
        Response::new(Payload::half_of(&Bytes::from(plan.body)))
    } else {
        Response::new(Payload::Whole(Some(Bytes::from(plan.body))))
    };
    *response.status_mut() = plan.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(plan.content_type));
    put(headers, HeaderName::from_static(dialect.id_header()), &id);
    if plan.status == StatusCode::TOO_MANY_REQUESTS {
        put(headers, RETRY_AFTER, &shared.scenario.retry_after_s.to_string());
    }
    if let Some(standing) = plan.standing {
        for (name, value) in dialect.limit_headers(standing) {
            put(headers, HeaderName::from_static(name), &value);
        }
    }
    drop(plan.seat);
    Ok(response)
}

/// Where one model call is decided.
struct Desk<'a> {
    shared: &'a Shared,
    dialect: Dialect,
    id: &'a str,
}

impl<'a> Desk<'a> {
    fn plan(&self, headers: &HeaderMap, body: &[u8], visit: &mut Visit<'_>) -> Plan<'a> {
        if !self.shared.admits(headers) {
            return self.refuse(&Problem::Unauthorized);
        }
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return self.refuse(&Problem::invalid(format!("The body is not valid JSON: {error}"))),
        };
        match self.dialect.read(&body, headers, self.shared.scenario.seed) {
            Ok(ask) if self.shared.models.iter().any(|model| model == ask.model) => self.decide(&ask, visit),
            Ok(ask) => self.refuse(&Problem::UnknownModel(ask.model.to_owned())),
            Err(problem) => self.refuse(&problem),
        }
    }

    /// Limits first: what they turn away is no attempt, or the outcome would depend on the time.
    fn decide(&self, ask: &Ask<'_>, visit: &mut Visit<'_>) -> Plan<'a> {
        let scenario = &self.shared.scenario;
        visit.identify(ask.hash, ask.docid());
        let (passes, standing) = self.shared.limits.take();
        if !passes {
            return Plan { standing, ..self.refuse(&Problem::RateLimited) };
        }
        let Some(seat) = self.shared.limits.sit() else {
            return Plan { standing, ..self.refuse(&Problem::Overloaded) };
        };
        let (attempt, before) = visit.admit();
        let mut fault = faults::poison(scenario, &ask.user_text);
        if fault.is_none() {
            fault = faults::decide(scenario, &ask.hash, attempt, before);
            if fault.is_some() {
                visit.fault();
            }
        }
        let delay = match fault {
            // These come from the door, not from the model.
            Some(FaultKind::RateLimited | FaultKind::Overloaded | FaultKind::Rejected) => Duration::ZERO,
            _ => faults::delay(scenario, &ask.hash, attempt, &ask.user_text),
        };
        Plan { delay, standing, seat: Some(seat), ..self.act(ask, fault) }
    }

    fn act(&self, ask: &Ask<'_>, fault: Option<FaultKind>) -> Plan<'a> {
        match fault {
            Some(FaultKind::Rejected) => self.refuse(&Problem::invalid("[simulated] rejected by the scenario")),
            Some(FaultKind::RateLimited) => self.refuse(&Problem::RateLimited),
            Some(FaultKind::ServerError) => self.refuse(&Problem::ServerError),
            Some(FaultKind::Overloaded) => self.refuse(&Problem::Overloaded),
            Some(FaultKind::Reset) => plan(Outcome::Reset, StatusCode::OK, String::new()),
            Some(FaultKind::Hang) => plan(Outcome::Hang, StatusCode::OK, String::new()),
            Some(FaultKind::Refusal) => self.answer(ask, REFUSAL, End::Refused, Outcome::Refused),
            Some(FaultKind::Cut) => {
                let text = answer::write(ask);
                let half = text.chars().count() / 2;
                self.answer(ask, first(&text, half), End::Cut, Outcome::Cut)
            }
            Some(FaultKind::Invalid) => {
                let text = answer::spoil(ask, &answer::write(ask));
                self.answer(ask, &text, End::Complete, Outcome::Invalid)
            }
            Some(FaultKind::Garbage) => Plan { outcome: Outcome::Garbled, body: GARBAGE.to_owned(), content_type: HTML, ..self.serve(ask) },
            Some(FaultKind::TruncatedBody) => Plan { outcome: Outcome::Garbled, truncated: true, ..self.serve(ask) },
            None => self.serve(ask),
        }
    }

    /// A complete answer, or as much of it as the token limit allows.
    fn serve(&self, ask: &Ask<'_>) -> Plan<'a> {
        let text = answer::write(ask);
        if tokens(&text) <= ask.max_tokens {
            return self.answer(ask, &text, End::Complete, Outcome::Served);
        }
        let room = usize::try_from(ask.max_tokens.saturating_mul(4)).unwrap_or(usize::MAX);
        self.answer(ask, first(&text, room), End::Cut, Outcome::Cut)
    }

    fn answer(&self, ask: &Ask<'_>, text: &str, end: End, outcome: Outcome) -> Plan<'a> {
        let output = tokens(text);
        let body = self.dialect.reply(ask, text, end, output);
        Plan { tokens: (ask.input_tokens, output), ..plan(outcome, StatusCode::OK, body) }
    }

    fn refuse(&self, problem: &Problem) -> Plan<'a> {
        let (status, body) = self.dialect.problem(problem, self.id);
        let is_limit = *problem == Problem::RateLimited;
        plan(if is_limit { Outcome::RateLimited } else { Outcome::Error }, status, body)
    }
}

/// A plan without delay, tokens and limits.
fn plan<'a>(outcome: Outcome, status: StatusCode, body: String) -> Plan<'a> {
    Plan { outcome, tokens: (0, 0), status, body, delay: Duration::ZERO, standing: None, seat: None, truncated: false, content_type: JSON }
}

/// The first `count` characters.
fn first(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Payload> {
    let mut response = Response::new(Payload::Whole(Some(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
