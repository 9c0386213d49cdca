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
mod place;
mod probe;
mod setting;
#[cfg(test)]
mod tests;

pub(super) use endpoint::Endpoint;
pub(super) use place::{Ended, Place, moves_freely};
pub(super) use probe::Prober;
pub use setting::ServerSetting;
pub(super) use setting::read_servers;

use super::fault::{Class, Fault, StopKind};
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

    /// Keeps a message about a server, unless it would repeat earlier ones.
    fn note(&self, server: usize, message: String) {
        if self.choice.lock().servers[server].is_known_bad() {
            return;
        }
        let mut notes = self.notes.lock();
        notes.truncate(NOTES - 1);
        notes.push_back(message);
    }
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

    /// The sum of their weights.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "weights are positive and at most 1000")]
    pub fn weight(&self) -> usize {
        self.settings.iter().map(|setting| setting.weight).sum::<f64>().round().max(1.0) as usize
    }

    /// The same as a number of attempts.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX)
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
            return Place::new(self, 0);
        };
        let turn = Arc::new(Notify::new());
        let seat = shared.choice.lock().enter(document, avoid, &turn, shared.now());
        let waiter = Waiter { shared, seat };
        loop {
            let changes_at = {
                let (mut choice, now) = (shared.choice.lock(), shared.now());
                if let Some(server) = choice.take(waiter.seat) {
                    return Place::new(self, server);
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
