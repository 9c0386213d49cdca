//! The table of prices in force.

use super::settings::Settings;
use super::{Environment, SetupError};
use crate::ask::pricing::Prices;
use crate::config::Config;

/// The table, with prices from the settings.
pub fn in_force(config: &Config, settings: &Settings) -> Result<Prices, SetupError> {
    // Anthropic's surcharge for inference only in the United States. It does not apply to prices
    // from the settings.
    const US_ONLY: f64 = 1.1;
    let in_us = settings.llm.provider == "anthropic" && settings.llm.body.get("inference_geo").and_then(toml::Value::as_str) == Some("us");
    let published = if in_us { Prices::embedded().dearer("claude-", US_ONLY) } else { Prices::embedded() };
    published.with(&settings.prices).map_err(|message| SetupError::usage(config.problem("prices", message)))
}

/// A warning if the price of the model is unknown or the table of prices is old.
pub(super) fn doubts(prices: &Prices, model: &str, environment: &Environment) -> Option<String> {
    const OLD_DAYS: i64 = 60;
    if prices.cost(model, crate::ask::Tier::Standard, crate::model::Usage::default()).is_none() {
        return Some(format!("the price of {model} is not known, so costs are unknown; set it in [prices] of pipeline.toml"));
    }
    let date: jiff::civil::Date = prices.date().parse().ok()?;
    let days = (environment.now.date() - date).get_days();
    (i64::from(days) > OLD_DAYS)
        .then(|| format!("the table of prices is {days} days old ({}); set changed prices in [prices] of pipeline.toml", prices.date()))
}
