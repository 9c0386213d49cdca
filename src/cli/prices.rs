//! `docmill prices`.

use super::args::PricesArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings;
use crate::setup::in_force;
use serde_json::json;

const HEADINGS: [&str; 6] = ["model", "input", "cache_read", "cache_write", "output", "remarks"];

pub(super) fn prices(args: &PricesArgs) -> Result<Exit, CliError> {
    let (config, settings) = settings::load_to_look(&args.settings, Vec::new())?;
    let prices = in_force(&config, &settings)?;
    let lines = prices.lines(&args.models);
    if let Some(unknown) = args.models.iter().find(|model| !lines.iter().any(|line| line[0] == **model)) {
        let near = match prices.near(unknown).as_slice() {
            [] => String::new(),
            near => format!(" (close ids: {})", near.join(", ")),
        };
        let how = format!("Set it under [prices.\"{unknown}\"] in pipeline.toml");
        return Err(CliError::usage(format!("the price of {unknown} is unknown{near}. {how}")));
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
