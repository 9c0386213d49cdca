//! A job with only some of its tasks.

use super::combine::Combine;
use super::file::COMBINE;
use super::{Job, JobError, Problem};
use crate::model::Digest;
use std::collections::HashSet;

impl Job {
    /// Names of the tasks that make calls, in the job file's order.
    pub fn task_names(&self) -> Vec<&str> {
        let combining = self.combine.asks_a_model().then_some(COMBINE);
        self.tasks.iter().map(|task| &*task.id).chain(combining).collect()
    }

    /// The job with only these tasks. All other tasks, and their columns, are left out. Names of
    /// columns and keys of calls stay.
    ///
    /// Counted votes stay if their task does. The aggregation by a model is a task of its own.
    pub fn select(mut self, wanted: &[String]) -> Result<Self, JobError> {
        let is_wanted = |name: &str| wanted.iter().any(|own| own == name);
        self.tasks.retain(|task| is_wanted(&task.id));
        let combines = match &self.combine {
            Combine::None => false,
            Combine::Model { .. } => is_wanted(COMBINE),
            Combine::Count(count) => is_wanted(count.task()),
        };
        let error = |message: String| JobError { job: self.name.clone(), problems: vec![Problem { line: None, message }] };
        if self.tasks.is_empty() {
            return Err(error(format!("`{COMBINE}` combines the answers of other tasks. Name them too")));
        }
        if combines {
            self.combine.try_out(&self.tasks).map_err(|why| error(format!("{COMBINE}: with only some tasks: prompt: {why}")))?;
        } else {
            self.combine = Combine::None;
        }
        let (kept, left_out): (Vec<_>, Vec<_>) =
            self.columns.into_iter().partition(|column| is_wanted(column.task()) || (combines && column.task() == COMBINE));
        let left_out: HashSet<&str> = left_out.iter().map(super::columns::AnswerColumn::name).collect();
        self.csv_columns.retain(|column| !left_out.contains(&*column.name));
        self.columns = kept;
        self.digest = Digest::of(&[&self.digest.0[..], self.task_names().join(" ").as_bytes()].concat());
        Ok(self)
    }
}
