//! One of several servers, and how a run uses it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a run has used one of several servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Its address.
    pub server: String,
    /// Whether it takes requests.
    pub state: ServerState,
    /// Requests in flight.
    pub in_flight: usize,
    /// Maximum requests in flight at the moment. Refusals and timeouts lower it.
    pub places: usize,
    /// Requests that have ended.
    pub requests: u64,
    /// Requests that the server did not answer.
    pub failures: u64,
    /// Requests about documents that other requests had brought to another server.
    pub moved: u64,
}

/// Whether a server takes requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It takes requests.
    #[default]
    Up,
    /// It takes one request at a time until it has answered one.
    Trial,
    /// It has asked for a pause.
    Paused,
    /// It has not answered for much longer than usual, so it gets no further requests.
    Slow,
    /// It cannot be reached, or it fails. Probes find out when it is back.
    Away,
}

impl ServerState {
    /// Its name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Trial => "trial",
            Self::Paused => "paused",
            Self::Slow => "slow",
            Self::Away => "away",
        }
    }

    /// Whether the server takes requests.
    pub fn takes_requests(self) -> bool {
        matches!(self, Self::Up | Self::Trial)
    }
}

/// Such as `http://a:8000/v1 3 in flight` or `http://a:8000/v1 away`.
impl fmt::Display for ServerUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            ServerState::Up => write!(f, "{} {} in flight", self.server, self.in_flight),
            state => write!(f, "{} {}", self.server, state.as_str()),
        }
    }
}
