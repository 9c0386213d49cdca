//! How stages and the channels between them spend their time.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Time shares of a stage's slots. They range from 0 to 1, and their sum is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageUse {
    /// The stage's name.
    pub stage: Cow<'static, str>,
    /// Number of documents processed. For `ask`, requests; for `commit`, records.
    pub done: u64,
    /// Number of items that it can process at the same time.
    pub slots: usize,
    /// Share with work in progress. For `ask`, a request is in flight.
    pub busy: f64,
    /// Share without input.
    pub waiting: f64,
    /// Share without room in the next stage, or without free memory.
    pub blocked: f64,
    /// For `ask`: shares during which requests waited, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<WaitReason, f64>,
}

/// Why requests wait although fewer than `llm.concurrency` are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The attempt is being written to the ledger.
    Ledger,
    /// The limit of requests per minute.
    Requests,
    /// The limit of input tokens per minute.
    InputTokens,
    /// The limit of output tokens per minute.
    OutputTokens,
    /// The limit of all tokens per minute.
    Tokens,
    /// The provider refused a request and named a delay.
    Refusal,
    /// The provider is overloaded.
    Overload,
    /// Slow start: docmill measures the limits of the account.
    SlowStart,
    /// Consecutive failures: docmill tests whether all calls fail.
    Suspicion,
    /// The rest of the budget is reserved for requests in flight.
    Budget,
    /// The budget service does not answer.
    BudgetService,
    /// A user paused the run (`docmill pause`).
    Pause,
}

impl WaitReason {
    /// The unit that a limit of this kind counts.
    pub fn counts(self) -> &'static str {
        match self {
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::Tokens => "tokens",
            _ => "requests",
        }
    }

    /// Every reason, in the order of their discriminants.
    pub const ALL: [Self; 12] = [
        Self::Ledger,
        Self::Requests,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Tokens,
        Self::Refusal,
        Self::Overload,
        Self::SlowStart,
        Self::Suspicion,
        Self::Budget,
        Self::BudgetService,
        Self::Pause,
    ];

    /// What requests do meanwhile.
    pub fn waiting(self) -> String {
        if self == Self::BudgetService { format!("waiting for {self}") } else { format!("held back by {self}") }
    }

    /// Setting key of an account limit; `None` for other reasons.
    pub fn key(self) -> Option<&'static str> {
        Some(match self {
            Self::Requests => "llm.limits.requests_per_minute",
            Self::InputTokens => "llm.limits.input_tokens_per_minute",
            Self::OutputTokens => "llm.limits.output_tokens_per_minute",
            Self::Tokens => "llm.limits.tokens_per_minute",
            _ => return None,
        })
    }
}

/// How full a channel was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueUse {
    /// Name of the channel: `found`, `read`, `ready`, `records`.
    pub queue: Cow<'static, str>,
    /// Maximum number of items.
    pub capacity: usize,
    /// Mean number of items over the run.
    pub mean: f64,
    /// Current number of items.
    pub now: usize,
}
