//! Chooses the server of each request, and the request that gets a place that became free.
//!
//! A document belongs to the server that got its first call. Its other calls wait for that server,
//! because it may have the beginning of their prompts in its cache. A free place goes to the server
//! with the fewest requests in flight relative to its weight. There, calls of its own documents and
//! of documents without a server go in the order of the documents.
//!
//! Promises:
//!
//! - While any server is up, no request goes to one that is away, paused or slow.
//! - No server has more requests in flight than places.
//! - No place of an open server stays free while a call waits that may take it. A call may take a
//!   place of another server only if many calls wait for its own server, and none for any server.
//!
//! The state is pure: the caller passes the time in seconds.

use super::health::{Health, Sign};
use crate::model::ServerState;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// The place of a call in line: the document, then the time of arrival.
pub(super) type Seat = (u64, u64);

/// A call that waits.
#[derive(Debug)]
struct Waiting {
    turn: Arc<Notify>,
    /// The server at which the call has just failed.
    avoid: Option<usize>,
}

type Line = BTreeMap<Seat, Waiting>;

/// The servers and the calls that wait for them.
#[derive(Debug)]
pub(super) struct Choice {
    pub servers: Vec<Health>,
    /// Calls that wait for the server of their document, by server.
    own: Vec<Line>,
    /// Calls that any server may take.
    free: Line,
    /// The servers of documents.
    of_document: BTreeMap<u64, usize>,
    /// Places that calls have got but not yet taken, by arrival.
    granted: HashMap<u64, usize>,
    /// Whether the documents of a server still wait for it.
    kept: Vec<bool>,
    arrivals: u64,
}

/// Documents whose server is remembered. Those of early documents are forgotten first.
const DOCUMENTS: usize = 1 << 15;
/// Other servers help if more than this fraction of the places of a server wait in its line, and no
/// other call waits. That happens at the end of a run.
const MANY: usize = 4;
/// Seconds of a pause for which calls wait for the server of their document.
const SHORT_S: f64 = 0.5;

impl Choice {
    pub fn new(servers: Vec<Health>) -> Self {
        let (own, kept) = servers.iter().map(|_| (Line::new(), true)).unzip();
        Self { servers, own, free: Line::new(), of_document: BTreeMap::new(), granted: HashMap::new(), kept, arrivals: 0 }
    }

    /// Adds a call to the line. `turn` is notified when it has got a place.
    pub fn enter(&mut self, document: u64, avoid: Option<usize>, turn: &Arc<Notify>, now: f64) -> Seat {
        self.arrivals += 1;
        let seat = (document, self.arrivals);
        let home = self.of_document.get(&document).copied().filter(|server| avoid != Some(*server) && self.keeps(*server, now));
        let line = home.map_or(&mut self.free, |server| &mut self.own[server]);
        line.insert(seat, Waiting { turn: Arc::clone(turn), avoid });
        self.dispatch(now);
        seat
    }

    /// Takes the place that the call has got, if it has.
    pub fn take(&mut self, seat: Seat) -> Option<usize> {
        self.granted.remove(&seat.1)
    }

    /// Removes a call from the line, and returns a place that it has not taken.
    pub fn leave(&mut self, seat: Seat, now: f64) {
        if let Some(server) = self.granted.remove(&seat.1) {
            self.not_sent(server, now);
            return;
        }
        let lines = self.own.iter_mut().chain([&mut self.free]);
        lines.for_each(|line| drop(line.remove(&seat)));
    }

    /// Takes the place of a request back that is not sent.
    pub fn not_sent(&mut self, server: usize, now: f64) {
        self.servers[server].not_sent();
        self.dispatch(now);
    }

    /// Records the end of a request. Returns whether its server is set aside now.
    pub fn end(&mut self, server: usize, sign: Sign, sent_at: f64, now: f64) -> bool {
        let is_set_aside = self.servers[server].end(sign, sent_at, now);
        self.dispatch(now);
        is_set_aside
    }

    /// A server has answered a probe.
    pub fn back(&mut self, server: usize, now: f64) {
        self.servers[server].back(now);
        self.dispatch(now);
    }

    /// Whether a call could go to another server than this one before long.
    pub fn has_other(&self, server: usize, now: f64) -> bool {
        (0..self.servers.len()).any(|other| other != server && self.keeps(other, now))
    }

