//! Totals reported by the ledger.

use crate::model::Money;
use serde::{Deserialize, Serialize};

/// Totals over all model requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerTotals {
    /// All requests that arrived.
    pub requests: u64,
    /// 200 with a complete answer that satisfies its schema.
    pub served: u64,
    /// 200 with a complete answer that breaks its schema.
    pub invalid: u64,
    /// 200 with an answer stopped by the token limit.
    pub cut: u64,
    /// 200 with a refusal.
    pub refused: u64,
    /// 200 with HTML, or with an incomplete body. The body breaks off, stalls, turns into an error,
    /// or its client disconnects after the first byte.
    pub garbled: u64,
    /// Requests for which the model produced output, readable or not. They are `served`, `invalid`,
    /// `cut`, `refused` and `garbled` together.
    pub billed: u64,
    /// 429, from the limits and from faults.
    pub rate_limited: u64,
    /// 429s to requests that ignored the last wait sent to any call. Requests that were already on
    /// their way are included.
    pub early: u64,
    /// Requests, refused or not, that ignored the last wait sent to the same call.
    pub early_resends: u64,
    /// Every other error status: 400, 401, 404, 413, 500, 503, 529.
    pub errors: u64,
    /// Connections that were reset.
    pub resets: u64,
    /// Requests that were never answered.
    pub hangs: u64,
    /// Requests whose client disconnected before the first byte of the response.
    pub abandoned: u64,
    /// Maximum number of requests in progress, including refused ones.
    pub in_flight_max: u64,
    /// Calls that were served more than once.
    pub duplicates: u64,
    /// Inputs of the billed requests for embeddings.
    #[serde(default)]
    pub embedded_inputs: u64,
    /// Inputs among them that the same model had embedded before. Exact for the latest million.
    #[serde(default)]
    pub embedded_again: u64,
    /// Calls whose details were dropped. They are missing from the calls and documents, and a later
    /// request counts as their first.
    #[serde(default)]
    pub forgotten_calls: u64,
    /// When the first served request reached the limits, in seconds since the simulator started.
    pub first_served_s: f64,
    /// When the last served request reached the limits.
    pub last_served_s: f64,
    /// Maximum number of served requests that reached the limits in any second.
    pub served_in_a_second_max: u64,
    /// Input tokens of the billed requests: the sum of the next three fields.
    pub input_tokens: u64,
    /// Input tokens without the cache.
    pub fresh_tokens: u64,
    /// Input tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to the cache.
    pub cache_write_tokens: u64,
    /// Output tokens of the billed requests. An incomplete stream counts the tokens sent; an
    /// incomplete response in one piece counts all.
    pub output_tokens: u64,
    /// Cost of the billed requests in US dollars, by the prices of the scenario.
    pub cost_usd: Money,
}

impl LedgerTotals {
    /// Seconds from the first to the last served request.
    pub fn span_s(&self) -> f64 {
        self.last_served_s - self.first_served_s
    }
}

/// Totals over the requests of one call. Requests with the same model, texts, images and schema
/// belong to the same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTotals {
    /// BLAKE3 of the seed and the call, in hexadecimal.
    pub hash: String,
    /// Valid requests that arrived.
    pub requests: u32,
    /// Complete and valid answers.
    pub served: u32,
    /// The `docid:...` token of the user text, if any.
    pub docid: Option<String>,
    /// Bill of the call.
    #[serde(flatten)]
    pub bill: BillTotals,
}

/// Totals over the calls of one document, identified by its `docid:...` token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentTotals {
    /// The token; `None` for all calls without one.
    pub docid: Option<String>,
    /// Number of distinct calls.
    pub calls: u32,
    /// Valid requests that arrived.
    pub requests: u32,
    /// Complete and valid answers.
    pub served: u32,
    /// Bill of the document.
    #[serde(flatten)]
    pub bill: BillTotals,
}

/// A bill. The fields are those of [`LedgerTotals`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillTotals {
    /// Billed requests.
    pub billed: u64,
    /// Input tokens without the cache.
    pub fresh_tokens: u64,
    /// Input tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to the cache.
    pub cache_write_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Cost in US dollars.
    pub cost_usd: Money,
}
