//! Events of a run as they happen (server-sent events).
//!
//! The stream has these events:
//!
//! - `run`: the run, at first and after each change of its state.
//! - `progress`: the newest counters. A slow client misses some.
//! - `event`: a fact, such as a document that is done. Its id lets a client go on after it with
//!   `Last-Event-ID`.
//! - `missed`: how many facts are no longer kept. The client should fetch the rows again.
//!
//! The stream ends after the last event of a run that has ended.

use super::find;
use super::runs::Run;
use crate::serve::app::App;
use crate::serve::keys::Caller;
use crate::serve::live::{Live, Position};
use crate::serve::problem::Problem;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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
    find(&app, &caller, &id).await?;
    let position = headers.get("last-event-id").and_then(|id| Position::parse(id.to_str().ok()?));
    let changed = app.changed.subscribe();
    let follower = Follower { app, caller, id, position, changed, live: None, shown: None, counters: String::new(), has_ended: false };
    let events =
        stream::unfold(follower, |mut follower| async move { follower.next().await.map(|events| (stream::iter(events), follower)) });
    let events = futures::StreamExt::flatten(events);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    // Some proxies collect a response before they pass it on.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

/// One client that follows a run.
struct Follower {
    app: Arc<App>,
    caller: Caller,
    id: String,
    position: Option<Position>,
    changed: watch::Receiver<u64>,
    /// The run at work. It is kept until its last event was sent.
    live: Option<Arc<Live>>,
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
            self.changed.borrow_and_update();
            // A removed run ends its streams.
            let run = Run::of(find(&self.app, &self.caller, &self.id).await.ok()?);
            if self.live.is_none() {
                self.live = crate::serve::queue::RunId::parse(&self.id).and_then(|id| self.app.live(&id));
            }
            let changes = self.live.as_ref().map(|live| {
                let mut changes = live.changes();
                changes.borrow_and_update();
                changes
            });
            if let Some(live) = self.live.clone() {
                let is_over = live.over.is_cancelled();
                self.add_events(&live, &mut events);
                if is_over {
                    self.live = None;
                }
            }
            self.has_ended = run.state.has_ended() && self.live.is_none();
            // The end is shown after the last event.
            if self.shown.as_ref() != Some(&run) && (self.has_ended || !run.state.has_ended()) {
                events.push(Ok(json_event("run", &run)));
                self.shown = Some(run);
            }
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
                changed = self.changed.changed() => changed.ok()?,
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
            events.push(Ok(Event::default().event("event").id(id).data(&**line)));
        }
        self.position = Some(next.position);
        let counters = live.counters.borrow().clone();
        if counters != self.counters {
            events.push(Ok(Event::default().event("progress").data(&counters)));
            self.counters = counters;
        }
    }
}

fn json_event(name: &str, value: &impl serde::Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(value).unwrap_or_default())
}
