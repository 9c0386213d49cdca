//! The account of the settings with its server, for requests that belong to no run.

use super::assemble::{scenario, start_simulator};
use super::key::{NO_ADDRESS, stated_key};
use super::local::local_files;
use super::settings::Settings;
use super::{Environment, SetupError, prices};
use crate::ask::{Account, Provider};
use crate::config::Config;
use crate::gateway::Upstream;
use crate::simulator::Simulator;

/// Creates the account of the settings. Starts the simulator if it is the provider.
pub async fn upstream(environment: &Environment, config: &Config, mut settings: Settings) -> Result<Upstream, SetupError> {
    if settings.llm.provider == Provider::Simulated.as_str() {
        settings.llm.base_url.clear();
    }
    let simulator = match Provider::parse(&settings.llm.provider) {
        Ok(Provider::Simulated) => Some(start_simulator(scenario(&settings.simulator)?).await?),
        _ => None,
    };
    let address = simulator.as_ref().map_or_else(|| NO_ADDRESS.to_owned(), Simulator::base_url);
    let stated = stated_key(&settings.llm, environment).await?;
    let prices = prices::in_force(config, &settings)?;
    let account = Account::resolve(&settings.llm, prices, Some(&address), stated, |name| environment.key(name));
    let mut account = account.map_err(|e| SetupError::usage(config.problem(e.key, e.message)))?;
    account.local = local_files(environment, config, &settings, true)?;
    // From here on, this is the number for all servers together.
    settings.llm.concurrency = settings.llm.places();
    Ok(Upstream { account, llm: settings.llm, simulator })
}
