//! The common interface of the wire dialects.
//!
//! Dialects are pure functions from request to [`Ask`] and from outcome to response, in the
//! providers' formats. They make no decisions.

use super::ask::Ask;
use super::bill::Tokens;
use super::limits::{Charge, LimitKind, LimitState};
use super::openai::{chat, chat_reply, responses, responses_reply};
use super::scenario::RetryAfter;
use super::script::Events;
use super::{anthropic, gemini, openai};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::Value;
use std::time::Duration;

/// The provider API that a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Anthropic,
    /// Chat Completions.
    OpenAi,
    /// OpenAI Responses.
    Responses,
    Gemini,
}

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

impl Dialect {
    /// The dialect of a path for model calls.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        match path {
            "/v1/messages" => Some(Self::Anthropic),
            "/v1/chat/completions" => Some(Self::OpenAi),
            "/v1/responses" => Some(Self::Responses),
            _ => path.starts_with(gemini::MODELS).then_some(Self::Gemini),
        }
    }

    /// Parses and checks a request.
    pub(super) fn read<'a>(self, body: &'a Value, head: &'a Parts, seed: u64) -> Result<Ask<'a>, Problem> {
        match self {
            Self::Anthropic => anthropic::read(body, &head.headers, seed),
            Self::OpenAi => chat::read(body, seed),
            Self::Responses => responses::read(body, seed),
            Self::Gemini => gemini::read(body, &head.uri, seed),
        }
    }

    /// The amounts that a request takes from the limits.
    pub(super) fn charge(self, ask: &Ask<'_>, tokens: Tokens) -> Charge {
        match self {
            Self::Anthropic => anthropic::charge(tokens),
            Self::OpenAi | Self::Responses => openai::charge(ask),
            Self::Gemini => gemini::charge(tokens),
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
            Self::OpenAi => chat_reply::reply(ask, text, end, tokens),
            Self::Responses => responses_reply::reply(ask, text, end, tokens),
            Self::Gemini => gemini::reply(ask, text, end, tokens),
        }
    }

    /// The events of a stream.
    pub(super) fn stream(self, ask: &Ask<'_>, text: &str, end: End, tokens: Tokens) -> Events {
        match self {
            Self::Anthropic => anthropic::stream(ask, text, end, tokens),
            Self::OpenAi => chat_reply::stream(ask, text, end, tokens),
            Self::Responses => responses_reply::stream(ask, text, end, tokens),
            Self::Gemini => gemini::stream(ask, text, end, tokens),
        }
    }

    /// The event of an error in the middle of a stream.
    pub(super) fn stream_error(self) -> String {
        match self {
            Self::Anthropic => anthropic::stream_error(),
            Self::OpenAi => chat_reply::stream_error(),
            Self::Responses => responses_reply::stream_error(),
            Self::Gemini => gemini::stream_error(),
        }
    }

    /// Status and body of an error.
    pub(super) fn problem(self, problem: &Problem, request_id: &str) -> (StatusCode, String) {
        match self {
            Self::Anthropic => anthropic::problem(problem, request_id),
            Self::OpenAi | Self::Responses => openai::problem(problem),
            Self::Gemini => gemini::problem(problem),
        }
    }

    /// The header with the request id.
    pub(super) fn id_header(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("request-id"),
            Self::OpenAi | Self::Responses => Some("x-request-id"),
            Self::Gemini => None,
        }
    }

    /// The rate-limit headers of one limit.
    pub(super) fn limit_headers(self, state: &LimitState) -> Vec<(String, String)> {
        match self {
            Self::Anthropic => anthropic::limit_headers(state).into(),
            Self::OpenAi | Self::Responses => openai::limit_headers(state).into(),
            Self::Gemini => Vec::new(),
        }
    }

    /// The form of the wait in a 429, and whether it goes into a header.
    pub(super) fn wait_form(self, wanted: RetryAfter) -> (RetryAfter, bool) {
        match (self, wanted) {
            (Self::Gemini, RetryAfter::None) | (Self::Anthropic | Self::OpenAi | Self::Responses, _) => (wanted, true),
            // In the body, to the millisecond.
            (Self::Gemini, _) => (RetryAfter::Ms, false),
        }
    }
}
