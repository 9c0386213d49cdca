//! Requests that clients wrote for OpenAI's API: they go through governor, retries, caps and ledger.
//!
//! ```text
//!  client ──> serve/http/openai ──> Gateway::ask ──> Relay (ask) ──> provider
//!                                      │   └── Purse: caps of keys and server, shared with runs
//!                                      └────── Ledger: requests.db, one writer, commits in groups
//! ```
//!
//! This module knows no HTTP server and no settings file. The server passes the account, the caps
//! and the directory. A request goes on to its end after it was sent, even if its client has gone,
//! so that its cost is known.
//!
//! | files | what they do |
//! |---|---|
//! | `request` | read what docmill needs of a request: model, bounds of tokens and cost |
//! | `ask` | ask one request: stored answer, caps, relay, events of a stream |
//! | `upstream` | the account, and a relay for each model |
//! | `purse`, `ledger` | money; the durable record of attempts |
//! | `error` | errors in OpenAI's form |

mod ask;
mod error;
mod ledger;
mod purse;
mod request;
mod upstream;

pub use ask::{Answer, Asked, Stream, Whole};
pub use error::ApiError;
pub use purse::{Amount, Amounts, Cap, Caps, Purse};
pub use upstream::{Connect, Upstream};

use crate::ask::Accounts;
use ledger::Ledger;
use parking_lot::MutexGuard;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use upstream::Relays;

/// Relays the requests of all clients of a server.
#[derive(Debug)]
pub struct Gateway {
    ledger: Ledger,
    purse: Purse,
    caps: Box<dyn Caps>,
    relays: Relays,
    /// Requests that were accepted and have not ended.
    tasks: TaskTracker,
    /// Cancelled when requests in flight must end too.
    abandon: CancellationToken,
    store: bool,
}

/// What a gateway needs.
pub struct GatewaySettings {
    /// Creates the account at the first request.
    pub connect: Connect,
    /// Limits of the accounts, shared with runs.
    pub accounts: Arc<Accounts>,
    /// The caps on money.
    pub caps: Box<dyn Caps>,
    /// Models that clients may ask for; empty for all of the account.
    pub models: Vec<String>,
    /// Whether identical requests get a stored answer.
    pub store: bool,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

impl Gateway {
    /// Opens the ledger in `directory`.
    pub fn open(directory: &Path, settings: GatewaySettings) -> Result<Self, String> {
        let GatewaySettings { connect, accounts, caps, models, store, stop } = settings;
        let ledger = Ledger::open(directory)?;
        let purse = Purse::new(ledger.spent().map_err(|error| error.to_string())?);
        let abandon = CancellationToken::new();
        let relays = Relays::new(connect, accounts, models, stop, abandon.clone());
        Ok(Self { ledger, purse, caps, relays, tasks: TaskTracker::new(), abandon, store })
    }

    /// Locks the purse, to reserve money for a run.
    pub fn money(&self) -> MutexGuard<'_, Amounts> {
        self.purse.lock()
    }

    /// Waits until money of a request is settled.
    pub async fn settled(&self) {
        self.purse.settled().notified().await;
    }

    /// The models that clients may ask for.
    pub async fn models(&self) -> Result<Vec<String>, ApiError> {
        self.relays.models().await
    }

    /// Removes records from before `ms`, in milliseconds since 1970.
    pub async fn remove_before(&self, ms: i64) -> Result<(), String> {
        self.ledger.remove_before(ms).await.map_err(|error| error.to_string())
    }

    /// Drains requests in flight after the server was stopped, and closes the ledger.
    pub async fn drain(&self) {
        self.tasks.close();
        let drain = self.relays.drain_s().map_or(Duration::ZERO, Duration::from_secs);
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            self.abandon.cancel();
            self.tasks.wait().await;
        }
        self.ledger.close().await;
    }
}
