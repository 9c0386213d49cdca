//! What an attempt is billed, judged from its reply.
//!
//! Counts that cannot be true make the cost unknown, and what was reserved for the attempt stays reserved: the cap on money
//! must hold whatever a server says.

use super::fault::{Class, Fault};
use super::pricing::Prices;
use super::tier::Tier;
use crate::model::{Call, Money, Reply, Usage};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bills of one account.
#[derive(Debug)]
pub(super) struct Billing {
    /// The tier that requests ask for.
    asked: Tier,
    learned: Mutex<Learned>,
}

/// What replies have shown about later bills.
#[derive(Debug, Clone, Copy, Default)]
struct Learned {
    /// Output tokens that were billed beyond the limit of a request: some providers do not count thinking against it.
    excess: u64,
    /// The dearest tier that a reply has named: an account may have another default than the usual tier.
    dearest: Option<Tier>,
}

/// What one attempt is billed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Billed {
    /// Tokens; all zero if they are unknown.
    pub usage: Usage,
    /// The cost; `None` if it is unknown.
    pub cost: Option<Money>,
    /// What the prompt cache has saved, in trillionths of a dollar; 0 if that is unknown.
    pub cache_saved_pico: i64,
}

/// What gateways and tools may add to a prompt, in tokens.
const ADDED_INPUT: u64 = 20_000;
/// No model writes more than this beyond its limit.
const ADDED_OUTPUT: u64 = 1_000_000;

impl Billing {
    /// For requests that ask for the tier `asked`.
    pub fn new(asked: Tier) -> Self {
        Self { asked, learned: Mutex::default() }
    }

    /// The most that a request with at most so many tokens can cost; `None` if a price is unknown.
    pub fn at_most(&self, prices: &Prices, model: &str, input: u64, output: u64) -> Option<Money> {
        let Learned { excess, dearest } = *self.learned();
        let most = |tier| prices.at_most(model, tier, input, output + excess);
        most(self.asked).max(dearest.and_then(most))
    }

    /// The bill for `call`, whose output was limited to `limit` tokens.
    pub fn bill(&self, prices: &Prices, call: &Call, limit: u64, result: &Result<Reply, Fault>) -> Billed {
        let (usage, named, text) = match result {
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
        // A complete reply without counts may have used all that it could, and so may a text without output tokens.
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
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureCode, FinishReason};
    use serde_json::json;

    fn call() -> Call {
        Call {
            task: "t".into(),
            axes: Vec::new(),
            model: "gpt-6.1-sol".into(),
            system: "".into(),
            parts: Vec::new(),
            schema: json!({}).into(),
            max_output_tokens: 100,
            effort: None,
            tokens: 10,
            place: None,
            shared: 0,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for what an attempt brings")]
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

    /// What a reply costs when `asked` was asked for, in millionths of a dollar. Input costs $2, output $10 for a million tokens.
    fn cost(asked: Tier, reply: &Result<Reply, Fault>) -> Option<u64> {
        let billed = Billing::new(asked).bill(&Prices::embedded(), &call(), 100, reply);
        billed.cost.map(|cost| cost.pico() / 1_000_000)
    }

    #[test]
    fn a_tier_is_billed_as_the_dearer_one_until_the_reply_names_it() {
        assert_eq!(cost(Tier::Standard, &reply(1000, 100, None)), Some(3000));
        assert_eq!(cost(Tier::Flex, &reply(1000, 100, None)), Some(3000));
        assert_eq!(cost(Tier::Flex, &reply(1000, 100, Some("flex"))), Some(1500));
        assert_eq!(cost(Tier::Flex, &reply(1000, 100, Some("default"))), Some(3000));
        assert_eq!(cost(Tier::Priority, &reply(1000, 100, None)), Some(6000));
        assert_eq!(cost(Tier::Priority, &reply(1000, 100, Some("default"))), Some(3000));
        assert_eq!(cost(Tier::Standard, &reply(1000, 100, Some("ultrafast"))), Some(6000));
    }

    #[test]
    fn a_reply_without_believable_counts_has_no_known_cost() {
        assert_eq!(cost(Tier::Standard, &reply(0, 100, None)), None);
        assert_eq!(cost(Tier::Standard, &reply(1000, 0, None)), None, "text without output");
        assert_eq!(cost(Tier::Standard, &reply(5_000_000, 100, None)), None, "more than was sent");
        assert_eq!(cost(Tier::Standard, &reply(1000, 5_000_000, None)), None, "more than any model writes");
        let refused = Fault::new(Class::Refused { retry_after: None }, FailureCode::RateLimited, "");
        assert_eq!(cost(Tier::Standard, &Err(refused)), Some(0));
    }

    #[test]
    fn reservations_grow_with_what_replies_have_shown() {
        let (billing, prices) = (Billing::new(Tier::Standard), Prices::embedded());
        let most = || billing.at_most(&prices, "gpt-6.1-sol", 0, 100).unwrap().pico() / 1_000_000;
        assert_eq!(most(), 1000);
        billing.bill(&prices, &call(), 100, &reply(10, 1100, Some("default")));
        assert_eq!(most(), 11_000);
        billing.bill(&prices, &call(), 100, &reply(10, 10, Some("priority")));
        assert_eq!(most(), 22_000);
    }
}
