//! What holds a run back.

use super::WaitReason;
use serde::Serialize;
use std::fmt;

/// What binds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Reading: the disk, or where documents come from.
    Reading,
    /// Preparation, on the workers that the settings grant.
    Preparation,
    /// All cores of the machine.
    Cores,
    /// `llm.concurrency`.
    Concurrency,
    /// `llm.documents`.
    Documents,
    /// A limit, or another reason why requests were kept back.
    Held(WaitReason),
    /// One document at the end.
    Straggler,
    /// The server, which was away, or silent for all requests at once.
    Server,
    /// Commits to the run store.
    Commits,
    /// Writing results.
    Writing,
    /// How long the model takes for one document: there are too few to keep more requests in flight.
    Latency,
}

/// A setting to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its key.
    pub key: &'static str,
    /// What it is.
    pub from: String,
    /// What it should be.
    pub to: String,
}

/// What held a run back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bottleneck {
    /// What binds.
    pub limit: Limit,
    /// Share of the run's time that it accounts for, from 0 to 1.
    pub share: f64,
    /// What would change it, if a setting can.
    pub change: Option<Change>,
    /// How long the run would take after that, in seconds.
    pub predicted_s: Option<f64>,
    /// How many times faster that is.
    pub speed_up: Option<f64>,
    /// What binds then.
    pub then: Option<Limit>,
    /// Requests at a time that would do as much, where more of them change nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enough: Option<u64>,
    /// All of this, for people.
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
            Self::Suspicion => "call after call that failed",
            Self::Budget => "what is left of the budget",
            Self::Pause => "the pause that was asked for",
        })
    }
}
