//! Computes the bill of an attempt from its reply.
//!
//! If the reported token counts are implausible, the cost is unknown and the whole reservation
//! counts as spent. So the cap on money holds whatever a server reports.

use super::fault::{Class, Fault};
use super::pricing::Prices;
use super::tier::Tier;
use crate::model::{Call, Money, Reply, Usage};
use parking_lot::{Mutex, MutexGuard};

/// The bills of one account.
#[derive(Debug)]
pub(super) struct Billing {
    /// The tier that requests ask for.
    asked: Tier,
    learned: Mutex<Learned>,
}

/// What replies have taught about later bills.
#[derive(Debug, Clone, Copy, Default)]
struct Learned {
    /// Most output tokens billed beyond the limit of a request. Some providers do not count
    /// thinking against it.
    excess: u64,
    /// The most expensive tier that a reply has named. An account's default may differ from the
    /// standard tier.
    dearest: Option<Tier>,
}

/// The bill of one attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Billed {
    /// Tokens; all zero if they are unknown.
    pub usage: Usage,
    /// The cost; `None` if it is unknown.
    pub cost: Option<Money>,
    /// Net saving by the prompt cache, in trillionths of a dollar; 0 if unknown.
    pub cache_saved_pico: i64,
}

/// Most tokens that gateways and tools may plausibly add to a prompt.
const ADDED_INPUT: u64 = 20_000;
/// Most output tokens that a model may plausibly write beyond its limit.
const ADDED_OUTPUT: u64 = 1_000_000;

impl Billing {
    /// `asked` is the tier that requests ask for.
    pub fn new(asked: Tier) -> Self {
        Self { asked, learned: Mutex::default() }
    }

    /// Maximum cost of a request with at most `input` and `output` tokens; `None` if the price is
    /// unknown.
    pub fn at_most(&self, prices: &Prices, model: &str, input: u64, output: u64) -> Option<Money> {
        let Learned { excess, dearest } = *self.learned();
        let most = |tier| prices.at_most(model, tier, input, output + excess);
        most(self.asked).max(dearest.and_then(most))
    }

    /// Computes the bill for an attempt of `call` whose output limit was `limit` tokens.
    pub fn bill(&self, prices: &Prices, call: &Call, limit: u64, result: &Result<Reply, Fault>) -> Billed {
        let (usage, named, text) = match result {
            // Nothing was sent, whatever the price is.
            Err(fault) if fault.class == Class::NotSent => {
                return Billed { usage: Usage::default(), cost: Some(Money::ZERO), cache_saved_pico: 0 };
            }
            Ok(reply) => (reply.usage, reply.tier.as_deref(), reply.text.as_str()),
            Err(fault) => (fault.usage, None, ""),
        };
        if usage.input() > 2 * call.most_input_tokens() + ADDED_INPUT || usage.output > limit + ADDED_OUTPUT {
            return Billed { usage: Usage::default(), cost: None, cache_saved_pico: 0 };
        }
        let tiers = Tier::candidates(self.asked, named);
        {
            let mut learned = self.learned();
            learned.excess = learned.excess.max(usage.output.saturating_sub(limit));
            if let (Some(_), [tier]) = (named, tiers.as_slice()) {
                let price = |tier| prices.at_most(&call.model, tier, 1000, 1000);
                if learned.dearest.is_none_or(|known| price(*tier) > price(known)) {
                    learned.dearest = Some(*tier);
                }
            }
        }
        // The cost of a complete reply is unknown if it reports no input, or text without output
        // tokens.
        let complete = matches!(result, Ok(_) | Err(Fault { class: Class::BadReply, .. }));
        let counted = usage.input() > 0 && (usage.output > 0 || text.is_empty());
        let costs = tiers.iter().map(|tier| (prices.cost(&call.model, *tier, usage), *tier));
        let (cost, tier) = costs.max_by_key(|(cost, _)| *cost).unwrap_or((None, self.asked));
        Billed {
            usage,
            cost: cost.filter(|_| counted || !complete),
            cache_saved_pico: prices.saved_by_cache(&call.model, tier, usage).unwrap_or(0),
        }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureCode, FinishReason, Want};
    use serde_json::json;
    use std::sync::Arc;

