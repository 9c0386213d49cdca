//! How stages and the channels between them spend their time.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How the slots of a stage spent their time, as shares from 0 to 1 that add up to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageUse {
    /// The stage's name.
    pub stage: Cow<'static, str>,
    /// Documents (for `ask`: requests; for `commit`: records) that went through.
    pub done: u64,
    /// How many it can work on at the same time.
    pub slots: usize,
    /// Working. For `ask`: a request is in flight.
    pub busy: f64,
    /// There was nothing to work on.
    pub waiting: f64,
    /// There was no room further on, or no memory.
    pub blocked: f64,
    /// Of `ask`: kept back, and by what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<WaitReason, f64>,
}

/// What keeps requests back although fewer than `llm.concurrency` are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The attempt is being written to the ledger.
    Ledger,
    /// Requests a minute.
    Requests,
    /// Input tokens a minute.
    InputTokens,
    /// Output tokens a minute.
    OutputTokens,
    /// Tokens of both kinds a minute.
    Tokens,
    /// The provider has refused a request, and named a time.
    Refusal,
    /// The provider is overloaded.
    Overload,
    /// What the account allows is being found out.
    SlowStart,
    /// Call after call has failed: it is being found out whether all do.
    Suspicion,
    /// The rest of the budget is reserved for requests in flight.
    Budget,
    /// Somebody has said that nothing is to be sent for now (`docmill pause`).
    Pause,
}

impl WaitReason {
    /// What a limit of this kind counts, in words.
    pub fn counts(self) -> &'static str {
        match self {
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::Tokens => "tokens",
            _ => "requests",
        }
    }

    /// Every reason, in the order of their discriminants.
    pub const ALL: [Self; 11] = [
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
        Self::Pause,
    ];

    /// The setting that states this limit, if it is one of the account's.
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
    /// What waits in it: `found`, `read`, `ready`, `records`.
    pub queue: Cow<'static, str>,
    /// How much it can hold.
    pub capacity: usize,
    /// How much was in it, on average over the run.
    pub mean: f64,
    /// How much is in it now.
    pub now: usize,
}
