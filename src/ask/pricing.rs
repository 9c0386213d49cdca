//! What tokens cost: a dated table, priced request by request.

use crate::model::{Money, Usage};
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

/// US dollars for a million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    id: String,
    rates: Rates,
    /// Above this many input tokens the whole request has other rates.
    long: Option<Long>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u64,
    rates: Rates,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    input: f64,
    cache_read: f64,
    cache_write: f64,
    output: f64,
}

static EMBEDDED: LazyLock<Prices> = LazyLock::new(|| {
    let table = toml::from_str(include_str!("prices.toml")).unwrap_or(Table { date: String::new(), models: Vec::new() });
    Prices(Arc::new(table))
});

impl Prices {
    /// The table that comes with this version.
    pub fn embedded() -> Self {
        EMBEDDED.clone()
    }

    /// When the prices were read, as `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        &self.0.date
    }

    /// What one request to `model` costs; `None` if its price is not known.
    pub fn cost(&self, model: &str, usage: Usage) -> Option<Money> {
        let price = self.0.models.iter().find(|p| p.id == model)?;
        let rates = match &price.long {
            Some(long) if usage.input() > long.above => &long.rates,
            _ => &price.rates,
        };
        let part = |tokens, usd| Money::of_tokens(tokens, micro(usd));
        Some(
            part(usage.fresh, rates.input)
                + part(usage.cache_read, rates.cache_read)
                + part(usage.cache_write, rates.cache_write)
                + part(usage.output, rates.output),
        )
    }

    /// What one request to `model` costs at the most, with so many tokens in and out; `None` if its price is not known.
    pub fn at_most(&self, model: &str, input: u64, output: u64) -> Option<Money> {
        // Where there is a cache, writing to it is the dearest way to read input.
        let ways = [Usage { fresh: input, output, ..Usage::default() }, Usage { cache_write: input, output, ..Usage::default() }];
        ways.into_iter().filter_map(|usage| self.cost(model, usage)).max()
    }

    /// Known model ids that look like `model`, nearest first.
    pub fn near(&self, model: &str) -> Vec<&str> {
        let mut near: Vec<(f64, &str)> = self.0.models.iter().map(|p| (strsim::jaro_winkler(&p.id, model), p.id.as_str())).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.into_iter().filter(|(score, _)| *score > 0.75).take(3).map(|(_, id)| id).collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are small and positive")]
fn micro(usd: f64) -> u64 {
    (usd * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(fresh: u64, cache_read: u64, output: u64) -> Usage {
        Usage { fresh, cache_read, cache_write: 0, output }
    }

    #[test]
    fn the_embedded_table_is_read_and_dated() {
        assert!(Prices::embedded().0.models.len() > 10);
        assert_eq!(Prices::embedded().date().len(), 10);
    }

    #[test]
    fn a_request_is_priced_to_the_last_token() {
        // 1,800 x $0.10 + 250 x $0.50 per million, by hand.
        let cost = Prices::embedded().cost("claude-haiku-5-5", usage(1800, 0, 250)).unwrap();
        assert_eq!(cost, Money::from_pico(305_000_000));
    }

    #[test]
    fn a_long_prompt_makes_the_whole_request_dearer() {
        let prices = Prices::embedded();
        let at = prices.cost("claude-haiku-5-5", usage(100_000, 0, 0)).unwrap();
        let above = prices.cost("claude-haiku-5-5", usage(100_000, 1, 0)).unwrap();
        assert_eq!(at, Money::from_pico(10_000_000_000));
        assert_eq!(above, Money::from_pico(50_000_000_000 + 50_000));
    }

    #[test]
    fn an_unknown_price_is_unknown_and_not_zero() {
        assert_eq!(Prices::embedded().cost("my-own-model", usage(1, 1, 1)), None);
        assert_eq!(Prices::embedded().cost("simulated-small", usage(1, 1, 1)), Some(Money::ZERO));
    }

    #[test]
    fn a_made_up_id_is_answered_with_real_ones() {
        assert!(Prices::embedded().near("claude-sonnet-5-20260205").contains(&"claude-sonnet-5"));
        assert!(Prices::embedded().near("zzz").is_empty());
    }
}
