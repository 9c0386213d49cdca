//! Prices of tokens: a dated table, applied to each request.

use super::tier::Tier;
use crate::model::{Money, Usage};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::{Arc, LazyLock};

/// A dated table of prices.
#[derive(Debug, Clone)]
pub struct Prices(Arc<Table>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    date: String,
    #[serde(rename = "model")]
    models: Vec<Price>,
}

/// The price of a model, in US dollars for a million tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    id: String,
    /// First valid day, as `YYYY-MM-DD`; `None` if valid from the start.
    ///
    /// The newest price that has begun applies.
    from: Option<String>,
    rates: Rates,
    /// Rates for the whole request if its input is long.
    long: Option<Long>,
    /// Prices of other service tiers, as multiples of the standard price.
    #[serde(default)]
    tiers: Tiers,
    /// Minimum length of a cached prompt prefix, in tokens.
    ///
    /// `None` if no usable cache is known.
    cache_from: Option<u64>,
    /// Context window, in tokens: prompt and answer together.
    context: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiers {
    flex: f64,
    priority: f64,
    batch: f64,
}

impl Default for Tiers {
    fn default() -> Self {
        Self { flex: 1.0, priority: 1.0, batch: 0.5 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u64,
    rates: Rates,
}

/// Prices of a model in US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Prices of a model")]
pub struct Rates {
    /// Price of input.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = MOST))]
    input: f64,
    /// Price of input that the prompt cache has. Absent if it is unknown.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = MOST))]
    cache_read: Option<f64>,
    /// Price of input that goes into the prompt cache.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = MOST))]
    cache_write: Option<f64>,
    /// Price of output.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = MOST))]
    output: f64,
}

/// A price must be below this.
const MOST: f64 = 1e6;

/// The error message for rates of a model that cannot be read. `why` is the parser's message.
fn wrong_rates(id: &str, rates: &toml::Value, why: &str) -> String {
    let example = format!("--set 'prices.\"{id}\"={{input=0.2,output=0.8}}'");
    let Some(table) = rates.as_table() else {
        return format!("{id}: expected two prices in US dollars for a million tokens. On the command line, quote the braces: {example}");
    };
    if let Some((rest, _)) = table.iter().find(|(_, value)| value.is_table()) {
        return format!("{id}: {rest} is not a price. Put a model id with dots in quotes: prices.\"{id}.{rest}\"");
    }
    match ["input", "output"].into_iter().find(|key| !table.contains_key(*key)) {
        Some(missing) => format!("{id}: the price {missing} is missing. Set both: {example}"),
        None => format!("{id}: {}. The prices are input, output, cache_read and cache_write", why.trim()),
    }
}

static EMBEDDED: LazyLock<Prices> = LazyLock::new(|| {
    let table = toml::from_str(include_str!("prices.toml")).unwrap_or(Table { date: String::new(), models: Vec::new() });
    Prices(Arc::new(table))
});

impl Prices {
    /// The built-in table.
    pub fn embedded() -> Self {
        EMBEDDED.clone()
    }

    /// Adds the user's prices, which override the table.
    ///
    /// Units: US dollars for a million tokens. Example: `[prices."my-model"]` with `input = 0.2`
    /// and `output = 0.8`. `cache_read` and `cache_write` are optional. The error names the model.
    pub fn with(&self, own: &toml::Table) -> Result<Self, String> {
        if own.is_empty() {
            return Ok(self.clone());
        }
        let mut models = self.0.models.clone();
        for (id, rates) in own {
            let rates: Rates = rates.clone().try_into().map_err(|e: toml::de::Error| wrong_rates(id, rates, e.message()))?;
            let all = [Some(rates.input), Some(rates.output), rates.cache_read, rates.cache_write];
            if !all.into_iter().flatten().all(|usd| (0.0..MOST).contains(&usd)) {
                return Err(format!("{id}: prices must be US dollars for a million tokens, from 0 to below 1,000,000"));
            }
            let (cache_from, context) = self.find(id).map_or((None, None), |known| (known.cache_from, known.context));
            models.retain(|known| known.id != *id);
            models.push(Price { id: id.clone(), from: None, rates, long: None, tiers: Tiers::default(), cache_from, context });
        }
        Ok(Self(Arc::new(Table { date: self.0.date.clone(), models })))
    }

    /// Multiplies all prices of models whose id starts with `family`.
    #[must_use]
    pub fn dearer(&self, family: &str, times: f64) -> Self {
        let mut models = self.0.models.clone();
        for model in models.iter_mut().filter(|model| model.id.starts_with(family)) {
            for rates in [&mut model.rates].into_iter().chain(model.long.as_mut().map(|long| &mut long.rates)) {
                rates.input *= times;
                rates.output *= times;
                for cached in [&mut rates.cache_read, &mut rates.cache_write].into_iter().flatten() {
                    *cached *= times;
                }
            }
        }
        Self(Arc::new(Table { date: self.0.date.clone(), models }))
    }

    /// The date of the table, as `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        &self.0.date
    }

    /// Minimum length of a cached prompt prefix, in tokens.
    ///
    /// `None` if the provider does not cache prompts, or if the length is unknown.
    pub fn cache_from(&self, model: &str) -> Option<u64> {
        self.find(model)?.cache_from
    }

    /// Maximum document tokens in one request to `model`; `None` if unknown.
    ///
    /// This is three quarters of the context window, or of the longest input at the usual price if
    /// that is shorter. The rest is room for the prompt, the answer, and differences between
    /// tokenizers.
    pub fn longest(&self, model: &str) -> Option<u64> {
        let known = self.find(model)?;
        known.context.into_iter().chain(known.long.as_ref().map(|long| long.above)).min().map(|tokens| tokens / 4 * 3)
    }

    /// The cost of one request to `model`.
    ///
    /// `None` if a required price is unknown.
    pub fn cost(&self, model: &str, tier: Tier, usage: Usage) -> Option<Money> {
        let price = self.find(model)?;
        let rates = price.rates(usage.input());
        let part = |tokens: u64, usd: Option<f64>| match (tokens, usd) {
            (0, _) => Some(Money::ZERO),
            (tokens, Some(usd)) => Some(Money::of_tokens(tokens, price.micro(usd, tier))),
            (_, None) => None,
        };
        let parts = [
            part(usage.uncached_input, Some(rates.input))?,
            part(usage.cache_read, rates.cache_read)?,
            part(usage.cache_write, rates.cache_write)?,
            part(usage.output, Some(rates.output))?,
        ];
        Some(parts.into_iter().sum())
    }

    /// Maximum cost of a request with at most `input` and `output` tokens.
    ///
    /// `None` if the price is unknown.
    pub fn at_most(&self, model: &str, tier: Tier, input: u64, output: u64) -> Option<Money> {
        let price = self.find(model)?;
        let rates = [Some(price.rates), price.long.as_ref().filter(|long| input > long.above).map(|long| long.rates)];
        // The bill never uses a tier that is dearer than both the requested and the standard tier.
        let tiers = [Tier::Standard, tier];
        let most = |rates: Rates| {
            let dearest = [Some(rates.input), rates.cache_read, rates.cache_write].into_iter().flatten().fold(0.0, f64::max);
            let of = |tier| Money::of_tokens(input, price.micro(dearest, tier)) + Money::of_tokens(output, price.micro(rates.output, tier));
            tiers.map(of).into_iter().max()
        };
        rates.into_iter().flatten().filter_map(most).max()
    }

    /// Net saving by the prompt cache on a request.
    ///
    /// Unit: trillionths of a dollar. This is the discount on cache reads minus the surcharge on
    /// cache writes. `None` if a required price is unknown.
    pub fn saved_by_cache(&self, model: &str, tier: Tier, usage: Usage) -> Option<i64> {
        let price = self.find(model)?;
        let rates = price.rates(usage.input());
        let difference = |tokens: u64, usd: Option<f64>| {
            let usd = if tokens == 0 { rates.input } else { usd? };
            let pico = |usd| i64::try_from(Money::of_tokens(tokens, price.micro(usd, tier)).pico()).unwrap_or(i64::MAX);
            Some(pico(rates.input) - pico(usd))
        };
        Some(difference(usage.cache_read, rates.cache_read)? + difference(usage.cache_write, rates.cache_write)?)
    }

    /// Known model ids similar to `model`, most similar first.
    pub fn near(&self, model: &str) -> Vec<&str> {
        let mut near: Vec<(f64, &str)> = self.0.models.iter().map(|p| (strsim::jaro_winkler(&p.id, model), p.id.as_str())).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.dedup_by(|a, b| a.1 == b.1);
        near.into_iter().filter(|(score, _)| *score > 0.75).take(3).map(|(_, id)| id).collect()
    }

    /// Formats one row for each model in `wanted`.
    ///
    /// If `wanted` is empty, it formats all models. The columns are the id, four prices and
    /// remarks. The prices are input, cache read, cache write and output, in US dollars for a
    /// million tokens.
    pub fn lines(&self, wanted: &[String]) -> Vec<[String; 6]> {
        let usd = |usd: Option<f64>| usd.map_or_else(|| "?".to_owned(), |usd| usd.to_string());
        let in_force = |price: &&Price| self.find(&price.id).is_some_and(|found| std::ptr::eq(found, *price));
        let chosen = self.0.models.iter().filter(in_force).filter(|price| wanted.is_empty() || wanted.contains(&price.id));
        let line = |price: &Price| {
            let mut remarks = Vec::new();
            remarks.extend(price.from.as_ref().map(|from| format!("from {from}")));
            remarks.extend(
                price
                    .long
                    .as_ref()
                    .map(|long| format!("above {} input tokens: {} in, {} out", long.above, long.rates.input, long.rates.output)),
            );
            for (name, factor) in [("flex", price.tiers.flex), ("priority", price.tiers.priority)] {
                remarks.extend((factor.to_bits() != 1.0_f64.to_bits()).then(|| format!("{name} x{factor}")));
            }
            remarks.extend(price.cache_from.map(|from| format!("caches from {from} tokens")));
            let Rates { input, cache_read, cache_write, output } = price.rates;
            [price.id.clone(), usd(Some(input)), usd(cache_read), usd(cache_write), usd(Some(output)), remarks.join("; ")]
        };
        chosen.map(line).collect()
    }

    /// The price of a model on the table's date.
    fn find(&self, model: &str) -> Option<&Price> {
        let begun = |price: &&Price| price.from.as_deref().is_none_or(|from| from <= self.0.date.as_str());
        self.0.models.iter().filter(|price| price.id == model).filter(begun).max_by(|a, b| a.from.cmp(&b.from))
    }
}

impl Price {
    fn rates(&self, input: u64) -> Rates {
        match &self.long {
            Some(long) if input > long.above => long.rates,
            _ => self.rates,
        }
    }

