//! What docmill processes and the budget service say to each other.
//!
//! A process sends a [`LeaseRequest`] once a second, however many calls it makes. Amounts and money
//! are sums since the beginning, so a message that arrives twice, or whose reply is lost, changes
//! nothing. `crate::budget` is the service.

use crate::model::Money;
use serde::{Deserialize, Serialize};

/// Version of the messages.
pub const LEASE_VERSION: u32 = 1;
/// Path of the route for leases.
pub const LEASE_PATH: &str = "v1/lease";

/// One number for each limit: requests, input tokens, output tokens, tokens.
pub type PerLimit<T> = [T; 4];

/// What a process may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Amounts per second; `None` without a limit.
    pub per_second: PerLimit<Option<f64>>,
    /// Maximum amounts at once.
    pub burst: PerLimit<f64>,
    /// Maximum requests in any `window_s` seconds; `None` without a limit of requests.
    pub most: Option<u32>,
    /// Seconds of the window.
    pub window_s: f64,
    /// Maximum requests in flight; `None` without a limit.
    pub in_flight: Option<u32>,
}

/// A message to the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// [`LEASE_VERSION`].
    pub version: u32,
    /// A random name of the process.
    pub node: String,
    /// A hash of address, model and key of the account.
    pub account: String,
    /// The name of the account for people.
    pub label: String,
    /// Number of the newest lease that the process has; 0 for none.
    pub lease: u64,
    /// What the lease allows, for a service that was restarted.
    pub held: Rates,
    /// Seconds until the lease expires; 0 if it has.
    pub held_s: f64,
    /// Whether requests wait for the lease.
    pub waits: bool,
    /// Amounts used since the process began.
    pub used: PerLimit<f64>,
    /// Requests in flight.
    pub in_flight: u32,
    /// Seconds during which the provider wants no request.
    pub closed_s: f64,
    /// How many refusals said that the usage grows too fast, since the process began.
    pub ramps: u32,
    /// Limits per minute in the headers of replies; 0 if unknown.
    pub declared: PerLimit<f64>,
    /// Whether the process sends nothing more.
    pub leaves: bool,
    /// The runs of the process.
    pub spenders: Vec<Spending>,
}

/// The money of a run. All amounts are sums, with what earlier runs on the same store have spent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spending {
    /// The name of the run store.
    pub id: String,
    /// What counts as spent.
    pub spent: Money,
    /// The sum that the next request needs; not more than granted if there is room.
    pub needs: Money,
    /// The sum for the next seconds.
    pub wants: Money,
    /// Whether the run has ended, and `spent` is final.
    pub ended: bool,
    /// Stores of processes that have ended, and what was spent there.
    pub settled: Vec<(String, Money)>,
}

/// The reply of the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaseReply {
    /// Number of the lease.
    pub lease: u64,
    /// Seconds for which the lease is valid, from the time at which the request was sent.
    pub term_s: f64,
    /// What the process may use.
    pub rates: Rates,
    /// What it may use when the service is away and the lease has expired; `None` for nothing.
    pub safe: Option<Rates>,
    /// Seconds during which the provider wants no request.
    pub closed_s: f64,
    /// The answers to `spenders`.
    pub grants: Vec<Grant>,
}

/// What a run may spend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The name of the run store.
    pub id: String,
    /// The sum that it may spend; `None` without a cap.
    pub granted: Option<Money>,
    /// Whether the purse has no room for what it needs.
    pub refused: bool,
    /// Whether another process on the same store may still spend.
    pub waits: bool,
}
