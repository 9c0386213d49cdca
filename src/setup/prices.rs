//! The table of prices in force.

use super::settings::Settings;
use super::{Environment, SetupError};
use crate::ask::pricing::Prices;
use crate::config::Config;

/// The table, with prices from the settings.
pub fn in_force(config: &Config, settings: &Settings) -> Result<Prices, SetupError> {
    // What Anthropic adds for inference in the United States alone. Prices from the settings are
    // taken as they are.
    const US_ONLY: f64 = 1.1;
    let in_us = settings.llm.provider == "anthropic" && settings.llm.body.get("inference_geo").and_then(toml::Value::as_str) == Some("us");
    let published = if in_us { Prices::embedded().dearer("claude-", US_ONLY) } else { Prices::embedded() };
    published.with(&settings.prices).map_err(|message| SetupError::usage(config.problem("prices", message)))
}

/// What a person should know about the prices before money is spent: that there is none, or that
/// they are old.
pub(super) fn doubts(prices: &Prices, model: &str, environment: &Environment) -> Option<String> {
    const OLD_DAYS: i64 = 60;
    if prices.cost(model, crate::ask::Tier::Standard, crate::model::Usage::default()).is_none() {
        return Some(format!("the price of {model} is not known, so costs are not either; [prices] in pipeline.toml can tell it"));
    }
    let date: jiff::civil::Date = prices.date().parse().ok()?;
    let days = (environment.now.date() - date).get_days();
    (i64::from(days) > OLD_DAYS)
        .then(|| format!("the table of prices is {days} days old ({}); what has changed since can be told in [prices]", prices.date()))
}
