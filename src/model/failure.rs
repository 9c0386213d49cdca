//! Why a document or a call has no answer: one closed list of codes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A failure of one document or one call, ready for a result row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its class, for programs.
    pub code: FailureCode,
    /// What happened, why, and what to do next, for people.
    pub message: String,
}

impl Failure {
    /// A failure with its message.
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

            /// The code as it stands in result files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The code called `text`.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    /// The file could not be opened or read.
    Unreadable = "unreadable",
    /// The file was there when the directory was listed and is gone now.
    Vanished = "vanished",
    /// The file has no bytes, or no text in it.
    Empty = "empty",
    /// The file is larger than `read.max_file_mb`.
    TooLarge = "too_large",
    /// The content says one thing and cannot be decoded as that.
    Undecodable = "undecodable",
    /// The document opens only with a password.
    Encrypted = "encrypted",
    /// The document has pages and no text on them, as scans have, and they were not to be sent as images.
    NoText = "no_text",
    /// Getting the text out took more CPU time or memory than `prepare.document_s` and `prepare.document_mb` allow.
    PrepareLimit = "prepare_limit",
    /// Getting the text out came to no end, without taking much CPU time: it hung, or the machine had no time for it.
    PrepareTimeout = "prepare_timeout",
    /// The image has more pixels than `prepare.image.max_pixels_mp`.
    TooManyPixels = "too_many_pixels",
    /// No job of this run takes this kind of document.
    UnsupportedKind = "unsupported_kind",
    /// The prompt cannot be made for this document: it uses a column that its row does not have.
    Unrenderable = "unrenderable",
    /// The model or its provider declined to answer.
    Refused = "refused",
    /// The provider's content filter withheld the answer.
    Filtered = "filtered",
    /// The answer was cut at the token limit.
    Truncated = "truncated",
    /// The model used its tokens for thinking and gave no answer.
    NoAnswer = "no_answer",
    /// The answer does not fit the job's schema, also after a re-ask.
    InvalidAnswer = "invalid_answer",
    /// The document does not fit the model's context or the provider's request size.
    TooLong = "too_long",
    /// The server has read only a part of the prompt, and said nothing about it.
    PromptCut = "prompt_cut",
    /// The provider rejected the request.
    Rejected = "rejected",
    /// The provider kept refusing for its rate limit.
    RateLimited = "rate_limited",
    /// The provider stayed overloaded.
    Overloaded = "overloaded",
    /// The provider kept answering with a server error.
    ServerError = "server_error",
    /// The reply could not be read as a reply.
    BadReply = "bad_reply",
    /// The request left and no complete reply came back; it may have been billed.
    LostReply = "lost_reply",
    /// No reply within `llm.timeout_s`; the request may have been billed.
    TimedOut = "timed_out",
    /// No connection to the provider. Never in a row: it stops the run, and documents stay pending.
    Unreachable = "unreachable",
    /// The request was in flight when an earlier run died, and this run was told not to ask again.
    InDoubt = "in_doubt",
    /// Somebody has cancelled the document (`docmill cancel`) while its run was at work.
    Cancelled = "cancelled",
    /// A fault of docmill; the message says where.
    Internal = "internal",
}

impl FailureCode {
    /// Whether the next run may fare better with the same input: it tries again without being told to. All others
    /// come out the same and may cost money each time.
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

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
