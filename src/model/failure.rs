//! Codes that tell why a document or call has no answer.

use super::did_you_mean;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A failure of a document or call, ready for a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Class of the failure, for programs.
    pub code: FailureCode,
    /// What failed, why, and what to do, for people.
    pub message: String,
}

impl Failure {
    /// Creates a failure.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// The `failure_code` column. The list is closed: scripts may depend on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FailureCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl FailureCode {
            /// Every code, in the order of the pipeline.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code in result files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Parses a code.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    /// The file could not be opened or read.
    Unreadable = "unreadable",
    /// The file disappeared after the directory was listed.
    Vanished = "vanished",
    /// The file has no bytes or no text.
    Empty = "empty",
    /// The file is larger than `read.max_file_mb`.
    TooLarge = "too_large",
    /// The content is damaged: it cannot be decoded in its detected format.
    Undecodable = "undecodable",
    /// The document needs a password.
    Encrypted = "encrypted",
    /// The pages have no text, as in scans. Images of pages are switched off.
    NoText = "no_text",
    /// Text extraction exceeded `prepare.document_s` (CPU time) or `prepare.document_mb`.
    PrepareLimit = "prepare_limit",
    /// Text extraction timed out with little CPU time. It hung, or the machine was overloaded.
    PrepareTimeout = "prepare_timeout",
    /// The image has more pixels than `prepare.image.max_pixels_mp`.
    TooManyPixels = "too_many_pixels",
    /// No job of this run accepts this kind of document.
    UnsupportedKind = "unsupported_kind",
    /// The prompt cannot be rendered. For example, it uses a column that the row lacks.
    Unrenderable = "unrenderable",
    /// The model or its provider declined to answer.
    Refused = "refused",
    /// The provider's content filter withheld the answer.
    Filtered = "filtered",
    /// The answer was cut at the token limit.
    Truncated = "truncated",
    /// The model spent its tokens on thinking and gave no answer.
    NoAnswer = "no_answer",
    /// The answer violates the job's schema, even after a retry.
    InvalidAnswer = "invalid_answer",
    /// The document exceeds the model's context or the provider's request size.
    TooLong = "too_long",
    /// The server silently cut the prompt.
    PromptCut = "prompt_cut",
    /// The provider rejected the request.
    Rejected = "rejected",
    /// The provider's rate limit refused every attempt.
    RateLimited = "rate_limited",
    /// The provider was overloaded at every attempt.
    Overloaded = "overloaded",
    /// The provider returned a server error at every attempt.
    ServerError = "server_error",
    /// The response could not be parsed.
    BadReply = "bad_reply",
    /// The connection failed before the response was complete. The request may have been billed.
    LostReply = "lost_reply",
    /// No response within `llm.timeout_s`; the request may have been billed.
    TimedOut = "timed_out",
    /// docmill cannot connect to the provider. This code never appears in a row: the run stops, and
    /// its documents stay pending.
    Unreachable = "unreachable",
    /// An earlier run died during the request. The settings forbid a retry.
    InDoubt = "in_doubt",
    /// A user cancelled the document (`docmill cancel`) during its run.
    Cancelled = "cancelled",
    /// An internal error of docmill. The message names the place.
    Internal = "internal",
}

impl FailureCode {
    /// Whether the same request may succeed if it is sent again. Otherwise the document, a setting or
    /// the job must change first.
    pub fn may_pass(self) -> bool {
        !matches!(
            self,
            Self::Empty
                | Self::TooLarge
                | Self::Undecodable
                | Self::Encrypted
                | Self::NoText
                | Self::PrepareLimit
                | Self::TooManyPixels
                | Self::UnsupportedKind
                | Self::Unrenderable
                | Self::Truncated
                | Self::TooLong
        )
    }

    /// Whether a later run may succeed with the same input. Only transient failures are retried by
    /// default. Others would recur, and may cost money each time.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unreadable
            | Self::Vanished
            | Self::PrepareTimeout
            | Self::RateLimited
            | Self::Overloaded
            | Self::ServerError
            | Self::BadReply
            | Self::LostReply
            | Self::TimedOut
            | Self::Unreachable
            | Self::InDoubt
            | Self::Internal => true,
            Self::Empty
            | Self::TooLarge
            | Self::Undecodable
            | Self::Encrypted
            | Self::NoText
            | Self::PrepareLimit
            | Self::TooManyPixels
            | Self::UnsupportedKind
            | Self::Unrenderable
            | Self::Refused
            | Self::Filtered
            | Self::Truncated
            | Self::NoAnswer
            | Self::InvalidAnswer
            | Self::TooLong
            | Self::PromptCut
            | Self::Rejected
            | Self::Cancelled => false,
        }
    }
}

impl FailureCode {
    /// The code called `name`. The error lists the codes, and `further` words that may stand here.
    pub fn named(name: &str, further: &[&str]) -> Result<Self, String> {
        Self::parse(name).ok_or_else(|| {
            let known: Vec<&str> = further.iter().copied().chain(Self::ALL.iter().map(|code| code.as_str())).collect();
            let meant = did_you_mean(name, known.iter().copied());
            format!("unknown code \"{name}\"; expected one of {}{meant}", known.join(", "))
        })
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
