//! What a model sent back.

use super::{Money, Repair};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::AddAssign;

/// A reply that was read completely. Whether it is an answer is decided by looking at `stop` first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The text of the answer; thinking is left out.
    pub text: String,
    /// Why the model stopped.
    pub stop: FinishReason,
    /// What it used, as the provider states it.
    pub usage: Usage,
    /// The model that answered, as the provider states it.
    pub model: String,
    /// The provider's name for this request, for support.
    pub request_id: Option<String>,
    /// The tier of service that was billed, as the provider states it.
    pub tier: Option<String>,
    /// What had to be put right to read the reply.
    pub repaired: BTreeSet<Repair>,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// It was finished.
    Complete,
    /// It reached the token limit.
    Truncated,
    /// It declined; with the provider's category or text.
    Refused(String),
    /// A content filter withheld the answer.
    Filtered(String),
}

/// Tokens of one or more requests, in disjoint buckets: they add up to what the provider counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens read at full price.
    pub uncached_input: u64,
    /// Input tokens read from the prompt cache.
    pub cache_read: u64,
    /// Input tokens written to the prompt cache.
    pub cache_write: u64,
    /// Output tokens, thinking included.
    pub output: u64,
}

impl Usage {
    /// All input tokens, cached or not.
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

/// What all attempts of one call came to. Failed and repaired attempts count too.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// HTTP requests made.
    pub attempts: u32,
    /// Attempts that may have been billed although no complete reply came back.
    pub maybe_billed: u32,
    /// Tokens of all replies.
    pub usage: Usage,
    /// Money of all replies; `None` when the model's price is not known.
    pub cost: Option<Money>,
    /// What the provider's prompt cache has saved, less what writing to it has cost more, in trillionths of a dollar; 0 where the
    /// price is not known.
    pub cache_saved_pico: i64,
    /// Seconds from sending to the reply, summed over the attempts; waiting for permits is left out.
    pub seconds: f64,
}

impl Spent {
    /// Both together.
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
