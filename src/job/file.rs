//! A job file as it is written.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Table;

/// What a job takes.
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

/// How a document's answers become one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// They do not.
    #[default]
    None,
    /// A further call sees them all.
    Model,
    /// The value with the most votes wins.
    Vote,
    /// The value with the highest weighted score wins.
    Weighted,
}

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
    /// Whether rows say whose document tries to give orders.
    #[serde(default)]
    pub flag_prompt_injection: bool,
    #[serde(default)]
    pub long: LongFile,
    #[serde(default)]
    pub combine: CombineFile,
}

/// What becomes of documents that are too long for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LongMethod {
    /// They fail.
    #[default]
    Fail,
    /// Their beginning is asked about.
    Truncate,
    /// Their parts are asked about, and the answers merged.
    Split,
}

/// How answers about parts become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// A further call sees them all.
    #[default]
    Model,
    /// Texts one behind the other.
    Concatenate,
    /// What most of them say.
    Vote,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct LongFile {
    #[serde(default)]
    pub method: LongMethod,
    /// 0: what the model takes.
    #[serde(default)]
    pub max_input_tokens: u64,
    #[serde(default)]
    pub overlap_tokens: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskFile {
    pub id: String,
    pub prompt: String,
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    pub model: Option<String>,
    /// 0: as the job says.
    #[serde(default)]
    pub max_input_tokens: u64,
    #[serde(default)]
    pub merge: Merge,
    #[serde(default)]
    pub over: Table,
    pub answer: Table,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct CombineFile {
    #[serde(default)]
    pub method: Method,
    pub task: Option<String>,
    pub axis: Option<String>,
    pub pick: Option<String>,
    pub score: Option<String>,
    #[serde(default)]
    pub weights: BTreeMap<String, f64>,
    #[serde(default)]
    pub prompt: String,
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    pub model: Option<String>,
    #[serde(default)]
    pub answer: Table,
}

fn default_max_output_tokens() -> u32 {
    1000
}
