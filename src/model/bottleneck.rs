//! The bottleneck of a run.

use super::WaitReason;
use serde::Serialize;
use std::fmt;

/// A possible bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Reading: the disk, or the source of the documents.
    Reading,
    /// Preparation, within `prepare.workers`.
    Preparation,
    /// All CPU cores of the machine.
    Cores,
    /// `llm.concurrency`.
    Concurrency,
    /// `llm.documents`.
    Documents,
    /// A rate limit, or another reason that delays requests.
    Held(WaitReason),
    /// One slow document at the end.
    Straggler,
    /// A server that was down, or silent for all requests at once.
    Server,
    /// Commits to the run store.
    Commits,
    /// Writing results.
    Writing,
    /// The model's latency. There are too few documents for more requests in flight.
    Latency,
}

/// A suggested change of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Key of the setting.
    pub key: &'static str,
    /// The current value.
    pub from: String,
    /// The suggested value.
    pub to: String,
}

/// The bottleneck of a run, and the change that would help.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bottleneck {
    /// The bottleneck.
    pub limit: Limit,
    /// Its share of the run's time, from 0 to 1.
    pub share: f64,
    /// The change that would help; absent if no setting helps.
    pub change: Option<Change>,
    /// Predicted duration of the run after the change, in seconds.
    pub predicted_s: Option<f64>,
    /// Predicted speed-up as a factor.
    pub speed_up: Option<f64>,
    /// The bottleneck after the change.
    pub then: Option<Limit>,
    /// Concurrency that would be as fast. Absent if the current one is not too high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enough: Option<u64>,
    /// The finding as an English sentence.
    pub sentence: String,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "reading",
            Self::Preparation => "preparation",
            Self::Cores => "the cores of this machine",
            Self::Concurrency => "llm.concurrency",
            Self::Documents => "llm.documents",
            Self::Straggler => "one slow document",
            Self::Server => "the server",
            Self::Commits => "commits to the run store",
            Self::Writing => "writing results",
            Self::Latency => "the model's latency",
            Self::Held(hold) => return hold.fmt(f),
        })
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ledger => "the ledger",
            Self::Requests => "the limit of requests a minute",
            Self::InputTokens => "the limit of input tokens a minute",
            Self::OutputTokens => "the limit of output tokens a minute",
            Self::Tokens => "the limit of tokens a minute",
            Self::Refusal => "refusals by the server",
            Self::Overload => "the server's overload",
            Self::SlowStart => "slow start (llm.limits.slow_start)",
            Self::Suspicion => "consecutive failures",
            Self::Budget => "the remaining budget",
            Self::BudgetService => "the budget service",
            Self::Pause => "the pause by a user (docmill pause)",
        })
    }
}
