//! `docmill prices`.

use super::args::PricesArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings::{self, Settings};
use crate::ask::pricing::Prices;
use crate::config::Config;
use serde_json::json;

const HEADINGS: [&str; 6] = ["model", "input", "cache_read", "cache_write", "output", "remarks"];

pub(super) fn prices(args: &PricesArgs) -> Result<Exit, CliError> {
    let (config, settings) = settings::load(&args.settings, Vec::new())?;
    let prices = in_force(&config, &settings)?;
    let lines = prices.lines(&args.models);
    if let Some(unknown) = args.models.iter().find(|model| !lines.iter().any(|line| line[0] == **model)) {
        let near = match prices.near(unknown).as_slice() {
            [] => String::new(),
            near => format!("; close ids: {}", near.join(", ")),
        };
        let how = format!("[prices.\"{unknown}\"] in pipeline.toml can tell it");
        return Err(CliError::usage(format!("the price of {unknown} is not known{near}; {how}")));
    }
    if args.json {
        let model = |line: &[String; 6]| HEADINGS.iter().zip(line).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let models: Vec<serde_json::Map<_, _>> = lines.iter().map(model).collect();
        print(&json!({"date": prices.date(), "usd_per_million_tokens": models}).to_string())?;
        return Ok(Exit::Ok);
    }
    print(&format!("US dollars for a million tokens, as of {}", prices.date()))?;
    let width = |column: usize| lines.iter().map(|line| line[column].len()).chain([HEADINGS[column].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let headings = HEADINGS.map(ToOwned::to_owned);
    for line in [&headings].into_iter().chain(&lines) {
        let [first, numbers @ .., remarks] = line;
        let numbers: Vec<String> = numbers.iter().zip(&widths[1..]).map(|(number, width)| format!("{number:>width$}")).collect();
        print(format!("{first:<width$}  {}  {remarks}", numbers.join("  "), width = widths[0]).trim_end())?;
    }
    Ok(Exit::Ok)
}

/// The table, with prices from the settings.
pub(super) fn in_force(config: &Config, settings: &Settings) -> Result<Prices, CliError> {
    // What Anthropic adds for inference in the United States alone. Prices from the settings are taken as they are.
    const US_ONLY: f64 = 1.1;
    let in_us = settings.llm.provider == "anthropic" && settings.llm.body.get("inference_geo").and_then(toml::Value::as_str) == Some("us");
    let published = if in_us { Prices::embedded().dearer("claude-", US_ONLY) } else { Prices::embedded() };
    published.with(&settings.prices).map_err(|message| CliError::usage(config.problem("prices", message)))
}

/// What a person should know about the prices before money is spent: that there is none, or that they are old.
pub(super) fn doubts(prices: &Prices, model: &str) -> Option<String> {
    const OLD_DAYS: i64 = 60;
    if prices.cost(model, crate::ask::Tier::Standard, crate::model::Usage::default()).is_none() {
        return Some(format!("the price of {model} is not known, so costs are not either; [prices] in pipeline.toml can tell it"));
    }
    let date: jiff::civil::Date = prices.date().parse().ok()?;
    let days = (jiff::Zoned::now().date() - date).get_days();
    (i64::from(days) > OLD_DAYS)
        .then(|| format!("the table of prices is {days} days old ({}); what has changed since can be told in [prices]", prices.date()))
}