    /// Converts a price to millionths of a dollar for a million tokens.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are small and positive")]
    fn micro(&self, usd: f64, tier: Tier) -> u64 {
        let factor = match tier {
            Tier::Standard => 1.0,
            Tier::Flex => self.tiers.flex,
            Tier::Priority => self.tiers.priority,
            Tier::Batch => self.tiers.batch,
        };
        (usd * factor * 1e6).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_prices_are_explained_with_a_quoted_example() {
        let error = |text: &str| Prices::embedded().with(&text.parse().unwrap()).unwrap_err();
        let example = "--set 'prices.\"m\"={input=0.2,output=0.8}'";
        for (text, expected) in [
            ("m = 'input=0.2'", vec!["m: expected two prices in US dollars", "quote the braces", example]),
            ("m = { input = 0.2 }", vec!["m: the price output is missing", example]),
            ("m = { output = 0.2 }", vec!["m: the price input is missing"]),
            ("[my.model]\ninput = 1\noutput = 1", vec!["in quotes: prices.\"my.model\""]),
            ("m = { input = 1, output = 1, cached = 1 }", vec!["m: unknown field `cached`", "cache_read"]),
        ] {
            let message = error(text);
            assert!(expected.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
    }

    fn usage(uncached_input: u64, cache_read: u64, output: u64) -> Usage {
        Usage { uncached_input, cache_read, cache_write: 0, output }
    }

    #[test]
    fn the_embedded_table_is_read_and_dated() {
        assert!(Prices::embedded().0.models.len() > 10);
        assert_eq!(Prices::embedded().date().len(), 10);
    }

    #[test]
    fn a_request_is_priced_to_the_last_token() {
        // Expected cost: 1,800 x $0.10 + 250 x $0.50 per million.
        let cost = Prices::embedded().cost("claude-haiku-5-5", Tier::Standard, usage(1800, 0, 250)).unwrap();
        assert_eq!(cost, Money::from_pico(305_000_000));
    }

    #[test]
    fn a_long_prompt_makes_the_whole_request_dearer() {
        let prices = Prices::embedded();
        let at = prices.cost("claude-haiku-5-5", Tier::Standard, usage(100_000, 0, 0)).unwrap();
        let above = prices.cost("claude-haiku-5-5", Tier::Standard, usage(100_000, 1, 0)).unwrap();
        assert_eq!(at, Money::from_pico(10_000_000_000));
        assert_eq!(above, Money::from_pico(50_000_000_000 + 50_000));
    }

    #[test]
    fn no_cost_exceeds_the_maximum_cost() {
        let (prices, mut random) = (Prices::embedded(), fastrand::Rng::with_seed(1));
        for line in prices.lines(&[]) {
            for tier in [Tier::Standard, Tier::Flex, Tier::Priority] {
                for _ in 0..50 {
                    let [uncached_input, cache_read, cache_write, output] = [0; 4].map(|_: u64| random.u64(0..200_000));
                    let usage = Usage { uncached_input, cache_read, cache_write, output };
                    let most = prices.at_most(&line[0], tier, usage.input(), output).unwrap();
                    assert!(prices.cost(&line[0], tier, usage).is_none_or(|cost| cost <= most), "{} {usage:?}", line[0]);
                }
            }
        }
    }

    #[test]
    fn an_unknown_cache_price_makes_the_cost_unknown_only_if_the_cache_was_used() {
        let own: toml::Table = "[m]\ninput = 1.0\noutput = 2.0".parse().unwrap();
        let prices = Prices::embedded().with(&own).unwrap();
        assert_eq!(prices.cost("m", Tier::Standard, usage(5, 0, 1)), Some(Money::from_pico(7_000_000)));
        assert_eq!(prices.cost("m", Tier::Standard, usage(5, 1, 1)), None);
        let wrong: toml::Table = "[m]\ninput = -1.0\noutput = 2.0".parse().unwrap();
        assert!(Prices::embedded().with(&wrong).unwrap_err().starts_with("m: "));
    }

    #[test]
    fn prices_depend_on_the_tier_and_on_the_date() {
        let prices = Prices::embedded();
        let cost = |tier| prices.cost("gpt-6.1-sol", tier, usage(1000, 0, 0)).unwrap().pico();
        assert_eq!([cost(Tier::Standard), cost(Tier::Flex), cost(Tier::Priority)], [2_000_000_000, 1_000_000_000, 4_000_000_000]);
        // The price of cache reads fell on 7 October 2026.
        let read = prices.cost("claude-sonnet-5-5", Tier::Standard, usage(0, 1000, 0)).unwrap();
        assert_eq!(read, Money::from_pico(100_000_000));
    }

    #[test]
    fn a_surcharge_on_a_family_raises_all_of_its_prices_and_no_others() {
        let (usual, dearer) = (Prices::embedded(), Prices::embedded().dearer("claude-", 1.1));
        let usage = Usage { uncached_input: 100_000, cache_read: 100_000, cache_write: 100_000, output: 100_000 };
        let cost = |prices: &Prices, model| prices.cost(model, Tier::Standard, usage).unwrap().pico();
        for model in ["claude-haiku-5-5", "claude-opus-5-5"] {
            assert_eq!(cost(&dearer, model) * 10, cost(&usual, model) * 11, "{model}");
        }
        assert_eq!(cost(&dearer, "gpt-6-luna"), cost(&usual, "gpt-6-luna"));
    }

    #[test]
    fn the_saving_by_the_cache_is_net_of_the_cost_of_writes() {
        let usage = Usage { uncached_input: 10, cache_read: 1000, cache_write: 2000, output: 5 };
        assert_eq!(Prices::embedded().saved_by_cache("claude-haiku-5-5", Tier::Standard, usage), Some(90_000_000 - 50_000_000));
        assert_eq!(Prices::embedded().saved_by_cache("my-own-model", Tier::Standard, usage), None);
    }

    #[test]
    fn an_unknown_price_is_unknown_and_not_zero() {
        assert_eq!(Prices::embedded().cost("my-own-model", Tier::Standard, usage(1, 1, 1)), None);
        assert_eq!(Prices::embedded().cost("simulated-small", Tier::Standard, usage(1, 1, 1)), Some(Money::ZERO));
    }

    #[test]
    fn an_unknown_id_gets_close_known_ids() {
        assert!(Prices::embedded().near("claude-sonnet-5-20260205").contains(&"claude-sonnet-5"));
        assert!(Prices::embedded().near("zzz").is_empty());
    }
}
