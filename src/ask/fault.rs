//! What can go wrong with an attempt, sorted by what to do about it.

use super::dialect::Complaint;
use crate::model::{FailureCode, Usage};
use std::time::Duration;

/// What to do after a failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Class {
    /// The request never reached the provider: free to repeat.
    NotSent,
    /// The provider took no work: repeat after its wait, or after ours.
    Refused {
        /// The wait that the provider asks for.
        retry_after: Option<Duration>,
    },
    /// The request left and no reply came, or none that can be read: it may have been billed. Repeated rarely.
    Ambiguous,
    /// A reply came and is no answer; asking again may give one. It is billed.
    BadReply,
    /// Asking again gives the same: this call has failed.
    Permanent,
    /// The provider lets this request not in, and gives no reason that tells a bad key from a document that it does not like:
    /// permanent if the model has answered before in this run, and fatal for the run otherwise.
    Denied,
    /// No call of this run can succeed.
    RunFatal(StopKind),
}

/// Why a run cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// The provider will not have us: key, model, credit.
    Refused,
    /// It may work later: nobody answers, or a very long wait is asked for.
    Parked,
    /// A signal has asked for it.
    Signalled,
    /// All that was asked for is done.
    Sampled,
}

/// What a provider that refuses suffers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// Nothing that concerns others.
    None,
    /// A rate limit.
    Rate,
    /// Usage that grew too fast.
    Ramp,
    /// More work than it can do.
    Overload,
    /// No room on a cheap tier.
    Capacity,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What to do.
    pub class: Class,
    /// What it becomes in a row if nothing helps.
    pub code: FailureCode,
    /// What happened, in the provider's words where there are any.
    pub message: String,
    /// Tokens that this attempt is billed for, where the reply says so.
    pub usage: Usage,
    /// The provider's name for the request.
    pub request_id: Option<String>,
    /// The HTTP status, if there was a reply.
    pub status: Option<u16>,
    /// What the provider suffers from, if that is why it refused.
    pub pressure: Pressure,
    /// What it says about the form of the request.
    pub complaint: Option<Box<Complaint>>,
}

impl Fault {
    /// A fault without usage.
    pub fn new(class: Class, code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            class,
            code,
            message: message.into(),
            usage: Usage::default(),
            request_id: None,
            status: None,
            pressure: Pressure::None,
            complaint: None,
        }
    }

    /// The same fault inside a reply that is billed. A failure that was paid for is a bad reply: it is not repeated like a free one.
    #[must_use]
    pub fn billed(self, usage: Usage) -> Self {
        let paid = usage.output > 0 || usage.input() > 0;
        let class = match self.class {
            Class::Refused { .. } if paid && self.pressure == Pressure::None => Class::BadReply,
            class => class,
        };
        Self { class, usage, ..self }
    }

    /// The wait that the provider asks for.
    pub fn wait(&self) -> Option<Duration> {
        match self.class {
            Class::Refused { retry_after } => retry_after,
            _ => None,
        }
    }
}

/// The reason for which the whole run stops. Documents without a row stay pending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunStop {
    /// What kind of stop.
    pub kind: StopKind,
    /// Why, and what to do next.
    pub message: String,
}
/// Whether a status is one by which servers, and firewalls before them, let nobody in.
pub fn is_turned_away(status: u16) -> bool {
    matches!(status, 401 | 403 | 406 | 451)
}
