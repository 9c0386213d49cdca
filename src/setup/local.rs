//! What requests use of this machine, and the budget service.

use super::settings::Settings;
use super::{Environment, SetupError};
use crate::ask::{BudgetService, LocalFiles, Provider, own_roots};
use crate::config::Config;
use std::sync::Arc;

/// Local files, and the budget service if requests go to the provider of the settings (`sends`).
///
/// The simulator has no limits that machines share, and its prices are no money.
pub(super) fn local_files(environment: &Environment, config: &Config, settings: &Settings, sends: bool) -> Result<LocalFiles, SetupError> {
    let mut local = files(environment);
    if sends && Provider::parse(&settings.llm.provider).ok() != Some(Provider::Simulated) {
        local.service = budget_service(environment, config, settings)?.map(Arc::new);
    }
    Ok(local)
}

/// The budget service of the settings; `None` if they name none.
pub fn budget_service(environment: &Environment, config: &Config, settings: &Settings) -> Result<Option<BudgetService>, SetupError> {
    let wrong = |key: &str, why: String| SetupError::usage(config.problem(key, why));
    let roots = own_roots(&settings.llm.ca_file, files(environment).certificates.as_deref());
    let roots = roots.map_err(|why| wrong("llm.ca_file", why.to_string()))?;
    let variable = |name: &str| environment.variables.get(name).cloned();
    BudgetService::resolve(&settings.budget, roots, variable).map_err(|error| wrong(error.key, error.message))
}

fn files(environment: &Environment) -> LocalFiles {
    LocalFiles::of(|name| environment.variables.get(name).cloned())
}
