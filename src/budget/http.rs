//! The routes of the service.

use super::service::{Service, ServiceError, ServiceStatus};
use crate::ask::lease::{LEASE_PATH, LeaseRequest, PerLimit};
use crate::progress::complain;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tower_http::timeout::RequestBodyTimeoutLayer;

/// What all requests share.
#[derive(Debug)]
pub(super) struct App {
    pub service: Service,
    /// Hash of the token; `None` if no request needs one.
    pub token: Option<blake3::Hash>,
}

/// Maximum size of a message in bytes.
const LARGEST: usize = 1_000_000;
/// Maximum time between two pieces of a message.
const SLOWEST: Duration = Duration::from_secs(10);
/// The limits, in the order of their numbers.
const LIMITS: PerLimit<&str> = ["requests", "input_tokens", "output_tokens", "tokens"];

pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(&format!("/{LEASE_PATH}"), post(lease))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(Arc::clone(app), authenticate))
        .route("/healthz", get(|| std::future::ready("ok\n")))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(RequestBodyTimeoutLayer::new(SLOWEST))
        .with_state(Arc::clone(app))
}

/// Lets only requests with the token pass. Hashes are compared in constant time.
async fn authenticate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let given = blake3::hash(given.unwrap_or_default().as_bytes());
    match &app.token {
        Some(token) if *token != given => (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n").into_response(),
        _ => next.run(request).await,
    }
}

async fn lease(State(app): State<Arc<App>>, Json(request): Json<LeaseRequest>) -> Response {
    // A grant waits for the disk.
    match tokio::task::spawn_blocking(move || app.service.lease(&request)).await {
        Ok(Ok(reply)) => Json(reply).into_response(),
        Ok(Err(why @ ServiceError::Wrong(_))) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
        Ok(Err(why @ ServiceError::Ledger(_))) => {
            complain(&why.to_string());
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Reads the state, which a grant holds while it waits for the disk.
async fn state_of(app: Arc<App>) -> Result<ServiceStatus, StatusCode> {
    tokio::task::spawn_blocking(move || app.service.status()).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn status(State(app): State<Arc<App>>) -> Result<Json<Value>, StatusCode> {
    let (money, accounts) = state_of(app).await?;
    let by_limit = |amounts: PerLimit<f64>| -> Value {
        LIMITS.into_iter().zip(amounts).map(|(name, amount)| (name.to_owned(), json!(amount))).collect()
    };
    let accounts: Vec<Value> = accounts
        .into_iter()
        .map(|(hash, name, account)| {
            json!({
                "account": hash,
                "name": name,
                "processes": account.nodes,
                "limit_per_second": by_limit(account.limit_per_second),
                "granted_per_second": by_limit(account.granted_per_second),
                "used": by_limit(account.used),
                "in_flight_limit": account.in_flight_limit,
                "in_flight": account.in_flight,
                "closed_s": account.closed_s,
            })
        })
        .collect();
    Ok(Json(json!({
        "money": {
            "cap_usd": money.cap,
            "granted_usd": money.granted,
            "spent_usd": money.spent,
            "left_usd": money.cap.map(|cap| cap - money.granted),
            "runs": money.spenders,
        },
        "accounts": accounts,
    })))
}

/// The same in the text format of Prometheus.
async fn metrics(State(app): State<Arc<App>>) -> Result<Response, StatusCode> {
    let (money, accounts) = state_of(app).await?;
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            let _infallible = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: f64| [(String::new(), value)];
    if let Some(cap) = money.cap {
        family("docmill_budget_cap_usd", "gauge", "The cap on money.", &one(cap.usd()));
    }
    family(
        "docmill_budget_granted_usd",
        "gauge",
        "Money deducted from the cap: spent, or granted and not returned.",
        &one(money.granted.usd()),
    );
    family("docmill_budget_spent_usd", "gauge", "Money that runs have reported as spent.", &one(money.spent.usd()));
    family("docmill_budget_runs", "gauge", "Runs that may still spend.", &one(money.spenders as f64));
    let of = |hash: &str, name: &str| format!("account=\"{hash}\",name=\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let mut by_limit = |name: &str, kind: &str, help: &str, get: &dyn Fn(usize) -> PerLimit<f64>| {
        let samples = accounts.iter().enumerate().flat_map(|(at, (hash, label, _))| {
            let labels = of(hash, label);
            LIMITS.into_iter().zip(get(at)).map(move |(limit, value)| (format!("{{{labels},limit=\"{limit}\"}}"), value))
        });
        family(name, kind, help, &samples.collect::<Vec<_>>());
    };
    by_limit("docmill_budget_limit_per_second", "gauge", "Limits of the account; 0 without a limit.", &|at| {
        accounts[at].2.limit_per_second
    });
    by_limit("docmill_budget_granted_per_second", "gauge", "Rates of the newest leases.", &|at| accounts[at].2.granted_per_second);
    by_limit("docmill_budget_used_total", "counter", "Amounts that processes have used.", &|at| accounts[at].2.used);
    let gauge = |get: &dyn Fn(usize) -> f64| -> Vec<(String, f64)> {
        accounts.iter().enumerate().map(|(at, (hash, label, _))| (format!("{{{}}}", of(hash, label)), get(at))).collect()
    };
    family("docmill_budget_in_flight", "gauge", "Requests in flight.", &gauge(&|at| f64::from(accounts[at].2.in_flight)));
    family("docmill_budget_processes", "gauge", "Processes with a lease.", &gauge(&|at| accounts[at].2.nodes as f64));
    family(
        "docmill_budget_closed_seconds",
        "gauge",
        "Seconds during which the provider wants no request.",
        &gauge(&|at| accounts[at].2.closed_s),
    );
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
