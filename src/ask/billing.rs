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

impl Billed {
    /// The bill of a request that was not sent.
    pub const NOTHING: Self =
        Self { usage: Usage { uncached_input: 0, cache_read: 0, cache_write: 0, output: 0 }, cost: Some(Money::ZERO), cache_saved_pico: 0 };
}

/// The bounds of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'b> {
    pub model: &'b str,
    /// Maximum input tokens.
    pub input: u64,
    /// Maximum output tokens.
    pub output: u64,
    /// The tier that the request asks for.
    pub tier: Tier,
}

/// What a reply reports about its bill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported<'r> {
    pub usage: Usage,
    /// The tier that the reply names.
    pub tier: Option<&'r str>,
    /// Whether the whole reply arrived.
    pub complete: bool,
    /// Whether the reply has text, so that its output cannot be zero.
    pub has_text: bool,
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
        self.bound(prices, &Bound { model, input, output, tier: self.asked })
    }

    /// Maximum cost of a request; `None` if the price is unknown.
    pub fn bound(&self, prices: &Prices, bound: &Bound<'_>) -> Option<Money> {
        let Learned { excess, dearest } = *self.learned();
        let most = |tier| prices.at_most(bound.model, tier, bound.input, bound.output + excess);
        most(bound.tier).max(dearest.and_then(most))
    }

    /// Computes the bill for an attempt of `call` whose output limit was `limit` tokens.
    pub fn bill(&self, prices: &Prices, call: &Call, limit: u64, result: &Result<Reply, Fault>) -> Billed {
        let (usage, tier, has_text) = match result {
            // Nothing was sent, whatever the price is.
            Err(fault) if fault.class == Class::NotSent => return Billed::NOTHING,
            Ok(reply) => (reply.usage, reply.tier.as_deref(), !reply.text.is_empty()),
            Err(fault) => (fault.usage, None, false),
        };
        let complete = matches!(result, Ok(_) | Err(Fault { class: Class::BadReply, .. }));
        let bound = Bound { model: &call.model, input: call.most_input_tokens(), output: limit, tier: self.asked };
        self.bill_reported(prices, &bound, &Reported { usage, tier, complete, has_text })
    }

    /// Computes the bill of a request that was sent.
    pub fn bill_reported(&self, prices: &Prices, bound: &Bound<'_>, reported: &Reported<'_>) -> Billed {
        let (usage, named) = (reported.usage, reported.tier);
        if usage.input() > 2 * bound.input + ADDED_INPUT || usage.output > bound.output + ADDED_OUTPUT {
            return Billed { cost: None, ..Billed::NOTHING };
        }
        let tiers = Tier::candidates(bound.tier, named);
        {
            let mut learned = self.learned();
            learned.excess = learned.excess.max(usage.output.saturating_sub(bound.output));
            if let (Some(_), [tier]) = (named, tiers.as_slice()) {
                let price = |tier| prices.at_most(bound.model, tier, 1000, 1000);
                if learned.dearest.is_none_or(|known| price(*tier) > price(known)) {
                    learned.dearest = Some(*tier);
                }
            }
        }
        // The cost of a complete reply is unknown if it reports no input, or text without output
        // tokens.
        let counted = usage.input() > 0 && (usage.output > 0 || !reported.has_text);
        let costs = tiers.iter().map(|tier| (prices.cost(bound.model, *tier, usage), *tier));
        let (cost, tier) = costs.max_by_key(|(cost, _)| *cost).unwrap_or((None, bound.tier));
        Billed {
            usage,
            cost: cost.filter(|_| counted || !reported.complete),
            cache_saved_pico: prices.saved_by_cache(bound.model, tier, usage).unwrap_or(0),
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
