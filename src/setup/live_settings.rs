//! Changes settings during a run.

use super::Environment;
use super::prices::{max_cost, max_cost_per_day};
use super::settings::{Settings, SettingsSource};
use crate::ask::Account;
use crate::config::{Config, Layer};
use crate::engine::{JobSet, LiveSettings, Revised};
use parking_lot::Mutex;
use serde_json::Value;

/// The source of changed settings during a run.
#[derive(Debug)]
pub(super) struct Source {
    layers: SettingsSource,
    environment: Environment,
    /// The settings in force.
    now: Mutex<Config>,
    account: Account,
    jobs: JobSet,
}

/// Whether a setting may change during a run. Slow start affects only the beginning of a run.
fn is_live(key: &str) -> bool {
    let limit = key.starts_with("llm.limits.") && key != "llm.limits.slow_start";
    limit || ["llm.concurrency", "llm.documents", "budget.max_usd", "budget.max_usd_per_day"].contains(&key)
}

impl Source {
    pub fn new(mut source: SettingsSource, environment: &Environment, config: &Config, account: &Account, jobs: &JobSet) -> Self {
        // If the settings file disappears, reloading fails. Otherwise all settings would fall back
        // to their defaults.
        source.file = source.found_file(environment);
        let now = Mutex::new(config.clone());
        Self { layers: source, environment: environment.clone(), now, account: account.clone(), jobs: jobs.clone() }
    }

    /// Checks `wanted`, and applies the settings that may change during a run.
    fn take(&self, wanted: &Config) -> Result<Revised, String> {
        let mut now = self.now.lock();
        let differs = |key: &str, config: &Config| config.get(key) != now.get(key);
        let mut keys: Vec<String> = wanted.entries().into_iter().chain(now.entries()).map(|(key, ..)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        let (live, later): (Vec<String>, Vec<String>) = keys.into_iter().filter(|key| differs(key, wanted)).partition(|key| is_live(key));
        let flags = live.iter().filter_map(|key| Some((key.clone(), wanted.get(key)?.to_string(), wanted.origin(key).to_string())));
        let (next, problems) = now.with(&Layer::Flags(flags.collect())).map_err(|e| e.to_string())?;
        let mut settings = Settings::from_config(&next, problems).map_err(|e| e.to_string())?;
        let usual = settings.llm.concurrency;
        // A rehearsal of several servers has one.
        if settings.llm.base_url.len() == self.account.servers().len() {
            settings.llm.concurrency = settings.llm.places();
        }
        let max_cost = max_cost(&next, &settings, &self.account, &self.jobs).map_err(|error| error.to_string())?;
        let max_cost_per_day = max_cost_per_day(&next, &settings, &self.account, &self.jobs).map_err(|error| error.to_string())?;
        let json = |config: &Config, key: &str| config.get(key).and_then(|value| serde_json::to_value(value).ok()).unwrap_or(Value::Null);
        let changes = live.into_iter().map(|key| (key.clone(), json(&now, &key), json(&next, &key))).collect();
        self.account.servers().set_usual(usual);
        *now = next;
        Ok(Revised {
            concurrency: settings.llm.concurrency,
            documents: self.jobs.documents(&settings.llm),
            limits: settings.llm.limits,
            max_cost,
            max_cost_per_day,
            changes,
            later,
        })
    }
}

impl LiveSettings for Source {
    fn set(&self, settings: &[(String, String)]) -> Result<Revised, String> {
        let flags = settings.iter().map(|(key, value)| (key.clone(), value.clone(), "docmill set".to_owned())).collect();
        let now = self.now.lock().clone();
        let (wanted, problems) = now.with(&Layer::Flags(flags)).map_err(|e| e.to_string())?;
        Settings::from_config(&wanted, problems).map_err(|e| e.to_string())?;
        if let Some((key, _)) = settings.iter().find(|(key, _)| !is_live(key)) {
            let live = "llm.concurrency, llm.documents, llm.limits.* (not slow_start), budget.max_usd and budget.max_usd_per_day";
            return Err(format!("{key} cannot change during a run; expected one of {live}"));
        }
        self.take(&wanted)
    }

    fn reload(&self) -> Result<Revised, String> {
        let (wanted, _settings) = self.layers.load(&self.environment).map_err(|error| error.to_string())?;
        self.take(&wanted)
    }
}
