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
//! | `embeddings` | inputs of several requests for vectors in one request to the provider |
//! | `responses` | responses that clients fetch again |
//! | `files`, `batches` | files of clients; requests in files, with a completion window |
//! | `purse`, `ledger` | money; the durable record of attempts |
//! | `error` | errors in OpenAI's form |

mod ask;
mod batches;
mod body_memory;
mod embeddings;
mod error;
mod files;
mod ledger;
mod purse;
mod request;
mod responses;
mod upstream;

pub use ask::{Answer, Asked, Stream, Whole};
pub use batches::{Batch, NewBatch};
pub use body_memory::BodyMemory;
pub use error::ApiError;
pub use files::{BATCH, FileRecord, LIFETIME_S, Page};
pub use ledger::IdleFile;
pub use purse::{Amount, Amounts, Cap, Caps, Purse};
pub use upstream::{Connect, Upstream};

use crate::ask::Accounts;
use crate::ask::packing::Packer;
use batches::Active;
use body_memory::Bodies;
use embeddings::Packs;
use files::Contents;
use ledger::Ledger;
use parking_lot::MutexGuard;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, OnceLock};
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
    /// Cancelled when the server stops. Requests that were not sent then end.
    stop: CancellationToken,
    /// Cancelled when requests in flight must end too.
    abandon: CancellationToken,
    store: bool,
    contents: Contents,
    active: Active,
    bodies: Bodies,
    /// How long an input for vectors waits for others; `None` if it travels alone.
    max_wait: Option<Duration>,
    packer: OnceLock<Packer<Packs>>,
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
    /// How long an input for vectors waits for others; zero if it travels alone.
    pub max_wait: Duration,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

impl Gateway {
    /// Opens the ledger in `directory`.
    pub fn open(directory: &Path, settings: GatewaySettings) -> Result<Self, String> {
        let GatewaySettings { connect, accounts, caps, models, store, max_wait, stop } = settings;
        let max_wait = Some(max_wait).filter(|wait| !wait.is_zero());
        let ledger = Ledger::open(directory)?;
        let purse = Purse::new(ledger.spent().map_err(|error| error.to_string())?);
        let contents = Contents::create(directory).map_err(|error| error.to_string())?;
        contents.remove_others(&ledger.reader()).map_err(|error| error.to_string())?;
        let abandon = CancellationToken::new();
        let relays = Relays::new(connect, accounts, models, stop.clone(), abandon.clone());
        let (tasks, active) = (TaskTracker::new(), Active::default());
        Ok(Self {
            ledger,
            purse,
            caps,
            relays,
            tasks,
            stop,
            abandon,
            store,
            contents,
            active,
            bodies: Bodies::default(),
            max_wait,
            packer: OnceLock::new(),
        })
    }

    /// Locks the purse, to reserve money for a run.
    pub fn money(&self) -> MutexGuard<'_, Amounts> {
        self.purse.lock()
    }

    /// The memory for the body of a new request.
    pub fn body_memory(&self) -> BodyMemory {
        self.bodies.begin()
    }

    /// Waits until money of a request is settled.
    pub async fn settled(&self) {
        self.purse.settled().notified().await;
    }

    /// Creates the account before the first request. If that is impossible, says why.
    pub async fn connect(&self) {
        self.relays.connect().await;
    }

    /// The models that clients may ask for.
    pub async fn models(&self) -> Result<Vec<String>, ApiError> {
        self.relays.models().await
    }

    /// Works on batches, at most `batches` at a time. After the server was stopped, drains requests
    /// in flight and closes the ledger.
    pub async fn run(self: Arc<Self>, batches: usize) {
        let work = async {
            self.work_on_batches(batches).await;
            self.tasks.close();
            self.tasks.wait().await;
            self.ledger.close().await;
        };
        let abandon = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.relays.drain_s().map_or(Duration::ZERO, Duration::from_secs)).await;
            self.abandon.cancel();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            () = work => {}
            never = abandon => match never {},
        }
    }

    /// Removes ended batches, files and records from before `ms`, in milliseconds since 1970, and
    /// files whose lifetime is over. Money that was spent still counts.
    pub async fn remove_before(&self, ms: i64) -> Result<(), ApiError> {
        let files = self.ledger.remove_before(ms).await?;
        self.remove_content(files).await
    }
}
