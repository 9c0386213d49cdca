//! The usual form of requests in one wire format, as values.

use serde::Deserialize;

/// The usual form of requests in one wire format.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Form {
    /// The parts that only some formats have. All have a schema, a role and an effort.
    pub parts: &'static [FormPart],
    /// The usual name of the token limit.
    pub limit: LimitName,
    /// Roles for instructions that are sent separately, the usual one first.
    pub roles: &'static [Role],
    /// Ways to send the schema, the usual one first.
    pub schemas: &'static [SchemaStyle],
    /// Beginnings of the names of models that accept fields for the prompt cache; none: no model.
    pub caching_models: &'static [&'static str],
    /// Whether every request has fields for the prompt cache, even if its prompt is not cached.
    pub always_cache_fields: bool,
    /// Whether text is always sent as blocks, not only to mark a shared beginning.
    pub always_blocks: bool,
}

impl Form {
    /// Whether requests can have a part.
    pub fn has(&self, part: FormPart) -> bool {
        self.parts.contains(&part)
    }
}

/// A part of the form that a complaint can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormPart {
    /// The name of the token limit.
    Limit,
    /// The request for the usage of a stream.
    StreamUsage,
    /// The prompt cache.
    Cache,
    /// `store = false`.
    Store,
    /// The detail of images.
    Detail,
    /// The thinking effort.
    Effort,
    /// The schema of the answer.
    Schema,
    /// The role of the instructions.
    Role,
    /// The mark that the schema is strict.
    Strict,
    /// `stream = false`.
    NoStream,
    /// Content in blocks.
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

    /// The field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
        }
    }
}

/// Where the instructions are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Separately: with the role `developer`, or in a field.
    Developer,
    /// Separately: with the role `system`, or in a field.
    System,
    /// At the beginning of the user's message.
    User,
}

/// How the schema of the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaStyle {
    /// In the dialect's own field.
    Native,
    /// JSON mode in the dialect's own field, and the schema in the prompt.
    Json,
    /// Only in the prompt.
    Prompt,
}
