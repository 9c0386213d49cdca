//! What all requests and the scheduler share.

use super::keys::Keys;
use super::live::Live;
use super::problem::Problem;
use super::queue::{Caps, Queue, RunId};
use super::settings::ServeSettings;
use super::staging::Directories;
use crate::ask::Accounts;
use crate::model::Money;
use crate::setup::{Environment, SettingsSource};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// What all requests and the scheduler share.
#[derive(Debug)]
pub struct App {
    /// The settings of the server.
    pub settings: ServeSettings,
    /// The settings of runs.
    pub source: SettingsSource,
    /// The environment of runs.
    pub environment: Environment,
    /// The job of the settings, for submissions without a job.
    pub default_job: String,
    /// Keys of clients; `None` if requests need no key.
    pub keys: Option<Keys>,
    /// The queue.
    pub queue: Queue,
    /// The directories.
    pub directories: Directories,
    /// The accounts, which all runs share.
    pub accounts: Arc<Accounts>,
    /// Runs at work.
    pub live: Mutex<HashMap<RunId, Arc<Live>>>,
    /// Wakes the scheduler.
    pub wake: Notify,
    /// Notified when any run changes its state.
    pub changed: tokio::sync::watch::Sender<u64>,
    /// Cancelled when the server stops. It then takes no new runs.
    pub stop: CancellationToken,
    /// Permits to estimate. An estimate prepares documents and uses the processor.
    pub estimates: Semaphore,
}

impl App {
    /// The run at work with this id.
    pub fn live(&self, id: &RunId) -> Option<Arc<Live>> {
        self.live.lock().get(id).cloned()
    }

    /// Tells event streams that a run has changed.
    pub fn tell_change(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Does blocking work with the queue and the directories.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&app)).await.map_err(Problem::internal)?
    }

    /// Calls `with` with the caps on money.
    pub fn with_caps<T>(&self, with: impl FnOnce(Caps<'_>) -> T) -> T {
        let server = (self.settings.max_usd > 0.0).then(|| Money::from_usd(self.settings.max_usd));
        with(Caps { server, owner: &|owner| self.keys.as_ref()?.cap(owner) })
    }
}
