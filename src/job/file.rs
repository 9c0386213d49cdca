//! The TOML of a job file.

use serde::Deserialize;
use serde_json::Value;
use toml::Table;

/// The kinds of documents that a job accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Texts.
    Text,
    /// Images.
    Image,
    /// Both.
    Any,
}

/// How the answers on a document become one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The answers are not combined.
    #[default]
    None,
    /// A further call combines all answers.
    Model,
    /// The value with the most votes wins.
    Vote,
    /// The value with the highest weighted score wins.
    Weighted,
}

/// Keys of earlier versions that files may still have.
pub(super) const EARLIER_KEYS: [&str; 1] = ["flag_orders"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobFile {
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub input: InputKind,
    #[serde(default)]
    pub system: String,
    #[serde(default)]
    pub params: Table,
    pub columns: Option<Vec<String>>,
    #[serde(rename = "task", default)]
    pub tasks: Vec<TaskFile>,
    /// Whether rows flag documents that try to instruct the model.
    #[serde(default, alias = "flag_orders")]
    pub flag_prompt_injection: bool,
    #[serde(default)]
    pub long: LongFile,
    #[serde(default)]
    pub combine: CombineFile,
}

/// Minimum number of new tokens in a chunk. They hold the label of an image, a heading or a
/// sentence.
pub(super) const MIN_NEW_TOKENS: u64 = 32;

/// Handling of a document that is too long for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LongMethod {
    /// The document fails.
    #[default]
    Fail,
    /// Only the beginning of the document is sent.
    Truncate,
    /// The document is sent in chunks, and the answers are merged.
    Split,
}

/// How the answers about chunks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// A further call merges all answers.
    #[default]
    Model,
    /// Texts are joined in order.
    Concatenate,
    /// The most frequent value wins.
    Vote,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct LongFile {
    #[serde(default)]
    pub method: LongMethod,
    /// Maximum input per call in tokens; 0 uses the model's context window.
    #[serde(default)]
    pub max_input_tokens: u64,
    #[serde(default)]
    pub overlap_tokens: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskFile {
    pub id: String,
    #[serde(default)]
    pub prompt: String,
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    pub model: Option<String>,
    /// Maximum input per call in tokens; 0 uses the job's value.
    #[serde(default)]
    pub max_input_tokens: u64,
    #[serde(default)]
    pub merge: Merge,
    #[serde(default)]
    pub over: Table,
    #[serde(default)]
    pub answer: Table,
    /// Instead of a prompt and an answer.
    pub embed: Option<EmbedFile>,
}

/// How a task turns texts into vectors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbedFile {
    pub model: Option<String>,
    /// Dimensions to request; 0 for the model's own.
    #[serde(default)]
    pub dimensions: u32,
    /// Text before each chunk.
    #[serde(default)]
    pub prefix: String,
    /// Text before the query of a search.
    #[serde(default)]
    pub query_prefix: String,
    #[serde(default = "yes")]
    pub normalize: bool,
    /// Maximum tokens of a chunk, with its overlap.
    #[serde(default = "default_chunk_tokens")]
    pub chunk_tokens: u64,
    #[serde(default = "default_overlap_tokens")]
    pub overlap_tokens: u64,
    /// Further fields of requests for chunks.
    #[serde(default)]
    pub body: Table,
    /// Further fields of requests for queries.
    #[serde(default)]
    pub query_body: Table,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CombineFile {
    #[serde(default)]
    pub method: Method,
    pub task: Option<String>,
    pub axis: Option<String>,
    pub pick: Option<String>,
    #[serde(default)]
    pub score: OneOrMore,
    /// Weights of axis values and of scores, by name, or in a table for each axis.
    #[serde(default)]
    pub weights: Table,
    #[serde(default)]
    pub prompt: String,
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    pub model: Option<String>,
    #[serde(default)]
    pub answer: Table,
}

/// A name, or a list of names.
#[derive(Deserialize, Clone)]
#[serde(untagged, expecting = "expected a name, or a list of names")]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl OneOrMore {
    pub fn names(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::More(names) => names,
        }
    }
}

fn yes() -> bool {
    true
}

fn default_chunk_tokens() -> u64 {
    400
}

fn default_overlap_tokens() -> u64 {
    40
}

fn default_max_output_tokens() -> u32 {
    1000
}

/// A value of a job file as JSON.
pub(super) fn to_json(value: &toml::Value) -> Value {
    match value {
        // A date has no JSON form but its text.
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
        plain => serde_json::to_value(plain).unwrap_or_else(|_| Value::String(plain.to_string())),
    }
}
