//! Jobs: the questions asked about each document.
//!
//! A job file becomes a [`Job`]. A job turns a prepared document into calls, checks the answers,
//! and combines them into one result. Built-in jobs are embedded job files. This module sends no
//! requests and opens no files: it takes texts and returns calls, verdicts and columns.
//!
//! In the order of the work:
//!
//! - `file`: the TOML as written
//! - `lists`: parameters and axes, to which enums, axes and prompts refer
//! - `field`: answer fields and their JSON schema, with `iso` and `pattern`
//! - `load`: checks and templates; `fault` finds the line of a mistake
//! - `plan`: from a document to calls, with `shared_parts`
//! - `embed`: tasks that turn texts into vectors
//! - `answer`: from a reply to a value, with `extract`, `fit` and `schema`
//! - `long`: merges the answers about chunks
//! - `combine`, `count`, `weights` and `vote`: from answers to one result
//! - `columns`: from the result to typed columns
//! - `selected`: a job with some of its tasks

mod answer;
mod builtin;
mod columns;
mod combine;
mod count;
mod embed;
mod extract;
mod fault;
mod field;
mod field_file;
mod file;
mod fit;
mod iso;
mod lists;
mod load;
mod long;
mod pattern;
mod plan;
mod schema;
mod selected;
mod shared_parts;
mod stand_in;
mod vote;
mod weights;

pub use builtin::{AUTO, BUILTIN, builtin, counterpart};
pub use combine::Combined;
pub use embed::{EmbedTask, vector_answer};
pub use file::{COMBINE, InputKind, LongMethod, Merge, Method, job_schema};
pub use long::{LongRule, Merged};
pub use plan::{Chunks, RowColumns};
pub use stand_in::stand_in;

use crate::model::{Column, Digest, Kind};
use columns::AnswerColumn;
use std::sync::Arc;

/// The errors in a job file, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.lines().join("\n"))]
pub struct JobError {
    /// The file, or the built-in job's name.
    pub job: String,
    /// All problems, in the order of their lines.
    pub problems: Vec<Problem>,
}

/// One problem of a job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its line, from 1, if it has one.
    pub line: Option<usize>,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl JobError {
    fn lines(&self) -> Vec<String> {
        let place = |problem: &Problem| problem.line.map_or_else(|| self.job.clone(), |line| format!("{}:{line}", self.job));
        self.problems.iter().map(|problem| format!("{}: {}", place(problem), problem.message)).collect()
    }
}

/// A checked job, ready to plan calls.
#[derive(Debug)]
pub struct Job {
    /// Its name, which is also its directory below the output directory.
    pub name: String,
    /// Short description for `docmill jobs list`.
    pub description: String,
    /// The kinds of documents that it accepts.
    pub input: InputKind,
    system: Arc<str>,
    tasks: Vec<Task>,
    /// Whether its rows flag documents that try to instruct the model.
    pub flag_prompt_injection: bool,
    long: file::LongFile,
    combine: combine::Combine,
    columns: Vec<AnswerColumn>,
    csv_columns: Vec<Column>,
    params: Vec<String>,
    digest: Digest,
}

/// One prompt with its answer schema, expanded over its axes.
#[derive(Debug)]
struct Task {
    id: Arc<str>,
    variants: Vec<Variant>,
    shape: answer::Shape,
    max_output_tokens: u32,
    max_input_tokens: u64,
    merge: file::Merge,
    model: Option<String>,
    /// Set if the task embeds texts instead of asking.
    embed: Option<embed::Embed>,
}

/// A point on the axes of a task: one call for each document.
#[derive(Debug)]
struct Variant {
    axes: Vec<(String, String)>,
    prompt: plan::Prompt,
}

impl Job {
    /// Models that the job names itself.
    pub fn models(&self) -> impl Iterator<Item = &String> {
        self.tasks.iter().filter_map(|task| task.model.as_ref()).chain(self.combine.model())
    }

    /// Whether all its calls go to models that it names.
    pub fn names_its_models(&self) -> bool {
        let aggregation = self.combine.model().is_some() || !self.combine.asks_a_model();
        aggregation && self.tasks.iter().all(|task| task.model.is_some())
    }

    /// Whether this job accepts documents of this kind.
    pub fn accepts(&self, kind: Kind) -> bool {
        match self.input {
            InputKind::Any => true,
            InputKind::Image => kind == Kind::Image,
            InputKind::Text => kind == Kind::Text,
        }
    }

    /// Digest of the whole job: its file, parameter values and combine method.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether the job has a parameter of this name.
    pub fn has_param(&self, name: &str) -> bool {
        self.params.iter().any(|param| param == name)
    }

    /// The names of its parameters.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.params.iter().map(String::as_str)
    }

    /// Whether the job combines its answers.
    pub fn combines(&self) -> bool {
        !matches!(self.combine, combine::Combine::None)
    }

    /// The column that flags documents which try to instruct the model.
    pub const PROMPT_INJECTION_COLUMN: &str = "prompt_injection";

    /// The columns, as in `results.csv`.
    pub fn csv_columns(&self) -> &[Column] {
        &self.csv_columns
    }

    /// Number of calls for each document, including the aggregation.
    pub fn calls_per_document(&self) -> usize {
        self.tasks.iter().map(|t| t.variants.len()).sum::<usize>() + self.combining_calls()
    }

    /// Calls that combine the answers about a document.
    pub fn combining_calls(&self) -> usize {
        usize::from(self.combine.asks_a_model())
    }
}

#[cfg(test)]
mod tests;
