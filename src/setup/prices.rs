//! The price table in force, and the cap on money.

use super::settings::Settings;
use super::{Environment, SetupError};
use crate::ask::pricing::Prices;
use crate::ask::{Account, Tier};
use crate::config::Config;
use crate::engine::JobSet;
use crate::model::Money;

/// The built-in table with prices from the settings.
pub fn in_force(config: &Config, settings: &Settings) -> Result<Prices, SetupError> {
    // Anthropic's surcharge for inference only in the United States. It does not apply to prices
    // from the settings.
    const US_ONLY: f64 = 1.1;
    let in_us = settings.llm.provider == "anthropic" && settings.llm.body.get("inference_geo").and_then(toml::Value::as_str) == Some("us");
    let published = if in_us { Prices::embedded().dearer("claude-", US_ONLY) } else { Prices::embedded() };
    published.with(&settings.prices).map_err(|message| SetupError::usage(config.problem("prices", message)))
}

/// Warns if the price of the account's model is unknown or outdated.
pub fn price_doubts(account: &Account, environment: &Environment) -> Option<String> {
    doubts(&account.prices, &account.model, environment)
}

/// Warns if the price of the model is unknown or outdated. The age of the whole price table counts.
pub(super) fn doubts(prices: &Prices, model: &str, environment: &Environment) -> Option<String> {
    const OLD_DAYS: i64 = 60;
    if prices.cost(model, Tier::Standard, crate::model::Usage::default()).is_none() {
        return Some(format!("the price of {model} is unknown, so costs are unknown. Set it in [prices] of pipeline.toml"));
    }
    let date: jiff::civil::Date = prices.date().parse().ok()?;
    let days = (environment.now.date() - date).get_days();
    (i64::from(days) > OLD_DAYS)
        .then(|| format!("the table of prices is {days} days old ({}). Set changed prices in [prices] of pipeline.toml", prices.date()))
}

/// The cap on money.
pub(super) fn max_cost(config: &Config, settings: &Settings, account: &Account, jobs: &JobSet) -> Result<Option<Money>, SetupError> {
    cap(("budget.max_usd", settings.budget.max_usd), config, settings, account, jobs)
}

/// The cap on the money of each day.
pub(super) fn max_cost_per_day(
    config: &Config,
    settings: &Settings,
    account: &Account,
    jobs: &JobSet,
) -> Result<Option<Money>, SetupError> {
    cap(("budget.max_usd_per_day", settings.budget.max_usd_per_day), config, settings, account, jobs)
}

/// The cap of a setting. It requires a price for each model.
fn cap(
    (key, usd): (&str, f64),
    config: &Config,
    settings: &Settings,
    account: &Account,
    jobs: &JobSet,
) -> Result<Option<Money>, SetupError> {
    let cap = Some(usd).filter(|usd| *usd > 0.0).map(Money::from_usd);
    let limit =
        settings.llm.body.keys().find(|field| ["max_tokens", "max_completion_tokens", "generationConfig"].contains(&field.as_str()));
    if let (Some(field), true) = (limit, cap.is_some()) {
        let message = format!(
            "llm.body.{field} overrides docmill's token limit, so docmill cannot enforce a cap. \
            Remove llm.body.{field}, or the cap"
        );
        return Err(SetupError::usage(config.problem(key, message)));
    }
    let fallback = Some(&settings.llm.fallback).filter(|model| !model.is_empty());
    let asked = (!jobs.only_embeds()).then_some(&account.model);
    let of_vectors = jobs.embeds().then(|| account.vector_model());
    let models = jobs.iter().flat_map(|job| job.models()).chain(asked).chain(fallback).map(String::as_str);
    let mut models = models.chain(of_vectors);
    match models.find(|model| account.prices.at_most(model, Tier::Standard, 1, 1).is_none()) {
        Some(model) if cap.is_some() => {
            let message = format!(
                "the price of {model} is unknown, so docmill cannot enforce a cap. Set it in [prices] of pipeline.toml \
                    (`docmill prices` lists known prices)"
            );
            Err(SetupError::usage(config.problem(key, message)))
        }
        _ => Ok(cap),
    }
}
