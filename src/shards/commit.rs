//! The commit of a shard, and its bill.

use crate::model::{LedgerSum, Money};
use serde::{Deserialize, Serialize};

/// What an attempt has committed. Readers trust only the parts that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The attempt.
    pub attempt: u32,
    /// Identity of the run.
    pub run: String,
    /// The rows of each job.
    pub parts: Vec<Part>,
    /// The bill of all attempts whose segments were read.
    pub bill: Bill,
    /// Segments that the bill contains. Later ones belong to attempts that went on for a moment.
    pub segments: Vec<String>,
}

/// The rows of a job in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the job.
    pub job: String,
    /// Key of the object with the rows, one JSON line each.
    pub key: String,
    /// Number of rows.
    pub rows: u64,
    /// Number of rows that failed.
    pub failed: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// BLAKE3 digest of the object.
    pub digest: String,
}

/// Requests and money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// HTTP requests.
    pub requests: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Cost in trillionths of a dollar; `None` if a price is unknown.
    pub pico_usd: Option<u64>,
    /// Maximum number of requests in flight when their attempts were lost. They may have been billed.
    pub in_doubt: u64,
}

impl Bill {
    /// The bill of nothing.
    pub const ZERO: Self = Self { requests: 0, input_tokens: 0, output_tokens: 0, pico_usd: Some(0), in_doubt: 0 };

    /// The bill of a ledger, with requests that were lost beside it.
    pub fn of(sum: &LedgerSum, lost: u64) -> Self {
        Self {
            requests: sum.requests,
            input_tokens: sum.tokens.input(),
            output_tokens: sum.tokens.output,
            pico_usd: sum.cost.exact().map(Money::pico),
            in_doubt: lost + sum.maybe_billed,
        }
    }

    /// Adds another bill.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.pico_usd = self.pico_usd.zip(other.pico_usd).map(|(one, other)| one.saturating_add(other));
        self.in_doubt += other.in_doubt;
    }

    /// The cost, if all prices are known.
    pub fn cost(&self) -> Option<Money> {
        self.pico_usd.map(Money::from_pico)
    }
}
