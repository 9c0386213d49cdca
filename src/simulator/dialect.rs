//! The wire dialects behind one door.
//!
//! Promises: pure functions from request to [`Ask`] and from outcome to reply; the shapes are the providers'
//! own. Never decides what happens.

use super::ask::Ask;
use super::bill::Tokens;
use super::limits::{Charge, Meter, Standing};
use super::script::Events;
use super::{anthropic, openai};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::Value;
use std::time::Duration;

/// Which provider's language a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Anthropic,
    OpenAi,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Cut,
    Refused,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    Invalid { message: String, param: Option<String>, code: Option<&'static str> },
    Unauthorized,
    UnknownModel(String),
    UnknownPath(String),
    TooLarge,
    RateLimited { meter: Meter, wait: Option<Duration> },
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

impl Dialect {
    /// Reads and checks a request.
    pub(super) fn read<'a>(self, body: &'a Value, head: &Parts, seed: u64) -> Result<Ask<'a>, Problem> {
        match self {
            Self::Anthropic => anthropic::read(body, &head.headers, seed),
            Self::OpenAi => openai::read(body, seed),
        }
    }

    /// What a request takes from the limits.
    pub(super) fn charge(self, ask: &Ask<'_>, tokens: Tokens) -> Charge {
        match self {
            Self::Anthropic => anthropic::charge(tokens),
            Self::OpenAi => openai::charge(ask),
        }
    }

    /// Whether output counts towards a limit as it is produced.
    pub(super) fn meters_output(self) -> bool {
        self == Self::Anthropic
    }

    /// The body of a 200.
    pub(super) fn reply(self, ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> String {
        match self {
            Self::Anthropic => anthropic::reply(ask, text, end, tokens),
            Self::OpenAi => openai::reply(ask, text, end, tokens),
        }
    }

    /// The same as a stream.
    pub(super) fn stream(self, ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> Events {
        match self {
            Self::Anthropic => anthropic::stream(ask, text, end, tokens),
            Self::OpenAi => openai::stream(ask, text, end, tokens),
        }
    }

    /// The event of an error in the middle of a stream.
    pub(super) fn stream_error(self) -> String {
        match self {
            Self::Anthropic => anthropic::stream_error(),
            Self::OpenAi => openai::stream_error(),
        }
    }

    /// Status and body of an error.
    pub(super) fn problem(self, problem: &Problem, request_id: &str) -> (StatusCode, String) {
        match self {
            Self::Anthropic => anthropic::problem(problem, request_id),
            Self::OpenAi => openai::problem(problem),
        }
    }

    /// The header that carries the id of a request.
    pub(super) fn id_header(self) -> &'static str {
        match self {
            Self::Anthropic => "request-id",
            Self::OpenAi => "x-request-id",
        }
    }

    /// The rate-limit headers of one meter.
    pub(super) fn limit_headers(self, standing: &Standing) -> [(String, String); 3] {
        match self {
            Self::Anthropic => anthropic::limit_headers(standing),
            Self::OpenAi => openai::limit_headers(standing),
        }
    }
}
