//! The TOML of a job file.

use super::field_file::fields_form;
use crate::model::{DRAFT, schema_of};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Table;

/// The kinds of documents that a job accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default, JsonSchema)]
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

/// Id of the call that combines the answers on a document.
pub const COMBINE: &str = "combine";

/// Keys of earlier versions that files may still have.
pub(super) const EARLIER_KEYS: [&str; 1] = ["flag_orders"];

/// A job of docmill.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Job of docmill", transform = with_earlier_keys, transform = with_tasks)]
pub(super) struct JobFile {
    /// Name of the job, and of the directory of its results.
    #[schemars(extend("pattern" = NAME))]
    pub name: String,
    /// What the job is for, in a line.
    #[serde(default)]
    pub description: String,
    /// The kinds of documents that the job accepts.
    pub input: InputKind,
    /// The system prompt of all tasks.
    #[serde(default)]
    pub system: String,
    /// Values for prompts and lists for enums. Settings can replace them (`[job.params]`).
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub params: Table,
    /// Columns of `results.csv` [default: all answers].
    pub columns: Option<Vec<String>>,
    /// The tasks: prompts with their answers.
    #[serde(rename = "task", default)]
    #[schemars(required, length(min = 1))]
    pub tasks: Vec<TaskFile>,
    /// Whether rows flag documents that try to instruct the model.
    #[serde(default, alias = "flag_orders")]
    pub flag_prompt_injection: bool,
    /// What happens to documents that are too long for one call.
    #[serde(default)]
    pub long: LongFile,
    /// How the answers on a document become one result.
    #[serde(default)]
    pub combine: CombineFile,
}

/// Pattern of names: they become directories, columns and template variables.
const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$";

/// Adds the keys of earlier versions.
fn with_earlier_keys(schema: &mut Schema) {
    if let Some(Value::Object(keys)) = schema.get_mut("properties") {
        for earlier in EARLIER_KEYS {
            keys.insert(earlier.to_owned(), json!({"type": "boolean", "deprecated": true}));
        }
    }
}

/// Demands a task. The key has a default, so that docmill explains a missing one itself.
fn with_tasks(schema: &mut Schema) {
    if let Some(Value::Array(required)) = schema.get_mut("required")
        && !required.iter().any(|key| key == "task")
    {
        required.push(json!("task"));
    }
}

/// An axis: the name of a list in `[params]`, or a list of words or of tables with an `id`.
fn axes_form(_: &mut SchemaGenerator) -> Schema {
    let value = json!({"type": ["string", "object"], "properties": {"id": {"type": "string"}}, "required": ["id"]});
    let axis = json!({"type": ["string", "array"], "items": value, "minItems": 1});
    json_schema!({"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": axis})
}

/// Minimum number of new tokens in a chunk. They hold the label of an image, a heading or a
/// sentence.
pub(super) const MIN_NEW_TOKENS: u64 = 32;

/// Handling of a document that is too long for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default, JsonSchema)]
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

/// What happens to documents that are too long for one call.
#[derive(Debug, Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LongFile {
    /// Handling of a document that is too long for one call.
    #[serde(default)]
    pub method: LongMethod,
    /// Maximum input per call in tokens; 0 uses the model's context window.
    #[serde(default)]
    pub max_input_tokens: u64,
    /// Tokens that a chunk repeats from the one before.
    #[serde(default)]
    pub overlap_tokens: u64,
}

/// A prompt with its answer, or a task that makes vectors.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("if" = {"required": ["embed"]}, "else" = {"required": ["prompt", "answer"]}))]
pub(super) struct TaskFile {
    /// Name of the task.
    #[schemars(extend("pattern" = NAME, "not" = {"const": COMBINE}))]
    pub id: String,
    /// What to ask about each document. `{{ name }}` stands for a parameter or an axis.
    #[serde(default)]
    pub prompt: String,
    /// Maximum tokens of an answer.
    #[serde(default = "default_max_output_tokens")]
    #[schemars(range(min = 1))]
    pub max_output_tokens: u32,
    /// Model of the task [default: that of the settings].
    pub model: Option<String>,
    /// Maximum input per call in tokens; 0 uses the job's value.
    #[serde(default)]
    pub max_input_tokens: u64,
    /// How the answers about chunks of a long document become one.
    #[serde(default)]
    pub merge: Merge,
    /// Axes: the task is asked for each combination of their values.
    #[serde(default)]
    #[schemars(schema_with = "axes_form")]
    pub over: Table,
    /// The fields of an answer.
    #[serde(default)]
    #[schemars(schema_with = "fields_form")]
    pub answer: Table,
    /// Instead of a prompt and an answer.
    pub embed: Option<EmbedFile>,
}

/// How a task turns texts into vectors.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbedFile {
    /// Model of the vectors [default: the provider's usual one].
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
    /// Whether vectors are scaled to unit length.
    #[serde(default = "yes")]
    pub normalize: bool,
    /// Maximum tokens of a chunk, with its overlap.
    #[serde(default = "default_chunk_tokens")]
    pub chunk_tokens: u64,
    /// Tokens that a chunk repeats from the one before.
    #[serde(default = "default_overlap_tokens")]
    pub overlap_tokens: u64,
    /// Further fields of requests for chunks.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub body: Table,
    /// Further fields of requests for queries.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub query_body: Table,
}

/// How the answers on a document become one result.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CombineFile {
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// For votes: the task whose answers vote.
    pub task: Option<String>,
    /// For votes: the axis that votes choose a value of.
    pub axis: Option<String>,
    /// For votes: the answer that counts as a vote.
    pub pick: Option<String>,
    /// For weighted votes: the answers with the scores.
    #[serde(default)]
    pub score: OneOrMore,
    /// Weights of axis values and of scores, by name, or in a table for each axis.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub weights: Table,
    /// For the model: the prompt, with `{{ answers }}` and `{{ missing }}`.
    #[serde(default)]
    pub prompt: String,
    /// Maximum tokens of the answer.
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    /// Model of the call [default: that of the settings].
    pub model: Option<String>,
    /// The fields of the answer.
    #[serde(default)]
    #[schemars(schema_with = "fields_form")]
    pub answer: Table,
}

/// A name, or a list of names.
#[derive(Deserialize, Clone, JsonSchema)]
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

/// The JSON Schema of job files.
pub fn job_schema() -> Value {
    let mut schema = json!({"$schema": DRAFT});
    if let (Value::Object(all), Value::Object(own)) = (&mut schema, schema_of::<JobFile>()) {
        all.extend(own);
    }
    schema
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
