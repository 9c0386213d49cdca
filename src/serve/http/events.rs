//! Events of a run as they happen (server-sent events).
//!
//! The stream has these events:
//!
//! - `run`: the run, at first and after each change of its state.
//! - `progress`: the newest counters. A slow client misses some.
//! - `event`: a fact, such as a document that is done. Its id lets a client go on after it with
//!   `Last-Event-ID`.
//! - `missed`: how many facts are no longer kept; null if that is unknown. The client should fetch
//!   the rows again.
//!
//! The stream ends after the last event of a run that has ended.

use super::find;
use super::runs::Run;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::live::{Live, Position};
use crate::serve::problem::Problem;
use crate::serve::queue::RunId;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Time between comments that keep the connection open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Follow a run
#[utoipa::path(get, path = "/api/runs/{id}/events", params(("id" = String, Path),
    ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event")),
    responses((status = OK, body = String, content_type = "text/event-stream"), (status = "default", body = Problem)))]
pub async fn events(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let changed = app.changed.subscribe();
    let id = find(&app, &caller, &id).await?.id;
    let position = headers.get("last-event-id").and_then(|id| Position::parse(id.to_str().ok()?));
    // The facts of a run are kept while it is at work, and by the same process.
    let has_missed = position.is_some_and(|position| app.live(&id).is_none_or(|live| !live.knows(position)));
    let follower =
        Follower { app, caller, id, position, changed, live: None, run: None, shown: None, counters: String::new(), has_ended: false };
    let events =
        stream::unfold(follower, |mut follower| async move { follower.next().await.map(|events| (stream::iter(events), follower)) });
    let missed = has_missed.then(|| Ok(Event::default().event("missed").data("null")));
    let events = stream::iter(missed).chain(events.flatten());
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    // Some proxies collect a response before they pass it on.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

/// One client that follows a run.
struct Follower {
    app: Arc<App>,
    caller: Caller,
    id: RunId,
    position: Option<Position>,
    changed: broadcast::Receiver<RunId>,
    /// The run at work. It is kept until its last event was sent.
    live: Option<Arc<Live>>,
    /// The run after its last change; `None` if it has changed since.
    run: Option<Run>,
    shown: Option<Run>,
    counters: String,
    has_ended: bool,
}

type Events = Vec<Result<Event, Infallible>>;

impl Follower {
    /// The next events; `None` at the end.
    async fn next(&mut self) -> Option<Events> {
        while !self.has_ended {
            let mut events = Events::new();
            let run = match self.run.take() {
                Some(run) => run,
                // A removed run ends its streams.
                None => Run::with_progress(&self.app, find(&self.app, &self.caller, self.id.as_str()).await.ok()?),
            };
            if self.live.is_none() {
                self.live = self.app.live(&self.id);
            }
            let changes = self.live.as_ref().map(|live| {
                let mut changes = live.changes();
                changes.borrow_and_update();
                changes
            });
            let mut is_over = false;
            if let Some(live) = self.live.clone() {
                is_over = live.over.is_cancelled();
                self.add_events(&live, &mut events);
                if is_over {
                    self.live = None;
                }
            }
            self.has_ended = run.state.has_ended() && self.live.is_none();
            // The end is shown after the last event.
            if self.shown.as_ref() != Some(&run) && (self.has_ended || !run.state.has_ended()) {
                events.push(Ok(json_event("run", &run)));
                self.shown = Some(run.clone());
            }
            // The queue is read again only after a change: events are much more frequent.
            self.run = Some(run).filter(|_| !is_over);
            if !events.is_empty() {
                return Some(events);
            }
            let of_run = async {
                match changes {
                    Some(mut changes) => drop(changes.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changes_of(&mut self.changed, &self.id) => self.run = None,
                () = of_run => {}
            }
        }
        None
    }

    /// Adds what has happened since the last events.
    fn add_events(&mut self, live: &Live, events: &mut Events) {
        let next = live.after(self.position);
        if next.missed > 0 {
            events.push(Ok(Event::default().event("missed").data(next.missed.to_string())));
        }
        let first = next.position.event - next.events.len() as u64;
        for (at, line) in next.events.iter().enumerate() {
            let id = Position { run: next.position.run, event: first + at as u64 + 1 }.id();
            events.push(Ok(Event::default().event("event").id(id).data(self.app.directories.without_places(line))));
        }
        self.position = Some(next.position);
        let counters = live.counters.borrow().clone();
        if counters != self.counters {
            events.push(Ok(Event::default().event("progress").data(&counters)));
            self.counters = counters;
        }
    }
}

/// Waits until a run has changed, or may have.
async fn changes_of(changed: &mut broadcast::Receiver<RunId>, run: &RunId) {
    loop {
        match changed.recv().await {
            Ok(other) if other != *run => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            // The server ends, and this stream with it.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn json_event(name: &str, value: &impl serde::Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(value).unwrap_or_default())
}
