//! The account of the server, and a relay to it for each model.

use super::error::ApiError;
use crate::ask::{Account, Accounts, Budget, GovernorSettings, LlmSettings, Relay, Transport, reach};
use crate::simulator::Simulator;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Creates the account of the server. The error names the cause and the cure.
pub type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Upstream, String>> + Send + Sync>;

/// The account of the server.
pub struct Upstream {
    /// The account.
    pub account: Account,
    /// The settings of the model client.
    pub llm: LlmSettings,
    /// The simulator, if it answers.
    pub simulator: Option<Simulator>,
}

/// Maximum number of models whose limits are in memory.
const MODELS: usize = 64;
/// How long a list of models is valid.
const LIST: Duration = Duration::from_mins(5);

/// The relays of a server.
pub struct Relays {
    connect: Connect,
    connected: OnceCell<Connected>,
    accounts: Arc<Accounts>,
    models: Vec<String>,
    stop: CancellationToken,
    abandon: CancellationToken,
}

struct Connected {
    upstream: Upstream,
    transport: Arc<Transport>,
    by_model: Mutex<HashMap<String, Arc<Relay>>>,
    /// The list of the provider, and when it was fetched.
    list: Mutex<Option<(Instant, Vec<String>)>>,
}

impl std::fmt::Debug for Relays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relays").field("models", &self.models).finish_non_exhaustive()
    }
}

impl Relays {
    /// `models` are those that clients may ask for; empty for all.
    pub fn new(
        connect: Connect,
        accounts: Arc<Accounts>,
        models: Vec<String>,
        stop: CancellationToken,
        abandon: CancellationToken,
    ) -> Self {
        Self { connect, connected: OnceCell::new(), accounts, models, stop, abandon }
    }

    /// The relay for a model.
    pub async fn of(&self, model: &str) -> Result<Arc<Relay>, ApiError> {
        if !self.may_ask(model) {
            return Err(ApiError::unknown_model(model));
        }
        let Connected { upstream, transport, by_model, .. } = self.connected().await?;
        let mut by_model = by_model.lock();
        if let Some(relay) = by_model.get(model) {
            return Ok(Arc::clone(relay));
        }
        if by_model.len() >= MODELS {
            by_model.retain(|_, relay| Arc::strong_count(relay) > 1);
        }
        let Upstream { account, llm, .. } = upstream;
        let mut account = account.clone();
        model.clone_into(&mut account.model);
        let settings = GovernorSettings {
            concurrency: llm.concurrency,
            limits: &llm.limits,
            slow_start: account.starts_slowly(llm.limits.slow_start),
            // The purse holds the caps, because runs share them.
            budget: Budget::default(),
            stop: self.stop.clone(),
            abandon: self.abandon.clone(),
        };
        let governor = Arc::new(self.accounts.governor(&account, 1.0, settings));
        let relay = Arc::new(Relay::new(account, governor, Arc::clone(transport), llm));
        by_model.insert(model.to_owned(), Arc::clone(&relay));
        Ok(relay)
    }

    /// Whether clients may ask for a model.
    pub fn may_ask(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|own| own == model)
    }

    /// Creates the account. If that is impossible, says why.
    pub async fn connect(&self) {
        let _reported = self.connected().await;
    }

    /// Maximum requests in flight for a model.
    pub async fn concurrency(&self) -> Result<usize, ApiError> {
        Ok(self.connected().await?.upstream.llm.concurrency)
    }

    /// The same, if the account exists.
    pub fn known_concurrency(&self) -> Option<usize> {
        Some(self.connected.get()?.upstream.llm.concurrency)
    }

    /// Seconds that requests in flight have to finish; `None` if there was no request.
    pub fn drain_s(&self) -> Option<u64> {
        Some(self.connected.get()?.upstream.llm.drain_s)
    }

    /// The models that clients may ask for: those of the settings, or of the provider's list.
    pub async fn models(&self) -> Result<Vec<String>, ApiError> {
        if !self.models.is_empty() {
            return Ok(self.models.clone());
        }
        let Connected { upstream, list, .. } = self.connected().await?;
        let known = list.lock().clone();
        if let Some((at, models)) = known
            && at.elapsed() < LIST
        {
            return Ok(models);
        }
        // A provider without a list still has the model of the settings.
        let mut models = vec![upstream.account.model.clone()];
        let servers = 0..upstream.account.servers().len();
        let reached = futures::future::join_all(servers.map(|server| reach(&upstream.account, &upstream.llm, server))).await;
        for reached in reached.into_iter().flatten() {
            let new: Vec<String> = reached.models.into_iter().filter(|model| !models.contains(model)).collect();
            models.extend(new);
        }
        *list.lock() = Some((Instant::now(), models.clone()));
        Ok(models)
    }

    async fn connected(&self) -> Result<&Connected, ApiError> {
        let connect = async {
            let upstream = (self.connect)().await?;
            let transport = Transport::new(&upstream.account, &upstream.llm).map_err(|error| error.to_string())?;
            let (by_model, list) = (Mutex::default(), Mutex::default());
            Ok(Connected { upstream, transport: Arc::new(transport), by_model, list })
        };
        self.connected.get_or_try_init(|| connect).await.map_err(|why: String| {
            // The reason may tell about the server.
            crate::progress::complain(&format!("no request can be sent to the model: {why}"));
            ApiError::upstream(502, "upstream_account", "the server cannot use its account with the provider. Its log has the reason")
        })
    }
}
