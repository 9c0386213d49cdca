//! The usual form of requests in a wire format, as data.

use super::schema::Subset;
use serde::Deserialize;

/// The usual form of requests in a wire format.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Form {
    /// Parts that only some formats have.
    ///
    /// Every format has a schema, a role and an effort.
    pub parts: &'static [FormPart],
    /// Usual name of the token limit.
    pub limit: LimitName,
    /// Roles for separately sent instructions, the usual one first.
    pub roles: &'static [Role],
    /// Ways to send the schema, the usual one first.
    pub schemas: &'static [SchemaStyle],
    /// The part of JSON schema that the provider accepts.
    pub subset: Subset,
    /// Prefixes of model names that accept fields for the prompt cache.
    ///
    /// An empty list means that no model accepts them.
    pub caching_models: &'static [&'static str],
    /// Whether every request has cache fields, even without caching.
    pub always_cache_fields: bool,
    /// Whether text is always sent as blocks, even without a shared start.
    pub always_blocks: bool,
}

impl Form {
    /// Whether requests of this form can have `part`.
    pub fn has(&self, part: FormPart) -> bool {
        self.parts.contains(&part)
    }
}

/// A part of the form that a complaint can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormPart {
    /// The name of the token limit.
    Limit,
    /// The option to report usage in a stream.
    StreamUsage,
    /// The fields of the prompt cache.
    Cache,
    /// `store = false`.
    Store,
    /// The detail level of images.
    Detail,
    /// The thinking effort.
    Effort,
    /// The schema of the answer.
    Schema,
    /// The role of the instructions.
    Role,
    /// The flag that makes the schema strict.
    Strict,
    /// `stream = false`.
    NoStream,
    /// Content as a list of blocks.
    Blocks,
}

/// The name of the token limit. Only OpenAI's formats have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitName {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
    /// `max_output_tokens`.
    MaxOutputTokens,
}

impl LimitName {
    /// All names.
    pub const ALL: [Self; 3] = [Self::MaxTokens, Self::MaxCompletionTokens, Self::MaxOutputTokens];

    /// Name of the request field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
        }
    }
}

/// The place of the instructions in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sent separately: with the role `developer`, or in a field.
    Developer,
    /// Sent separately: with the role `system`, or in a field.
    System,
    /// At the start of the user's message.
    User,
}

/// The way to send the schema of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaStyle {
    /// In the dialect's own field.
    Native,
    /// JSON mode in the dialect's field, and the schema in the prompt.
    Json,
    /// Only in the prompt.
    Prompt,
}
