//! How a request ends: with an answer, or with a problem.

use super::limits::LimitKind;
use std::time::Duration;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Cut,
    Refused,
}

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    Invalid {
        message: String,
        param: Option<String>,
        code: Option<&'static str>,
    },
    Unauthorized,
    UnknownModel(String),
    UnknownPath(String),
    TooLarge,
    RateLimited {
        meter: LimitKind,
        /// The wait for the client, for dialects that put it into the body.
        wait: Option<Duration>,
    },
    Overloaded,
    ServerError,
}

impl Problem {
    /// A plain 400.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), param: None, code: None }
    }

    /// A 400 about one parameter.
    pub(super) fn param(message: impl Into<String>, param: &str, code: Option<&'static str>) -> Self {
        Self::Invalid { message: message.into(), param: Some(param.to_owned()), code }
    }
}
