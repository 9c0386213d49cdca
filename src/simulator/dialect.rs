//! The two wire dialects behind one door.
//!
//! Promises: pure functions from request to [`Ask`] and from outcome to reply; the shapes are the providers'
//! own. Never decides what happens.

use super::ask::Ask;
use super::limits::Standing;
use super::{anthropic, openai};
use hyper::{HeaderMap, StatusCode};
use serde_json::Value;

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
    RateLimited,
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
    pub(super) fn read<'a>(self, body: &'a Value, headers: &HeaderMap, seed: u64) -> Result<Ask<'a>, Problem> {
        match self {
            Self::Anthropic => anthropic::read(body, headers, seed),
            Self::OpenAi => openai::read(body, seed),
        }
    }

    /// The body of a 200.
    pub(super) fn reply(self, ask: &Ask<'_>, text: &str, end: End, output_tokens: u64) -> String {
        match self {
            Self::Anthropic => anthropic::reply(ask, text, end, output_tokens),
            Self::OpenAi => openai::reply(ask, text, end, output_tokens),
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

    /// The rate-limit headers.
    pub(super) fn limit_headers(self, standing: Standing) -> [(&'static str, String); 3] {
        match self {
            Self::Anthropic => anthropic::limit_headers(standing),
            Self::OpenAi => openai::limit_headers(standing),
        }
    }
}
