//! Health and metrics of the server.

use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::problem::Problem;
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
    if app.blocking(|app| app.queue.has_room(app.settings.queue)).await? {
        return Ok("ready\n");
    }
    Err(Problem::full("the queue is full (serve.queue)"))
}

/// Counters of the sender's runs in the text format of Prometheus.
pub async fn metrics(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let counts = app.blocking(move |app| app.queue.counts(&caller.name)).await?;
    let mut text = String::from("# HELP docmill_runs Runs of this key by state.\n# TYPE docmill_runs gauge\n");
    for (state, n) in counts {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "docmill_runs{{state=\"{}\"}} {n}", state.as_str());
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
