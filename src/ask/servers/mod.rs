//! The servers of an account: one, or several that share its calls.
//!
//! `choice` decides which server gets a call, from the state that `health` keeps of each. `probe`
//! finds out when a server is back. With a single server none of them acts: requests go to it as the
//! governor admits them.
//!
//! Provider, model and key identify the account and its answers. The list of servers does not, so a
//! change of the list asks nothing again.

mod choice;
mod endpoint;
mod health;
mod probe;
mod setting;
#[cfg(test)]
mod tests;

pub(super) use endpoint::Endpoint;
pub(super) use health::Sign;
pub(super) use probe::Prober;
pub use setting::ServerSetting;
pub(super) use setting::read_servers;

use super::dialect::RateLimitHeader;
use super::fault::{Class, Fault, Pressure, StopKind};
use super::timeouts::at;
use crate::model::{FailureCode, ServerUse};
use choice::{Choice, Seat};
use health::Health;
use parking_lot::Mutex;
use probe::Probes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The servers of an account.
#[derive(Debug)]
pub struct Servers {
    endpoints: Vec<Arc<Endpoint>>,
    settings: Vec<ServerSetting>,
    /// `None` for a single server.
    room: Option<Room>,
}

/// What several servers need.
#[derive(Debug)]
struct Room {
    shared: Arc<Shared>,
    probes: Probes,
}

/// The state that requests and probes share.
#[derive(Debug)]
struct Shared {
    choice: Mutex<Choice>,
    /// Messages about servers that went or came back.
    notes: Mutex<VecDeque<String>>,
    started: Instant,
}

/// Maximum number of messages that wait for their reader.
const NOTES: usize = 64;

impl Shared {
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn note(&self, message: String) {
        let mut notes = self.notes.lock();
        notes.truncate(NOTES - 1);
        notes.push_back(message);
    }
}

/// A place among the requests in flight of a server.
#[derive(Debug)]
pub(super) struct Place<'s> {
    servers: &'s Servers,
    /// The number of the server.
    pub server: usize,
    taken_at: f64,
    has_ended: bool,
}

impl Servers {
    /// `usual` is the maximum number of requests in flight at a server that has no limit of its own.
    pub(super) fn new(endpoints: Vec<Endpoint>, settings: Vec<ServerSetting>, usual: usize) -> Self {
        let endpoints: Vec<Arc<Endpoint>> = endpoints.into_iter().map(Arc::new).collect();
        let health = |setting: &ServerSetting| Health::new(setting.weight, setting.places(usual), 0.0);
        let room = (endpoints.len() > 1).then(|| {
            let choice = Mutex::new(Choice::new(settings.iter().map(health).collect()));
            Room { shared: Arc::new(Shared { choice, notes: Mutex::default(), started: Instant::now() }), probes: Probes::default() }
        });
        Self { endpoints, settings, room }
    }

    /// Whether there are several.
    pub fn are_several(&self) -> bool {
        self.room.is_some()
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// The addresses of the servers.
    pub fn addresses(&self) -> Vec<&str> {
        self.endpoints.iter().map(|endpoint| endpoint.base_url.as_str()).collect()
    }

    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().map(|endpoint| &**endpoint)
    }

    pub(super) fn endpoint(&self, server: usize) -> &Endpoint {
        &self.endpoints[server]
    }

    /// Sets the maximum number of requests in flight at servers without a limit of their own.
    pub fn set_usual(&self, usual: usize) {
        let Some(Room { shared, .. }) = &self.room else { return };
        let mut choice = shared.choice.lock();
        for (health, setting) in choice.servers.iter_mut().zip(&self.settings) {
            health.set_limit(setting.places(usual));
        }
        choice.dispatch(shared.now());
    }

    /// How the servers are used; empty for a single server.
    pub fn usage(&self) -> Vec<ServerUse> {
        let Some(Room { shared, .. }) = &self.room else { return Vec::new() };
        let (choice, now) = (shared.choice.lock(), shared.now());
        let used = |(health, endpoint): (&Health, &Arc<Endpoint>)| ServerUse {
            server: endpoint.base_url.clone(),
            state: health.state(now),
            in_flight: health.in_flight,
            places: health.places(),
            requests: health.requests,
            failures: health.failures,
            moved: health.moved,
        };
        choice.servers.iter().zip(&self.endpoints).map(used).collect()
    }