    fn call() -> Call {
        Call {
            task: "t".into(),
            axes: Vec::new(),
            model: "gpt-6.1-sol".into(),
            system: "".into(),
            parts: Vec::new(),
            marks: Arc::default(),
            want: Want::Answer { schema: Arc::new(json!({}).into()), max_output_tokens: 100 },
            effort: None,
            tokens: 10,
            place: None,
            shared: 0,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it has the type of an attempt's result")]
    fn reply(uncached_input: u64, output: u64, tier: Option<&str>) -> Result<Reply, Fault> {
        let usage = Usage { uncached_input, output, ..Usage::default() };
        let tier = tier.map(ToOwned::to_owned);
        Ok(Reply {
            text: "{}".into(),
            stop: FinishReason::Complete,
            usage,
            model: String::new(),
            request_id: None,
            tier,
            repaired: std::collections::BTreeSet::new(),
        })
    }

    /// The cost of a reply if `asked` was requested, in millionths of a dollar.
    ///
    /// Input costs $2, output $10 for a million tokens.
    fn cost(asked: Tier, reply: &Result<Reply, Fault>) -> Option<u64> {
        let billed = Billing::new(asked).bill(&Prices::embedded(), &call(), 100, reply);
        billed.cost.map(|cost| cost.pico() / 1_000_000)
    }

    #[test]
    fn the_more_expensive_tier_is_billed_unless_the_reply_names_one() {
        assert_eq!(cost(Tier::Standard, &reply(1000, 100, None)), Some(3000));
        assert_eq!(cost(Tier::Flex, &reply(1000, 100, None)), Some(3000));
        assert_eq!(cost(Tier::Flex, &reply(1000, 100, Some("flex"))), Some(1500));
        assert_eq!(cost(Tier::Flex, &reply(1000, 100, Some("default"))), Some(3000));
        assert_eq!(cost(Tier::Priority, &reply(1000, 100, None)), Some(6000));
        assert_eq!(cost(Tier::Priority, &reply(1000, 100, Some("default"))), Some(3000));
        assert_eq!(cost(Tier::Standard, &reply(1000, 100, Some("ultrafast"))), Some(6000));
    }

    #[test]
    fn implausible_token_counts_make_the_cost_unknown() {
        assert_eq!(cost(Tier::Standard, &reply(0, 100, None)), None);
        assert_eq!(cost(Tier::Standard, &reply(1000, 0, None)), None, "text without output");
        assert_eq!(cost(Tier::Standard, &reply(5_000_000, 100, None)), None, "more than was sent");
        assert_eq!(cost(Tier::Standard, &reply(1000, 5_000_000, None)), None, "more than any model writes");
        let refused = Fault::new(Class::Refused { retry_after: None }, FailureCode::RateLimited, "");
        assert_eq!(cost(Tier::Standard, &Err(refused)), Some(0));
        let unsent = Err(Fault::new(Class::NotSent, FailureCode::Unreachable, ""));
        let of_unknown_price = Call { model: "nobody-knows".into(), ..call() };
        let billed = Billing::new(Tier::Standard).bill(&Prices::embedded(), &of_unknown_price, 100, &unsent);
        assert_eq!(billed.cost, Some(Money::ZERO));
    }

    #[test]
    fn reservations_grow_with_the_bills_of_earlier_replies() {
        let (billing, prices) = (Billing::new(Tier::Standard), Prices::embedded());
        let most = || billing.at_most(&prices, "gpt-6.1-sol", 0, 100).unwrap().pico() / 1_000_000;
        assert_eq!(most(), 1000);
        billing.bill(&prices, &call(), 100, &reply(10, 1100, Some("default")));
        assert_eq!(most(), 11_000);
        billing.bill(&prices, &call(), 100, &reply(10, 10, Some("priority")));
        assert_eq!(most(), 22_000);
    }
}
