//! Jobs: what is asked of each document.
//!
//! A job file becomes a [`Job`]; a job turns a prepared document into calls, checks the answers, and makes one
//! recommendation of them. Built-in jobs are job files like any other, embedded. This module never asks a model
//! and never opens a file: it is given texts and gives back calls, verdicts and columns.
//!
//! In the order of the work: `file` (the TOML as written) -> `field` (answer fields and their JSON schema) ->
//! `load` (checks, templates) -> `plan` (document to calls) -> `answer` (reply to value, by `extract` and `fit`) -> `long` (answers about parts to
//! one) -> `combine` and `vote` (answers to one result) -> `columns` (result to CSV columns).

mod answer;
mod builtin;
mod columns;
mod combine;
mod extract;
mod field;
mod file;
mod fit;
mod load;
mod long;
mod plan;
mod stand_in;
mod vote;

pub use builtin::{AUTO, BUILTIN, builtin};
pub use combine::Combined;
pub use file::{InputKind, LongMethod, Merge, Method};
pub use load::COMBINE;
pub use long::{LongRule, Merged};
pub use plan::{Chunks, RowColumns};
pub use stand_in::stand_in;

use crate::model::{Digest, Kind};
use columns::Column;
use std::sync::Arc;

/// What is wrong with a job file.
#[derive(Debug, thiserror::Error)]
#[error("{job}: {message}")]
pub struct JobError {
    /// The file, or the built-in job's name.
    pub job: String,
    /// What, where, and what would be right.
    pub message: String,
}

/// A checked job, ready to plan calls.
#[derive(Debug)]
pub struct Job {
    /// Its name, which is also its directory below the output directory.
    pub name: String,
    /// One line for `docmill jobs list`.
    pub description: String,
    /// What it takes.
    pub input: InputKind,
    system: Arc<str>,
    tasks: Vec<Task>,
    /// Whether its rows say whose document tries to give orders.
    pub flag_prompt_injection: bool,
    long: file::LongFile,
    combine: combine::Combine,
    columns: Vec<Column>,
    csv_columns: Vec<String>,
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
}

/// One point on the axes of a task: one call for each document.
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

    /// Whether this job takes documents of this kind.
    pub fn accepts(&self, kind: Kind) -> bool {
        match self.input {
            InputKind::Any => true,
            InputKind::Image => kind == Kind::Image,
            InputKind::Text => kind == Kind::Text,
        }
    }

    /// Of everything that the job is made of: its file, the values of its parameters, its way to combine.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it has a parameter of this name.
    pub fn has_param(&self, name: &str) -> bool {
        self.params.iter().any(|param| param == name)
    }

    /// Whether it combines its answers.
    pub fn combines(&self) -> bool {
        !matches!(self.combine, combine::Combine::None)
    }

    /// The column that says whose document tries to give orders.
    pub const PROMPT_INJECTION_COLUMN: &str = "prompt_injection";

    /// Names of its columns, as they stand in `results.csv`.
    pub fn csv_columns(&self) -> &[String] {
        &self.csv_columns
    }

    /// Calls for each document, the aggregation included.
    pub fn calls_per_document(&self) -> usize {
        self.tasks.iter().map(|t| t.variants.len()).sum::<usize>() + usize::from(self.combine.asks_a_model())
    }
}

#[cfg(test)]
mod tests;