    /// Messages about servers since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        self.room.as_ref().map_or_else(Vec::new, |room| room.shared.notes.lock().drain(..).collect())
    }

    /// Whether no call waits for a server.
    pub(super) fn line_is_empty(&self) -> bool {
        self.room.as_ref().is_none_or(|room| room.shared.choice.lock().in_line() == 0)
    }

    /// Whether this server, one of several, has answered.
    pub(super) fn has_answered(&self, server: usize) -> Option<bool> {
        Some(self.room.as_ref()?.shared.choice.lock().servers[server].has_answered)
    }

    /// Sets the client that sends probes. The first one counts.
    pub(super) fn set_prober(&self, prober: impl FnOnce() -> Prober) {
        if let Some(room) = &self.room {
            room.probes.set_prober(prober);
        }
    }

    /// Waits for a place at a server. `avoid` is the server at which the call has just failed.
    pub(super) async fn place(&self, document: u64, avoid: Option<usize>) -> Place<'_> {
        let Some(Room { shared, .. }) = &self.room else {
            return Place { servers: self, server: 0, taken_at: 0.0, has_ended: false };
        };
        let turn = Arc::new(Notify::new());
        let seat = shared.choice.lock().enter(document, avoid, &turn, shared.now());
        let waiter = Waiter { shared, seat };
        loop {
            let changes_at = {
                let (mut choice, now) = (shared.choice.lock(), shared.now());
                if let Some(server) = choice.take(waiter.seat) {
                    return Place { servers: self, server, taken_at: now, has_ended: false };
                }
                choice.changes_at(now)
            };
            let changes_at = changes_at.map(|at| shared.started + Duration::try_from_secs_f64(at).unwrap_or_default());
            tokio::select! {
                biased;
                () = turn.notified() => {}
                () = at(changes_at) => shared.choice.lock().dispatch(shared.now()),
            }
        }
    }

    /// Whether the failure is a matter of its server and another server can take the call.
    fn can_move(&self, fault: &Fault, server: usize) -> bool {
        let Some(Room { shared, .. }) = &self.room else { return false };
        let is_of_server = match fault.class {
            Class::NotSent | Class::Refused { .. } | Class::RunFatal(StopKind::Refused | StopKind::Parked) => true,
            Class::Ambiguous => fault.code != FailureCode::BadReply,
            Class::Denied => self.has_answered(server) == Some(false),
            _ => false,
        };
        // If all servers refuse a wrong key or model, all are away in the end.
        is_of_server && shared.choice.lock().has_other(server, shared.now())
    }
}

/// A request that has ended at a server.
#[derive(Debug)]
pub(super) struct Ended<T> {
    pub result: Result<T, Fault>,
    pub server: usize,
    /// Whether it failed because of its server, and another server can take the call.
    pub can_move: bool,
    /// Whether the server is the only one, so that its limits are those of the account.
    is_alone: bool,
}

impl<T> Ended<T> {
    /// The rate limits that concern the whole account.
    pub fn rate_limits<'l>(&self, seen: &'l [RateLimitHeader]) -> &'l [RateLimitHeader] {
        if self.is_alone { seen } else { &[] }
    }

    /// The fault that concerns the whole account.
    pub fn fault(&self) -> Option<&Fault> {
        self.result.as_ref().err().filter(|_| self.is_alone)
    }
}

impl Servers {
    /// Returns a place. Limits and failures of one of several servers concern that server alone, and
    /// its messages name it.
    pub(super) fn ended<T>(&self, place: Place<'_>, mut result: Result<T, Fault>) -> Ended<T> {
        let (server, is_alone) = (place.server, !self.are_several());
        place.end(result.as_ref().err());
        let can_move = result.as_ref().is_err_and(|fault| self.can_move(fault, server));
        if let Err(fault) = &mut result
            && !is_alone
        {
            fault.message = format!("{}: {}", self.endpoints[server].base_url, fault.message);
        }
        Ended { result, server, can_move, is_alone }
    }
}

impl Place<'_> {
    /// Returns the place and records how the request ended.
    fn end(mut self, fault: Option<&Fault>) {
        let sign = sign(fault, self.servers.has_answered(self.server) == Some(true));
        self.give_back(sign, fault.map_or("", |fault| fault.message.as_str()));
    }

    fn give_back(&mut self, sign: Sign, why: &str) {
        self.has_ended = true;
        let Some(Room { shared, probes }) = &self.servers.room else { return };
        let is_set_aside = shared.choice.lock().end(self.server, sign, self.taken_at, shared.now());
        if is_set_aside {
            let endpoint = &self.servers.endpoints[self.server];
            shared.note(format!("{} is set aside: {why}. Calls go to the other servers until it answers again", endpoint.base_url));
            probes.start(shared, self.server, endpoint);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.give_back(Sign::Unknown, "");
        }
    }
}

/// A call in line. It leaves the line when it is dropped.
struct Waiter<'s> {
    shared: &'s Shared,
    seat: Seat,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.shared.choice.lock().leave(self.seat, self.shared.now());
    }
}

/// What the end of a request shows about its server.
fn sign(fault: Option<&Fault>, has_answered: bool) -> Sign {
    let Some(fault) = fault else { return Sign::Answered };
    let wait = fault.wait().map(|wait| wait.as_secs_f64());
    match (&fault.class, fault.pressure) {
        (Class::NotSent, _) => Sign::Gone,
        (Class::Ambiguous, _) if fault.code == FailureCode::TimedOut => Sign::TimedOut,
        (Class::Ambiguous, _) if fault.code == FailureCode::BadReply => Sign::Failed,
        (Class::Ambiguous | Class::RunFatal(_), _) => Sign::Gone,
        (Class::Denied, _) if !has_answered => Sign::Gone,
        (Class::Refused { .. }, Pressure::None) => wait.map_or(Sign::Failed, |wait| Sign::Busy(Some(wait))),
        (Class::Refused { .. }, Pressure::Rate | Pressure::Ramp) => Sign::Busy(Some(wait.unwrap_or(1.0))),
        (Class::Refused { .. }, Pressure::Overload | Pressure::Capacity) => Sign::Busy(wait),
        _ => Sign::Answered,
    }
}
