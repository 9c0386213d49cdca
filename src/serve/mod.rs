//! A server that runs jobs for clients: a queue, a REST API, events and results. It also relays
//! requests in OpenAI's format.
//!
//! ```text
//!  client ──> http ──> staging ──> queue ──> scheduler ──> runner ──> engine::run
//!    ^         (checks)  (files)   (SQLite)   (serve.runs)     │          │
//!    └── rows, results, events <── run store, live <───────────┴──────────┘
//! ```
//!
//! A run is a directory with its own run store, so all commands work on it: `docmill status --output
//! DIR/runs/ID`. The queue knows only submissions and states. After a restart, runs that were at
//! work go on from their run stores: nothing is lost, and no answered call is paid again.
//!
//! | files | what they do |
//! |---|---|
//! | `settings`, `keys` | the section `[serve]`; who may do what |
//! | `submission`, `allowed` | what a client submits, and which settings it can change |
//! | `staging`, `directories` | its files |
//! | `queue` | states, order and caps of runs |
//! | `scheduler`, `runner`, `live` | start runs; do the work of one; its controls and events |
//! | `orders` | pause and cancel a run, from clients and terminals |
//! | `requests` | the gateway for requests in OpenAI's format: account and caps |
//! | `http` | routes, checks of requests, and their description |
//! | `webhooks` | messages to clients whose runs have ended |
//! | `proxies`, `tls` | who is in front of the server; HTTPS |
//! | `page/` | the page for people: HTML, style and script |

mod allowed;
mod app;
mod directories;
mod http;
mod keys;
mod live;
mod orders;
mod problem;
mod proxies;
mod queue;
mod report;
mod requests;
mod retention;
mod runner;
mod scheduler;
mod settings;
mod staging;
mod submission;
mod thumbnails;
mod tls;
mod webhooks;

pub use allowed::client_may_change;
pub use http::listen;
pub use keys::{KeyFile, Keys};
pub use settings::ServeSettings;
pub use tls::Tls;

use crate::ask::Accounts;
use crate::setup::{Environment, SettingsSource};
use crate::store::{LockError, RunLock};
use crate::write::PostgresAddress;
use app::App;
use directories::Directories;
use parking_lot::Mutex;
use proxies::Proxies;
use queue::Queue;
use requests::GatewayParts;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use thumbnails::ThumbnailMaker;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use webhooks::{Secrets, Webhooks};

/// Estimates at a time.
const ESTIMATES: usize = 2;
/// Changes of runs that an event stream may be behind before it looks itself.
const CHANGES: usize = 1024;

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    _lock: RunLock,
}

/// Where a server gets the settings of its runs.
#[derive(Debug)]
pub struct RunDefaults {
    /// Settings files and arguments.
    pub source: SettingsSource,
    /// Variables and working directory.
    pub environment: Environment,
    /// The job of the settings.
    pub job: String,
    /// Where runs work. A runtime of their own keeps responses to clients quick.
    pub runtime: Handle,
    /// A port that the service manager has opened, instead of `serve.bind`.
    pub listener: Option<std::net::TcpListener>,
}

/// Why a server cannot start.
#[derive(Debug)]
pub enum OpenError {
    /// Another docmill is at work in its directory.
    Busy(String),
    /// Settings, files or the port are wrong.
    Unusable(String),
}

impl From<String> for OpenError {
    fn from(message: String) -> Self {
        Self::Unusable(message)
    }
}

impl Server {
    /// Opens the directory and the port. The error names the cause and the cure.
    pub async fn open(settings: ServeSettings, defaults: RunDefaults) -> Result<Self, OpenError> {
        let RunDefaults { mut source, environment, job, runtime, listener } = defaults;
        let listener = match listener {
            None => listen_on(settings.address()?).await?,
            Some(open) => {
                let taken = open.set_nonblocking(true).and_then(|()| TcpListener::from_std(open));
                let taken = taken.and_then(|listener| Ok((listener.local_addr()?, listener)));
                let (address, listener) = taken.map_err(|error| format!("the socket of the service manager cannot be used: {error}"))?;
                settings.check(address)?;
                listener
            }
        };
        let tls = Some(&settings).filter(|settings| !settings.cert.is_empty());
        let tls =
            tls.map(|settings| Tls::load(environment.path(&settings.cert), environment.path(&settings.key)).map(Arc::new)).transpose()?;
        let proxies = Proxies::parse(&settings.proxies)?;
        let keys = Some(&settings.keys)
            .filter(|keys| !keys.is_empty())
            .map(|file| KeyFile::load(environment.path(file)).map(Arc::new))
            .transpose()?;
        let secrets = {
            let keys = keys.as_ref().map(|file| file.keys());
            let of_keys = keys.iter().flat_map(|keys| keys.webhook_secrets());
            Secrets::resolve(&settings.webhook_secrets, of_keys, |name| environment.variables.get(name).cloned())?
        };
        let webhooks = Webhooks::new(secrets, settings.webhook_private)?;
        let root = environment.path(&settings.dir);
        let opening = tokio::task::spawn_blocking(move || open(&root)).await.map_err(|error| error.to_string())?;
        let (lock, directories, queue) = opening?;
        let (queue, accounts, stop) = (Arc::new(queue), Arc::<Accounts>::default(), CancellationToken::new());
        // Relative settings of runs mean the directory of the server's process.
        source.flags.append(&mut flags_of(&source.set));
        source.set.clear();
        check_database(&source, &environment)?;
        let parts = GatewayParts {
            settings: &settings,
            source: &source,
            environment: &environment,
            keys: keys.as_ref(),
            queue: &queue,
            directories: &directories,
            accounts: &accounts,
            stop: &stop,
        };
        let gateway = Arc::new(tokio::task::block_in_place(|| requests::open(&environment.path(&settings.dir), parts))?);
        let app = App {
            settings,
            source,
            environment,
            default_job: job,
            runtime,
            keys,
            queue,
            directories,
            gateway,
            accounts,
            proxies,
            webhooks,
            live: Mutex::new(HashMap::new()),
            at_work: AtomicUsize::new(0),
            wake: Notify::new(),
            ended: Notify::new(),
            changed: broadcast::Sender::new(CHANGES),
            stop,
            estimates: Semaphore::new(ESTIMATES),
            thumbnails: ThumbnailMaker::default(),
        };
        let app = Arc::new(app);
        // Caps need the money that was spent before the server was killed.
        let ended = runner::end_interrupted(&app).await;
        ended.map_err(|problem| format!("runs at work when the server ended: {}", problem.detail))?;
        Ok(Self { app, listener, tls, _lock: lock })
    }

