//! Learns response times, answer lengths and limits from earlier runs.

use super::{Plan, RunError};
use crate::ask::Quota;
use crate::insight::Durations;
use crate::model::AccountLimit;
use crate::store::Archive;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;

/// Maximum number of past requests used, the newest first.
const REQUESTS: u32 = 5000;

/// The answered requests of earlier runs and the limits that they have found.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Seconds and output tokens of requests, by task.
    requests: HashMap<String, Vec<(f64, f64)>>,
    /// Directory and name of the file with the account's limits.
    limits: Option<(PathBuf, String)>,
    /// Limits found by the newest run that found any.
    found: Vec<AccountLimit>,
}

impl History {
    /// Reads the requests of a plan's jobs to the same model from its run store.
    pub fn of(plan: &Plan) -> Result<Self, RunError> {
        Self::with_others(plan, &[])
    }

    /// The same, and those in the run stores of other directories.
    pub fn with_others(plan: &Plan, others: &[PathBuf]) -> Result<Self, RunError> {
        const SAME: [&str; 4] = ["llm.provider", "llm.model", "llm.base_url", "llm.effort"];
        let mut history = Self { limits: plan.account.limits_file(), ..Self::default() };
        for directory in [Some(&plan.output.dir), plan.more_answers.as_ref()].into_iter().flatten().chain(others) {
            let Some(archive) = Archive::open(directory).map_err(RunError::Unusable)? else { continue };
            let settings = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
            let ours = settings(&plan.settings);
            let mut runs = archive.runs()?;
            runs.retain(|run| {
                let theirs = settings(&run.settings);
                let jobs = run.jobs.iter().any(|job| plan.jobs.get(&job.name).is_some());
                jobs && SAME.iter().all(|key| ours.get(*key) == theirs.get(*key))
            });
            if history.found.is_empty() {
                let found = runs.iter().rev().filter_map(|run| run.figures.as_deref()).map(limits_in);
                history.found = found.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
            }
            let runs: Vec<i64> = runs.iter().map(|run| run.id).collect();
            for request in archive.answered(&runs, REQUESTS)? {
                // A label is the task, followed by its axes in parentheses.
                let task = request.call.split(" (").next().unwrap_or_default().to_owned();
                history.requests.entry(task).or_default().push((request.ms as f64 / 1000.0, request.output_tokens as f64));
            }
        }
        Ok(history)
    }

    /// The same history with these response times and only the limits of the settings.
    #[must_use]
    pub fn with_seconds(self, seconds: &[f64]) -> Self {
        let lengths = self.lengths().into_iter().chain([(String::new(), 0.0)]);
        let of = |(task, tokens)| (task, seconds.iter().map(|s| (*s, tokens)).collect());
        Self { requests: lengths.map(of).collect(), ..Self::default() }
    }

    /// The limits of the account: from the settings, the shared file and earlier runs.
    pub fn limits(&self, plan: &Plan) -> Quota {
        let slowly = plan.account.starts_slowly(plan.llm.limits.slow_start);
        let limits = Quota::new(&plan.llm.limits, slowly, plan.account.dialect);
        let limits = match &self.limits {
            Some((directory, name)) => limits.with_known(directory, name),
            None => limits,
        };
        // Recent limits in the shared file take precedence over those of an earlier run.
        let found = if limits.rates().iter().any(|rate| plan.llm.limits.of(rate.meter).is_none()) { &[][..] } else { &self.found };
        limits.with_told(&plan.declared_limits, &plan.llm.limits).with_told(found, &plan.llm.limits)
    }

    /// Mean length of answers in tokens, by task.
    pub fn lengths(&self) -> HashMap<String, f64> {
        let known = self.requests.iter().map(|(task, requests)| (task.clone(), mean(requests.iter().map(|(_, tokens)| *tokens))));
        known.filter(|(_, tokens)| *tokens > 0.0).collect()
    }

    /// Response times of all tasks in seconds, sorted.
    pub fn seconds(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.requests.values().flatten().map(|(seconds, _)| *seconds).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Response times of one task, or of all tasks if that task has none.
    pub fn seconds_of(&self, task: &str) -> Durations {
        let own = self.requests.get(task).map(|requests| requests.iter().map(|(seconds, _)| *seconds).collect());
        Durations::new(own.unwrap_or_else(|| self.seconds()))
    }
}

/// The limits of an account in the figures of a run.
fn limits_in(figures: &str) -> Vec<AccountLimit> {
    let figures: Value = serde_json::from_str(figures).unwrap_or_default();
    figures["limits"].as_array().into_iter().flatten().filter_map(|limit| serde_json::from_value(limit.clone()).ok()).collect()
}

/// The mean; 0 without values.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, n) = values.into_iter().fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}
