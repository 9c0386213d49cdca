//! Combines answers without a model: what counts as a vote, and which numbers are weighed.

use super::Task;
use super::fault::Fault;
use super::file::{CombineFile, Method};
use super::vote::{self, Ballot};
use super::weights::{Names, Weights, mean};
use crate::model::{CallRecord, Column};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Name of the weights of scores.
const SCORE: &str = "score";

/// Aggregation without a model.
#[derive(Debug)]
pub(super) struct Count {
    weighted: bool,
    task: Arc<str>,
    axes: Vec<String>,
    /// Type of `pick`.
    picked: Option<String>,
    /// What the candidates are: an axis, or the picked field itself.
    subject: Option<String>,
    by_axis: bool,
    pick: Option<String>,
    /// The numeric answers that are weighed.
    scores: Vec<String>,
    weights: Weights,
}

impl Count {
    /// Reads the keys about counting. Names and weights must be right even if another method is in
    /// use.
    pub fn new(file: &CombineFile, tasks: &[Task]) -> Result<Self, Fault> {
        let task = match &file.task {
            Some(id) => tasks.iter().find(|task| task.is(id)).ok_or_else(|| Fault::from(format!("unknown task `{id}`")).at("task"))?,
            None => tasks.first().ok_or("the job has no task")?,
        };
        let type_of = |key: &str, name: &str| {
            let missing = || Fault::from(format!("{key} = \"{name}\": task {} has no such answer", task.id)).at(key);
            task.shape.field_type(name).map(ToOwned::to_owned).ok_or_else(missing)
        };
        let picked = file.pick.as_deref().map(|pick| type_of("pick", pick)).transpose()?;
        let scores = file.score.clone().names();
        for name in &scores {
            if !["integer", "number"].contains(&type_of(SCORE, name)?.as_str()) {
                return Err(Fault::from("score must be the name of a numeric answer").at(SCORE));
            }
        }
        let axes: Vec<String> = task.axis_names().into_iter().map(ToOwned::to_owned).collect();
        if let Some(axis) = file.axis.as_ref().filter(|axis| !axes.contains(axis)) {
            return Err(Fault::from(format!("axis = \"{axis}\": task {} has no such axis", task.id)).at("axis"));
        }
        let of_axis =
            |axis: &String| Names { of: axis.clone(), names: task.axis_values(axis).into_iter().map(ToOwned::to_owned).collect() };
        let of_scores = (scores.len() > 1).then(|| Names { of: SCORE.to_owned(), names: scores.clone() });
        let weights = Weights::new(&file.weights, &axes.iter().map(of_axis).chain(of_scores).collect::<Vec<_>>())?;
        let weighted = file.method == Method::Weighted;
        let by_axis = weighted || picked.as_deref() == Some("boolean");
        let subject = if by_axis { file.axis.clone().or_else(|| axes.first().cloned()) } else { file.pick.clone() };
        Ok(Self { weighted, task: Arc::clone(&task.id), axes, picked, subject, by_axis, pick: file.pick.clone(), scores, weights })
    }

    /// Checks that nothing is missing for the method.
    pub fn ready(self) -> Result<Self, Fault> {
        match (self.weighted, self.picked.as_deref()) {
            (true, _) if self.scores.is_empty() => Err("method \"weighted\" needs `score`, the name of a numeric answer".into()),
            (false, None) => Err("method \"vote\" needs `pick`, the name of a boolean or enum answer".into()),
            (false, Some("array" | "object")) => Err(Fault::from("pick must be the name of a boolean or enum answer").at("pick")),
            _ if self.subject.is_none() => Err("a vote over an axis needs a task with `over`".into()),
            _ => Ok(self),
        }
    }

    /// Whether weights count in a vote.
    pub fn weighs_votes(&self) -> bool {
        !self.weighted && self.weights.weigh_axes(SCORE)
    }

    fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or_default()
    }

    /// Columns of the result.
    pub fn columns(&self) -> Vec<Column> {
        vote::columns(self.subject())
    }

    /// The task whose answers are counted.
    pub fn task(&self) -> &str {
        &self.task
    }

    pub fn result(&self, records: &[CallRecord], missing: &[String]) -> Map<String, Value> {
        let ballots: Vec<Ballot> = records.iter().filter(|r| *r.task == *self.task).filter_map(|r| self.ballot(r)).collect();
        let verdict = if self.weighted { vote::weighted(&ballots, missing) } else { vote::majority(&ballots, !self.by_axis, missing) };
        verdict.map(|v| v.into_fields(self.subject())).unwrap_or_default()
    }

    fn ballot(&self, record: &CallRecord) -> Option<Ballot> {
        let answer = record.answer.as_ref()?;
        let picked = self.pick.as_ref().map(|pick| &answer[pick]);
        let choice = if self.by_axis { &record.axes[self.subject()] } else { picked.filter(|pick| !pick.is_null())? };
        let choice = choice.as_str().map_or_else(|| choice.to_string(), ToOwned::to_owned);
        let scores = self.scores.iter().filter_map(|name| Some((answer[name].as_f64()?, self.weights.of(SCORE, name))));
        let others = self.axes.iter().filter(|axis| **axis != self.subject());
        let weight_of = |axis: &String| record.axes.get(axis).and_then(Value::as_str).map_or(1.0, |value| self.weights.of(axis, value));
        Some(Ballot {
            votes: !self.by_axis || picked.is_some_and(|p| p == true),
            score: mean(scores),
            weight: self.weights.of(self.subject(), &choice),
            share: others.map(weight_of).product(),
            choice,
        })
    }
}
