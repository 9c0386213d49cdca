//! Health and metrics of the server.

use super::runs::spent_since;
use crate::model::Money;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::{Filter, State as RunState};
use axum::Extension;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use std::fmt::Write as _;
use std::sync::Arc;

/// Whether the process answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// Whether the server takes submissions.
pub async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.stop.is_cancelled() {
        return Err(Problem::full("the server stops"));
    }
    let (has_room, has_disk) = app.blocking(|app| Ok((app.queue.has_room(app.settings.queue)?, app.has_disk()))).await?;
    match (has_room, has_disk) {
        (true, true) => Ok("ready\n"),
        (false, _) => Err(Problem::full("the queue is full (serve.queue)")),
        (true, false) => Err(Problem::full("the directory of the server is full (serve.disk_mb)")),
    }
}

/// Runs and money of the sender in the text format of Prometheus.
pub async fn metrics(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let (counts, runs, requests) = app
        .blocking(move |app| {
            let requests = app.gateway.money().of(Some(&caller.name));
            let (spent, reserved) = app.queue.money(Some(&caller.name))?;
            let at_work = Filter { state: Some(RunState::Running), before: None, limit: u32::MAX };
            let since: Money = app.queue.list(&caller.name, &at_work)?.iter().map(|run| spent_since(app, &run.id)).sum();
            Ok((app.queue.counts(&caller.name)?, (spent + since, reserved - since), (requests.spent, requests.reserved)))
        })
        .await?;
    let mut text = String::new();
    let mut family = |name: &str, help: &str, label: &str, samples: &mut dyn Iterator<Item = (&str, String)>| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (of, value) in samples {
            let _infallible = writeln!(text, "{name}{{{label}=\"{of}\"}} {value}");
        }
    };
    family("docmill_runs", "Runs of this key.", "state", &mut counts.iter().map(|(state, n)| (state.as_str(), n.to_string())));
    let usd = |money: Money| money.usd().to_string();
    let mut spent = [("runs", usd(runs.0)), ("requests", usd(requests.0))].into_iter();
    family("docmill_spent_usd", "US dollars that runs and requests of this key have spent.", "by", &mut spent);
    let mut reserved = [("runs", usd(runs.1)), ("requests", usd(requests.1))].into_iter();
    family("docmill_reserved_usd", "US dollars that they have reserved under caps of this key and the server.", "by", &mut reserved);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