    /// Calls that wait.
    pub fn in_line(&self) -> usize {
        self.free.len() + self.own.iter().map(Line::len).sum::<usize>()
    }

    /// The next time at which the choice may change without a request.
    pub fn changes_at(&self, now: f64) -> Option<f64> {
        self.servers.iter().filter_map(|server| server.changes_at(now)).reduce(f64::min)
    }

    /// Gives free places to calls.
    pub fn dispatch(&mut self, now: f64) {
        for server in 0..self.servers.len() {
            let keeps = self.keeps(server, now);
            if std::mem::replace(&mut self.kept[server], keeps) && !keeps {
                self.release(server);
            }
        }
        while let Some((server, seat)) = self.next(now) {
            self.grant(server, seat);
        }
    }

    /// Whether calls of its documents wait for this server.
    fn keeps(&self, server: usize, now: f64) -> bool {
        let health = &self.servers[server];
        health.closed_for(now) <= SHORT_S && health.state(now) != ServerState::Slow
    }

    /// Lets other servers take the documents of a server.
    fn release(&mut self, server: usize) {
        let mut line = std::mem::take(&mut self.own[server]);
        self.free.append(&mut line);
        self.of_document.retain(|_, own| *own != server);
    }

    /// The next free place, and the call for it.
    fn next(&self, now: f64) -> Option<(usize, Seat)> {
        let mut open: Vec<usize> = (0..self.servers.len()).filter(|server| self.servers[*server].has_place(now)).collect();
        if open.is_empty() || self.in_line() == 0 {
            return self.in_vain();
        }
        let order = |server: &usize| (self.servers[*server].load(), self.servers[*server].work());
        open.sort_by(|one, other| order(one).partial_cmp(&order(other)).unwrap_or(std::cmp::Ordering::Equal));
        let first = |line: &Line, server: usize| line.iter().find(|(_, call)| call.avoid != Some(server)).map(|(seat, _)| *seat);
        let suitable = |server: &usize| {
            let calls = [first(&self.own[*server], *server), first(&self.free, *server)];
            Some((*server, calls.into_iter().flatten().min()?))
        };
        let avoided = |server: &usize| Some((*server, *self.free.first_key_value().filter(|_| !self.has_other(*server, now))?.0));
        open.iter().find_map(suitable).or_else(|| open.iter().find_map(avoided)).or_else(|| Some((open[0], self.helped()?)))
    }

    /// The last call of the longest line, if many calls wait there for what the server takes at a time.
    fn helped(&self) -> Option<Seat> {
        let (server, line) = self.own.iter().enumerate().max_by_key(|(_, line)| line.len())?;
        let is_long = line.len() > self.servers[server].usual_places() / MANY;
        line.last_key_value().filter(|_| is_long).map(|(seat, _)| *seat)
    }

    /// A place at a server that is away, if all are. The call then fails, is repeated after a wait, and
    /// in the end stops the run.
    fn in_vain(&self) -> Option<(usize, Seat)> {
        if !self.servers.iter().all(Health::is_away) {
            return None;
        }
        let call = *self.free.first_key_value()?.0;
        let has_place = |server: &usize| self.servers[*server].in_flight < self.servers[*server].places();
        let server = (0..self.servers.len()).filter(has_place).min_by_key(|server| self.servers[*server].in_flight)?;
        Some((server, call))
    }

    fn grant(&mut self, server: usize, seat: Seat) {
        let lines = self.own.iter_mut().chain([&mut self.free]);
        let Some(call) = lines.into_iter().find_map(|line| line.remove(&seat)) else { return };
        let document = seat.0;
        let home = self.of_document.get(&document).copied().filter(|home| self.kept[*home]).unwrap_or(server);
        self.of_document.insert(document, home);
        self.servers[server].begin();
        if home == server {
            // The other calls of a new document.
            let others: Vec<Seat> = self.free.range((document, 0)..=(document, u64::MAX)).map(|(seat, _)| *seat).collect();
            for seat in others {
                if let Some(other) = self.free.remove(&seat) {
                    let line = if other.avoid == Some(server) { &mut self.free } else { &mut self.own[server] };
                    line.insert(seat, other);
                }
            }
        } else {
            self.servers[server].moved += 1;
        }
        while self.of_document.len() > DOCUMENTS {
            self.of_document.pop_first();
        }
        self.granted.insert(seat.1, server);
        call.turn.notify_one();
    }
}
