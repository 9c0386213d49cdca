//! The place of a request at a server, and what the end of the request shows about the server.

use super::super::dialect::RateLimitHeader;
use super::super::fault::{Class, Fault, Pressure};
use super::health::Sign;
use super::{Room, Servers};
use crate::model::FailureCode;

/// A place among the requests in flight of a server.
#[derive(Debug)]
pub(in crate::ask) struct Place<'s> {
    servers: &'s Servers,
    /// The number of the server.
    pub server: usize,
    sent_at: Option<f64>,
    has_ended: bool,
}

/// A request that has ended at a server.
#[derive(Debug)]
pub(in crate::ask) struct Ended<T> {
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
    pub(in crate::ask) fn ended<T>(&self, place: Place<'_>, mut result: Result<T, Fault>) -> Ended<T> {
        let (server, is_alone) = (place.server, !self.are_several());
        // Such a call is repeated at /v1 of the same server.
        let lacks_v1 = |fault: &Fault| self.endpoints[server].may_lack_v1(fault.status) && self.has_answered(server) == Some(false);
        let is_misled = result.as_ref().is_err_and(lacks_v1);
        if !is_misled {
            place.end(result.as_ref().err());
        }
        let can_move = !is_misled && result.as_ref().is_err_and(|fault| self.can_move(fault, server));
        if let Err(fault) = &mut result
            && !is_alone
        {
            fault.message = format!("{}: {}", self.endpoints[server].base_url, fault.message);
        }
        Ended { result, server, can_move, is_alone }
    }
}

impl<'s> Place<'s> {
    pub(super) fn new(servers: &'s Servers, server: usize) -> Self {
        Self { servers, server, sent_at: None, has_ended: false }
    }

    /// The request is sent now.
    pub fn sent(&mut self) {
        if let Some(Room { shared, .. }) = &self.servers.room {
            let now = shared.now();
            shared.choice.lock().servers[self.server].sent(now);
            self.sent_at = Some(now);
        }
    }

    /// Returns the place and records how the request ended.
    fn end(mut self, fault: Option<&Fault>) {
        let sign = sign(fault, self.servers.has_answered(self.server) == Some(true));
        self.give_back(sign, fault.map_or("", |fault| fault.message.as_str()));
    }

    fn give_back(&mut self, sign: Sign, why: &str) {
        self.has_ended = true;
        let Some(Room { shared, probes }) = &self.servers.room else { return };
        let Some(sent_at) = self.sent_at else { return shared.choice.lock().not_sent(self.server, shared.now()) };
        let is_set_aside = shared.choice.lock().end(self.server, sign, sent_at, shared.now());
        if is_set_aside {
            let endpoint = &self.servers.endpoints[self.server];
            let message = format!("{} is set aside: {why}. Calls go to the other servers until it answers again", endpoint.base_url);
            shared.note(self.server, message);
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

/// Whether an attempt that failed because of its server does not count towards the maximum: the server
/// did not work on it, and its document is not the cause.
pub(in crate::ask) fn moves_freely(fault: &Fault) -> bool {
    fault.class != Class::Ambiguous && fault.code != FailureCode::ServerError
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
