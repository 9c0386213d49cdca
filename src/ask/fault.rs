//! Failures of an attempt, classified by what to do about them.

use super::dialect::Complaint;
use crate::model::{FailureCode, Usage};
use std::time::Duration;

/// What to do after a failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Class {
    /// The request never reached the provider. Retry.
    NotSent,
    /// The provider refused and did no work. Retry after the requested wait, or after our own
    /// backoff.
    Refused {
        /// The wait requested by the provider.
        retry_after: Option<Duration>,
    },
    /// The request was sent, but no readable reply arrived.
    ///
    /// It may be billed. Retry at most `max_ambiguous` times.
    Ambiguous,
    /// A billed reply without a usable answer. A retry may bring one.
    BadReply,
    /// A retry would fail the same way. The call has failed.
    Permanent,
    /// The provider denied access to the account or to the document.
    ///
    /// Permanent if the model has already answered in this run. Otherwise fatal for the run.
    Denied,
    /// No call of this run can succeed.
    RunFatal(StopKind),
}

/// Why a run cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// The provider rejects the account: key, model, credit.
    Refused,
    /// A later run may work.
    ///
    /// For example, there is no connection or no budget, or the requested wait is very long.
    Parked,
    /// The caller stopped the run, on a signal for example.
    Requested,
    /// The cap on money has no room for another request.
    OverBudget,
    /// The requested sample is done.
    Sampled,
    /// Some answers will arrive in a later run.
    Deferred,
}

/// Why a provider refuses requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// The reason does not affect other requests.
    None,
    /// A rate limit was exceeded.
    Rate,
    /// Usage grew too fast.
    Ramp,
    /// The provider is overloaded.
    Overload,
    /// A cheap tier has no capacity.
    Capacity,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What to do.
    pub class: Class,
    /// The failure code for the document's row, if the call fails.
    pub code: FailureCode,
    /// What happened, in the provider's words if available.
    pub message: String,
    /// Billed tokens, if the reply reports them.
    pub usage: Usage,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// The HTTP status, if there was a reply.
    pub status: Option<u16>,
    /// Why the provider refused, if that concerns other requests.
    pub pressure: Pressure,
    /// The provider's complaint about the form of the request.
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

    /// Adds the usage of a billed reply.
    ///
    /// A billed refusal becomes a bad reply, so that it is retried less often than a free one.
    #[must_use]
    pub fn billed(self, usage: Usage) -> Self {
        let paid = usage.output > 0 || usage.input() > 0;
        let class = match self.class {
            Class::Refused { .. } if paid && self.pressure == Pressure::None => Class::BadReply,
            class => class,
        };
        Self { class, usage, ..self }
    }

    /// The wait requested by the provider.
    pub fn wait(&self) -> Option<Duration> {
        match self.class {
            Class::Refused { retry_after } => retry_after,
            _ => None,
        }
    }
}

/// Why the whole run stops. Documents without a row stay pending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunStop {
    /// The kind of stop.
    pub kind: StopKind,
    /// The reason, and what to do.
    pub message: String,
}

/// Whether servers or firewalls use this HTTP status to deny access.
pub fn is_turned_away(status: u16) -> bool {
    matches!(status, 401 | 403 | 406 | 451)
}
