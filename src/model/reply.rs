//! Complete responses of a model.

use super::{Money, Repair};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::AddAssign;

/// A complete response. `stop` decides whether it holds an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The text of the answer, without thinking.
    pub text: String,
    /// Why the model stopped.
    pub stop: FinishReason,
    /// Token usage, as the provider states it.
    pub usage: Usage,
    /// The model that answered, as the provider states it.
    pub model: String,
    /// The provider's id of this request, for support.
    pub request_id: Option<String>,
    /// The billed service tier, as the provider states it.
    pub tier: Option<String>,
    /// Repairs needed to parse the response.
    pub repaired: BTreeSet<Repair>,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// The answer is complete.
    Complete,
    /// The token limit ended the answer.
    Truncated,
    /// The model declined. Holds the provider's category or text.
    Refused(String),
    /// A content filter withheld the answer.
    Filtered(String),
}

/// Tokens of one or more requests, in disjoint buckets. The buckets add up to the provider's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens read at full price.
    pub uncached_input: u64,
    /// Input tokens read from the prompt cache.
    pub cache_read: u64,
    /// Input tokens written to the prompt cache.
    pub cache_write: u64,
    /// Output tokens, including thinking.
    pub output: u64,
}

impl Usage {
    /// All input tokens, cached and uncached.
    pub fn input(self) -> u64 {
        self.uncached_input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.uncached_input = self.uncached_input.saturating_add(other.uncached_input);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.output = self.output.saturating_add(other.output);
    }
}

/// Totals over all attempts of one call, including failed and repaired ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Number of HTTP requests.
    pub attempts: u32,
    /// Attempts that may have been billed without a complete response.
    pub maybe_billed: u32,
    /// Tokens of all responses.
    pub usage: Usage,
    /// Cost of all responses; `None` if the model's price is not known.
    pub cost: Option<Money>,
    /// Savings by the prompt cache, in trillionths of a dollar. The surcharge for cache writes is
    /// deducted. 0 if the price is not known.
    pub cache_saved_pico: i64,
    /// Seconds from sending to the response, summed over attempts. Waits for permits do not count.
    pub seconds: f64,
}

impl Spent {
    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut usage = self.usage;
        usage += other.usage;
        Self {
            attempts: self.attempts + other.attempts,
            maybe_billed: self.maybe_billed + other.maybe_billed,
            usage,
            cost: self.cost.zip(other.cost).map(|(one, other)| one + other),
            cache_saved_pico: self.cache_saved_pico + other.cache_saved_pico,
            seconds: self.seconds + other.seconds,
        }
    }
}
