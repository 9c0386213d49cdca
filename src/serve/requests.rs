//! The gateway of a server: its account, and the caps that it shares with runs.

use super::app::App;
use super::directories::Directories;
use super::keys::KeyFile;
use super::queue::Queue;
use super::settings::ServeSettings;
use crate::ask::Accounts;
use crate::gateway::{Amount, Cap, Caps, Connect, Gateway, GatewaySettings};
use crate::model::Money;
use crate::setup::{Environment, SettingsSource, upstream};
use jiff::Zoned;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Shortest time between two looks for runs that wait for money.
const PAUSE: Duration = Duration::from_secs(1);

/// Everything of the server that its gateway uses.
#[derive(Clone, Copy)]
pub struct GatewayParts<'p> {
    pub settings: &'p ServeSettings,
    pub source: &'p SettingsSource,
    pub environment: &'p Environment,
    pub keys: Option<&'p Arc<KeyFile>>,
    pub queue: &'p Arc<Queue>,
    pub directories: &'p Directories,
    pub accounts: &'p Arc<Accounts>,
    pub stop: &'p CancellationToken,
}

/// Opens the gateway in the directory of the server.
pub fn open(root: &Path, parts: GatewayParts<'_>) -> Result<Gateway, String> {
    let GatewayParts { settings, source, environment, keys, queue, directories, accounts, stop } = parts;
    let server = (settings.max_usd > 0.0).then(|| Money::from_usd(settings.max_usd));
    let settings = GatewaySettings {
        connect: connect(source.clone(), environment.clone()),
        accounts: Arc::clone(accounts),
        caps: Box::new(SharedCaps {
            server,
            keys: keys.cloned(),
            queue: Arc::clone(queue),
            directories: directories.clone(),
            disk_mb: settings.disk_mb,
        }),
        models: settings.models.clone(),
        store: settings.store,
        max_wait: Duration::from_millis(settings.max_wait_ms),
        stop: stop.clone(),
    };
    Gateway::open(root, settings)
}

/// Creates the account of the settings, as for a run.
fn connect(source: SettingsSource, environment: Environment) -> Connect {
    Box::new(move || {
        let (source, environment) = (source.clone(), Environment { now: Zoned::now(), ..environment.clone() });
        Box::pin(async move {
            let loaded = tokio::task::spawn_blocking(move || source.load(&environment).map(|loaded| (loaded, environment)));
            let ((config, settings), environment) = loaded.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
            upstream(&environment, &config, settings).await.map_err(|error| error.to_string())
        })
    })
}

/// The caps of the server and its keys.
#[derive(Debug)]
struct SharedCaps {
    server: Option<Money>,
    keys: Option<Arc<KeyFile>>,
    queue: Arc<Queue>,
    directories: Directories,
    disk_mb: u64,
}

impl SharedCaps {
    fn of_key(&self, owner: &str) -> Option<Money> {
        self.keys.as_ref()?.keys().cap(owner)
    }
}

impl Caps for SharedCaps {
    fn any(&self, owner: &str) -> bool {
        self.server.is_some() || self.of_key(owner).is_some()
    }

    fn of(&self, owner: &str) -> Result<Vec<Cap>, String> {
        let mut caps = Vec::new();
        for (limit, owner) in [(self.server, None), (self.of_key(owner), Some(owner))] {
            let Some(limit) = limit else { continue };
            let (spent, reserved) = self.queue.money(owner).map_err(|problem| problem.detail)?;
            let runs = Amount { spent, reserved };
            caps.push(Cap { owner: owner.map(ToOwned::to_owned), limit, runs });
        }
        Ok(caps)
    }

    fn has_room(&self) -> bool {
        self.directories.have_room(self.disk_mb)
    }
}

/// Lets runs that wait for money try again when requests have ended, until it is dropped.
pub async fn wake_runs(app: Arc<App>) {
    loop {
        app.gateway.settled().await;
        app.wake.notify_one();
        tokio::time::sleep(PAUSE).await;
    }
}
