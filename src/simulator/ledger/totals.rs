//! What the ledger tells.

use crate::model::Money;
use serde::{Deserialize, Serialize};

/// The sums over all model requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerTotals {
    /// Requests that arrived, whatever became of them.
    pub requests: u64,
    /// 200 with a complete answer that satisfies its schema.
    pub served: u64,
    /// 200 with a complete answer that breaks its schema.
    pub invalid: u64,
    /// 200 with an answer stopped by the token limit.
    pub cut: u64,
    /// 200 with a refusal.
    pub refused: u64,
    /// 200 with a body that is HTML, or with one that is not sent to its end: it breaks off, falls silent, turns into
    /// an error, or its client leaves after the first byte.
    pub garbled: u64,
    /// Requests for which the model produced output, whether or not the client could read it:
    /// `served` + `invalid` + `cut` + `refused` + `garbled`.
    pub billed: u64,
    /// 429, from the limits and from faults.
    pub rate_limited: u64,
    /// Of these, such as came before the time that the last 429 to anybody had told. Requests that were on their way
    /// already when it was told are among them.
    pub early: u64,
    /// Requests, refused or not, that came before the time that the last 429 to the same call had told.
    pub early_resends: u64,
    /// Every other error status: 400, 401, 404, 413, 500, 503, 529.
    pub errors: u64,
    /// Connections that were reset.
    pub resets: u64,
    /// Requests that were never answered.
    pub hangs: u64,
    /// Requests whose client left before the first byte of the reply.
    pub abandoned: u64,
    /// The most requests that were here at the same time, refused ones included.
    pub in_flight_max: u64,
    /// Calls that were served (as in `served`) more than once.
    pub duplicates: u64,
    /// Calls whose details are dropped: they are not among the calls and documents, and a request for one counts as its
    /// first.
    #[serde(default)]
    pub forgotten_calls: u64,
    /// When the first of the `served` requests reached the limits, in seconds from the start of the simulator.
    pub first_served_s: f64,
    /// When the last of them did.
    pub last_served_s: f64,
    /// The most of them that did so within one second, wherever it begins.
    pub served_in_a_second_max: u64,
    /// Input tokens of the billed requests: the three that follow.
    pub input_tokens: u64,
    /// Of these, such as had nothing to do with the cache.
    pub fresh_tokens: u64,
    /// Read from the cache.
    pub cache_read_tokens: u64,
    /// Written into the cache.
    pub cache_write_tokens: u64,
    /// Output tokens of the billed requests. Of a reply that was not sent to its end: as many as were sent of a
    /// stream, all if it was to come in one piece.
    pub output_tokens: u64,
    /// What the billed requests cost, in US dollars, by the prices of the scenario.
    pub cost_usd: Money,
}

impl LedgerTotals {
    /// From the first to the last served request, in seconds.
    pub fn span_s(&self) -> f64 {
        self.last_served_s - self.first_served_s
    }
}

/// The sums over the requests of one call. Same model, text, images and schema: same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTotals {
    /// BLAKE3 of the seed and the call, in hexadecimal.
    pub hash: String,
    /// Requests that arrived and could be read.
    pub requests: u32,
    /// Complete and valid answers.
    pub served: u32,
    /// The `docid:...` token of the user text, if any.
    pub docid: Option<String>,
    /// What was billed for it.
    #[serde(flatten)]
    pub bill: BillTotals,
}

/// The sums over the calls about one document, that is with one `docid:...` token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentTotals {
    /// The token; none for all calls without one.
    pub docid: Option<String>,
    /// Different calls.
    pub calls: u32,
    /// Requests that arrived and could be read.
    pub requests: u32,
    /// Complete and valid answers.
    pub served: u32,
    /// What was billed for it.
    #[serde(flatten)]
    pub bill: BillTotals,
}

/// What was billed. The fields are those of [`LedgerTotals`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillTotals {
    /// Billed requests.
    pub billed: u64,
    /// Input tokens without the cache.
    pub fresh_tokens: u64,
    /// Input tokens from the cache.
    pub cache_read_tokens: u64,
    /// Input tokens into the cache.
    pub cache_write_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Their price in US dollars.
    pub cost_usd: Money,
}