    /// The address on which the server listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Cancelled to stop the server. Runs at work then finish their requests in flight.
    pub fn stop(&self) -> CancellationToken {
        self.app.stop.clone()
    }

    /// The certificates, to read them again when they have been renewed. `None` for plain HTTP.
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// The key file, to read it again when it has been changed. `None` for a server without keys.
    pub fn keys(&self) -> Option<Arc<KeyFile>> {
        self.app.keys.clone()
    }

    /// Serves requests and works on the queue until the server is stopped.
    pub async fn run(self) {
        let Self { app, listener, tls, _lock } = self;
        let router = http::router(&app);
        let over = CancellationToken::new();
        let mut beside = JoinSet::new();
        // The page and earlier results need no account, so the server does not wait for it.
        let gateway = Arc::clone(&app.gateway);
        beside.spawn(async move { gateway.connect().await });
        beside.spawn(retention::keep_within_limits(Arc::clone(&app)));
        beside.spawn(webhooks::deliver(Arc::clone(&app)));
        beside.spawn(requests::wake_runs(Arc::clone(&app)));
        let work = async {
            tokio::join!(scheduler::schedule(Arc::clone(&app)), Arc::clone(&app.gateway).run(app.settings.runs));
            over.cancel();
        };
        tokio::join!(work, http::listen(&listener, &router, tls.as_ref(), app.settings.connections, &over));
        beside.shutdown().await;
    }
}

/// Checks the database of the settings, which gets the rows of all runs. Each run has a table of its own.
fn check_database(source: &SettingsSource, environment: &Environment) -> Result<(), String> {
    let (_, settings) = tokio::task::block_in_place(|| source.load(environment)).map_err(|error| error.to_string())?;
    let address = PostgresAddress::of(&settings.output, &[], |name| environment.variables.get(name).cloned());
    let address = address.map_err(|(key, why)| format!("{key}: {why}"))?;
    let table = &settings.output.postgres_table;
    if address.is_some() && !table.contains("{dir}") {
        return Err(format!(
            "output.postgres_table \"{table}\": a table holds the rows of one run, so the names of the tables of runs must differ. Add {{dir}}, \
            the id of the run, such as \"docmill_{{job}}_{{dir}}\", or remove output.postgres"
        ));
    }
    Ok(())
}

async fn listen_on(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("serve.bind: cannot listen on {address}: {error}. Choose another port, or 0 for any free port"))
}

/// Opens the directory of a server. Removes files of runs that are not in the queue.
fn open(root: &Path) -> Result<(RunLock, Directories, Queue), OpenError> {
    let error = |why: &dyn std::fmt::Display| format!("serve.dir {}: {why}", root.display());
    if root.is_file() {
        return Err(error(&"this is a file. Name a directory for the queue and the runs").into());
    }
    std::fs::create_dir_all(root).map_err(|e| error(&e))?;
    let lock = RunLock::acquire(root).map_err(|e| {
        let message = error(&e);
        if matches!(e, LockError::Held { .. }) { OpenError::Busy(message) } else { OpenError::Unusable(message) }
    })?;
    lock.say("docmill serve").map_err(|e| error(&e))?;
    let directories = Directories::create(root).map_err(|e| error(&e))?;
    let queue = Queue::open(root).map_err(|problem| error(&problem.detail))?;
    for id in directories.with_files() {
        if !queue.has(&id).map_err(|problem| error(&problem.detail))? {
            directories.remove(&id).map_err(|e| error(&e))?;
        }
    }
    Ok((lock, directories, queue))
}

/// Settings given as `KEY=VALUE`, as arguments that later ones override.
fn flags_of(set: &[String]) -> Vec<(String, String, String)> {
    let split = set.iter().filter_map(|set| set.split_once('='));
    split.map(|(key, value)| (key.trim().to_owned(), value.to_owned(), "--set".to_owned())).collect()
}
