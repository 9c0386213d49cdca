//! What all requests and the scheduler share.

use super::directories::Directories;
use super::keys::KeyFile;
use super::live::Live;
use super::problem::Problem;
use super::proxies::Proxies;
use super::queue::{Caps, Queue, RunId};
use super::settings::ServeSettings;
use super::thumbnails::ThumbnailMaker;
use super::webhooks::Webhooks;
use crate::ask::Accounts;
use crate::gateway::Gateway;
use crate::model::Money;
use crate::setup::{Environment, SettingsSource};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, broadcast};
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
    /// Where runs work.
    pub runtime: Handle,
    /// Keys of clients; `None` if requests need no key.
    pub keys: Option<Arc<KeyFile>>,
    /// The queue.
    pub queue: Arc<Queue>,
    /// The directories.
    pub directories: Directories,
    /// Relays requests in OpenAI's format.
    pub gateway: Arc<Gateway>,
    /// The accounts, which all runs and requests share.
    pub accounts: Arc<Accounts>,
    /// Proxies that are trusted.
    pub proxies: Proxies,
    /// Messages to clients.
    pub webhooks: Webhooks,
    /// Runs at work.
    pub live: Mutex<HashMap<RunId, Arc<Live>>>,
    /// Number of runs at work.
    pub at_work: AtomicUsize,
    /// Wakes the scheduler.
    pub wake: Notify,
    /// Notified when a run has ended.
    pub ended: Notify,
    /// Names each run that has changed. A receiver that is too slow has to look itself.
    pub changed: broadcast::Sender<RunId>,
    /// Cancelled when the server stops. It then takes no new runs.
    pub stop: CancellationToken,
    /// Permits to estimate. An estimate prepares documents and uses the processor.
    pub estimates: Semaphore,
    /// Makes small pictures of documents.
    pub thumbnails: ThumbnailMaker,
}

impl App {
    /// The run at work with this id.
    pub fn live(&self, id: &RunId) -> Option<Arc<Live>> {
        self.live.lock().get(id).cloned()
    }

    /// Tells event streams that a run has changed.
    pub fn tell_change(&self, run: &RunId) {
        // Without streams there is no receiver.
        let _receivers = self.changed.send(run.clone());
    }

    /// Does blocking work with the queue and the directories.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&app).map_err(|problem| app.without_places(problem)));
        done.await.map_err(Problem::internal)?
    }

    /// Whether the directory of the server may grow (`serve.disk_mb`). Blocks.
    pub fn has_disk(&self) -> bool {
        self.directories.have_room(self.settings.disk_mb)
    }

    /// A problem whose message does not name places of files on the server.
    pub fn without_places(&self, mut problem: Problem) -> Problem {
        problem.detail = self.directories.without_places(&problem.detail);
        problem
    }

    /// The caps on the money of an owner's runs together, in words; `None` without any.
    pub fn outer_caps(&self, owner: &str) -> Option<String> {
        let of_key = self.keys.as_ref().and_then(|file| file.keys().cap(owner)).map(|cap| format!("the cap of {cap} of key {owner}"));
        let server = (self.settings.max_usd > 0.0).then(|| format!("the cap of the server (serve.max_usd = {})", self.settings.max_usd));
        let caps: Vec<String> = of_key.into_iter().chain(server).collect();
        (!caps.is_empty()).then(|| caps.join(" or "))
    }

    /// Calls `with` with the caps on money. Requests reserve no money meanwhile.
    pub fn with_caps<T>(&self, with: impl FnOnce(Caps<'_>) -> T) -> T {
        let server = (self.settings.max_usd > 0.0).then(|| Money::from_usd(self.settings.max_usd));
        let money = self.gateway.money();
        let requests = |owner: Option<&str>| {
            let amount = money.of(owner);
            (amount.spent, amount.reserved)
        };
        with(Caps { server, owner: &|owner| self.keys.as_ref()?.keys().cap(owner), requests: &requests })
    }
}

/// The time until a moment; zero if it has passed.
pub fn until(moment: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(Timestamp::now())).unwrap_or_default()
}
