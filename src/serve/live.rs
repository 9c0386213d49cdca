//! A run at work: its controls, its counters, and its latest events.

use crate::control::{Answer, Asked, Request};
use crate::engine::{StopToken, Watcher};
use crate::event::{RunEvent, line};
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Events that are kept for clients that connect again.
const KEPT: usize = 1024;

/// A run at work.
#[derive(Debug)]
pub struct Live {
    /// Stops the run.
    pub stop: StopToken,
    requests: mpsc::Sender<Asked>,
    log: Mutex<Log>,
    /// The newest counters as a line of JSON; empty at first. Other terminals see them too.
    pub counters: Arc<watch::Sender<String>>,
    /// Counts events and changed counters.
    changes: watch::Sender<u64>,
    /// Cancelled after the last event.
    pub over: CancellationToken,
    /// The first event as a line of JSON.
    pub started: tokio::sync::OnceCell<String>,
}

/// The latest events, numbered.
#[derive(Debug, Default)]
struct Log {
    /// Number of the run in its run store. Event ids of an earlier one are unknown.
    run: i64,
    /// Number of events so far.
    events: u64,
    latest: VecDeque<Arc<str>>,
}

impl Log {
    fn knows(&self, position: Position) -> bool {
        position.run == self.run && position.event <= self.events
    }
}

/// A position among the events of a run: the run's number in its store, and the event's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the run in its run store.
    pub run: i64,
    /// Number of events that came before.
    pub event: u64,
}

impl Position {
    /// Parses the id of an event.
    pub fn parse(id: &str) -> Option<Self> {
        let (run, event) = id.split_once('.')?;
        Some(Self { run: run.parse().ok()?, event: event.parse().ok()? })
    }

    /// The id of the last event before this position.
    pub fn id(self) -> String {
        format!("{}.{}", self.run, self.event)
    }
}

/// Events from a position on.
#[derive(Debug)]
pub struct Next {
    /// The position after them.
    pub position: Position,
    /// Events that are no longer kept.
    pub missed: u64,
    /// The events as lines of JSON.
    pub events: Vec<Arc<str>>,
}

impl Live {
    /// A run whose requests go to `requests`.
    pub fn new(stop: StopToken, requests: mpsc::Sender<Asked>) -> Self {
        Self {
            stop,
            requests,
            log: Mutex::default(),
            counters: Arc::new(watch::Sender::new(String::new())),
            changes: watch::Sender::new(0),
            over: CancellationToken::new(),
            started: tokio::sync::OnceCell::new(),
        }
    }

    /// Sends a request to the run and waits for its response.
    pub async fn ask(&self, request: Request) -> Answer {
        // The run no longer takes requests when it has ended, but its channel may still be open.
        let asked = self.over.run_until_cancelled(Asked::ask(&self.requests, request)).await;
        asked.unwrap_or_else(|| Answer::Refused("the run is ending".to_owned()))
    }

    /// Waits for changes of this receiver.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Number of the run in its run store; 0 until it has started.
    pub fn run(&self) -> i64 {
        self.log.lock().run
    }

    /// Whether a position is among the events of this run, so that the missed ones can be counted.
    pub fn knows(&self, position: Position) -> bool {
        self.log.lock().knows(position)
    }

    /// The events after a position. An unknown position means all that are kept.
    pub fn after(&self, position: Option<Position>) -> Next {
        let log = self.log.lock();
        let from = position.filter(|at| log.knows(*at)).map_or(0, |at| at.event);
        let first = log.events - log.latest.len() as u64;
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let events = log.latest.iter().skip(skip).cloned().collect();
        Next { position: Position { run: log.run, event: log.events }, missed: first.saturating_sub(from), events }
    }

    /// Ends the event streams.
    pub fn close(&self) {
        self.over.cancel();
        self.changes.send_modify(|n| *n += 1);
    }

    fn keep(&self, event: &RunEvent) {
        if matches!(event, RunEvent::Progress(_)) {
            if let Some(line) = line(event, Timestamp::now()) {
                self.counters.send_replace(line);
            }
        } else if let Some(line) = line(event, Timestamp::now()) {
            let mut log = self.log.lock();
            if let RunEvent::Started { run, .. } = event {
                log.run = *run;
                // A run starts once, so the value is empty.
                let _first = self.started.set(line.clone());
            }
            log.events += 1;
            log.latest.push_back(line.into());
            if log.latest.len() > KEPT {
                log.latest.pop_front();
            }
        }
        self.changes.send_modify(|n| *n += 1);
    }
}

impl Watcher for Live {
    fn offer(&self, event: RunEvent) {
        self.keep(&event);
    }

    fn tell(&self, event: RunEvent) -> BoxFuture<'_, ()> {
        self.keep(&event);
        std::future::ready(()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Live {
        Live::new(StopToken::default(), mpsc::channel(1).0)
    }

    fn note(n: u64) -> RunEvent {
        RunEvent::Note { message: format!("n{n}") }
    }

    #[test]
    fn a_client_that_connects_again_gets_what_it_has_not_seen() {
        let live = live();
        live.offer(RunEvent::Started { version: 1, run: 7, provider: "p".into(), model: "m".into(), jobs: vec![], output: "o".into() });
        (1..=3).for_each(|n| live.offer(note(n)));
        let all = live.after(None);
        assert_eq!((all.events.len(), all.missed, all.position.id().as_str()), (4, 0, "7.4"));
        let rest = live.after(Position::parse("7.2"));
        assert!(rest.events.len() == 2 && rest.events[0].contains("n2"), "{rest:?}");
        assert_eq!(live.after(Some(all.position)).events.len(), 0);
        // Ids of another run, of the future and of no run mean everything.
        for id in ["6.2", "7.99"] {
            let position = Position::parse(id);
            assert_eq!((live.after(position).events.len(), live.knows(position.unwrap())), (4, false), "{id}");
        }
        assert!(live.knows(all.position));
        assert_eq!(Position::parse("x.1"), None);
    }

    #[test]
    fn events_are_bounded_and_gaps_are_counted() {
        let live = live();
        (1..=KEPT as u64 + 10).for_each(|n| live.offer(note(n)));
        let next = live.after(Some(Position { run: 0, event: 4 }));
        assert_eq!((next.events.len(), next.missed), (KEPT, 6));
        assert!(next.events[0].contains("n11\""), "{:?}", next.events[0]);
    }

    #[tokio::test]
    async fn requests_to_an_ended_run_are_refused() {
        let (requests, _kept) = mpsc::channel(1);
        let live = Live::new(StopToken::default(), requests);
        live.close();
        assert_eq!(live.ask(Request::Pause).await, Answer::Refused("the run is ending".into()));
    }
}
