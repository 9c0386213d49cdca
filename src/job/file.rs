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
    #[serde(default)]
    pub combine: CombineFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskFile {
    pub id: String,
    pub prompt: String,
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    pub model: Option<String>,
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
