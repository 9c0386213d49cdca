//! From the answers on one document to one result.

use super::answer::Shape;
use super::file::{CombineFile, Method};
use super::load::COMBINE;
use super::plan::{Template, about_tokens};
use super::vote::{self, Ballot};
use super::{Job, Task, field};
use crate::model::{Call, CallRecord, CallStatus, Failure, FailureCode, Part};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Table;

/// The checked `[combine]` of a job.
#[derive(Debug)]
pub(super) enum Combine {
    None,
    Model { template: Box<Template>, shape: Box<Shape>, max_output_tokens: u32, model: Option<String> },
    Count(Count),
}

/// Aggregation without a model.
#[derive(Debug)]
pub(super) struct Count {
    weighted: bool,
    task: Arc<str>,
    /// Whose values are the candidates: an axis, or the picked field itself.
    subject: String,
    by_axis: bool,
    pick: Option<String>,
    score: Option<String>,
    weights: BTreeMap<String, f64>,
}

/// What comes after all analyses of a document are in.
#[derive(Debug)]
pub enum Combined {
    /// Nothing: the answers stand for themselves.
    Nothing,
    /// One more question to a model.
    Ask(Box<Call>),
    /// The result.
    Done(Map<String, Value>),
}

impl Combine {
    pub fn new(file: CombineFile, tasks: &[Task], params: &Table, values: Map<String, Value>) -> Result<Self, String> {
        match file.method {
            Method::None => Ok(Self::None),
            Method::Model => {
                let template = Template::new(&file.prompt, values, &["answers", "missing"]).map_err(|e| format!("prompt: {e}"))?;
                if !template.mentions("answers") {
                    return Err("method \"model\" needs a prompt with {{ answers }} in it".into());
                }
                let shape = Shape::new(field::object_schema(&file.answer, params)?)?;
                Ok(Self::Model {
                    template: Box::new(template),
                    shape: Box::new(shape),
                    max_output_tokens: file.max_output_tokens,
                    model: file.model,
                })
            }
            Method::Vote | Method::Weighted => Count::new(file, tasks).map(Self::Count),
        }
    }

    pub fn asks_a_model(&self) -> bool {
        matches!(self, Self::Model { .. })
    }

    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Self::Model { shape, .. } => Some(shape),
            _ => None,
        }
    }

    /// Names of the result's fields.
    pub fn fields(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Model { shape, .. } => shape.fields().cloned().collect(),
            Self::Count(count) => {
                [&format!("best_{}", count.subject), "runner_up", "rationale", "confidence"].map(ToOwned::to_owned).to_vec()
            }
        }
    }
}

impl Count {
    fn new(file: CombineFile, tasks: &[Task]) -> Result<Self, String> {
        let weighted = file.method == Method::Weighted;
        let task = match &file.task {
            Some(id) => tasks.iter().find(|t| t.is(id)).ok_or_else(|| format!("there is no task `{id}`"))?,
            None => tasks.first().ok_or("there is no task")?,
        };
        let type_of = |key: &str, field: &Option<String>| match field {
            None => Ok(None),
            Some(name) => {
                task.shape.field_type(name).map(Some).ok_or_else(|| format!("{key} = \"{name}\": task {} has no such answer", task.id))
            }
        };
        let (pick, score) = (type_of("pick", &file.pick)?, type_of("score", &file.score)?);
        if !score.is_none_or(|t| t == "integer" || t == "number") {
            return Err("score must name a number".into());
        }
        match (weighted, pick, score) {
            (true, _, None) => return Err("method \"weighted\" needs `score`, the name of a number in the answers".into()),
            (false, None, _) => return Err("method \"vote\" needs `pick`, the name of a yes/no or a choice in the answers".into()),
            (false, Some("array" | "object"), _) => return Err("pick must name a yes/no or a choice".into()),
            _ => {}
        }
        let by_axis = weighted || pick == Some("boolean");
        let subject = if by_axis {
            let axes = task.axis_names();
            match file.axis.as_deref() {
                Some(axis) if axes.contains(&axis) => axis.to_owned(),
                Some(axis) => return Err(format!("axis = \"{axis}\": task {} has no such axis", task.id)),
                None => (*axes.first().ok_or("counting over an axis needs a task with `over`")?).to_owned(),
            }
        } else {
            file.pick.clone().unwrap_or_default()
        };
        if let Some((name, _)) = file.weights.iter().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0)) {
            return Err(format!("weights.{name} must be a number from 0 on"));
        }
        let candidates = task.axis_values(&subject);
        for name in file.weights.keys() {
            if !candidates.contains(&name.as_str()) {
                return Err(format!("weights.{name}: axis {subject} has no such value; it has: {}", candidates.join(", ")));
            }
        }
        Ok(Self { weighted, task: Arc::clone(&task.id), subject, by_axis, pick: file.pick, score: file.score, weights: file.weights })
    }

    fn result(&self, records: &[CallRecord], missing: &[String]) -> Map<String, Value> {
        let ballots: Vec<Ballot> = records.iter().filter(|r| *r.task == *self.task).filter_map(|r| self.ballot(r)).collect();
        let verdict = if self.weighted { vote::weighted(&ballots, missing) } else { vote::majority(&ballots, missing) };
        verdict.map(|v| v.into_fields(&self.subject)).unwrap_or_default()
    }

    fn ballot(&self, record: &CallRecord) -> Option<Ballot> {
        let answer = record.answer.as_ref()?;
        let picked = self.pick.as_ref().map(|pick| &answer[pick]);
        let choice = if self.by_axis { &record.axes[&self.subject] } else { picked? };
        let choice = choice.as_str().map_or_else(|| choice.to_string(), ToOwned::to_owned);
        Some(Ballot {
            votes: !self.by_axis || picked.is_some_and(|p| p == true),
            score: self.score.as_ref().and_then(|score| answer[score].as_f64()),
            weight: self.weights.get(&choice).copied().unwrap_or(1.0),
            choice,
        })
    }
}

impl Combine {
    /// The model that the aggregation names itself.
    pub fn model(&self) -> Option<&String> {
        if let Self::Model { model, .. } = self { model.as_ref() } else { None }
    }
}

impl Job {
    /// What follows from `records`, the calls of [`Job::calls`] with their answers.
    /// With no answer at all there is nothing to combine.
    pub fn combine(&self, records: &[CallRecord], model: &str, effort: Option<&Arc<str>>) -> Result<Combined, Failure> {
        let missing: Vec<String> = records.iter().filter(|r| r.status != CallStatus::Ok).map(missing_label).collect();
        if missing.len() == records.len() {
            return Ok(Combined::Nothing);
        }
        match &self.combine {
            Combine::None => Ok(Combined::Nothing),
            Combine::Count(count) => Ok(Combined::Done(count.result(records, &missing))),
            Combine::Model { template, max_output_tokens, model: own_model, shape } => {
                let answers: Vec<Value> = records.iter().filter_map(for_template).collect();
                let prompt = template
                    .render([("answers", Value::Array(answers)), ("missing", json!(missing))])
                    .map_err(|e| Failure::new(FailureCode::Internal, format!("combine: the prompt could not be rendered: {e}")))?;
                Ok(Combined::Ask(Box::new(Call {
                    tokens: about_tokens(self.system.len() + prompt.len() + shape.bytes),
                    shared: 0,
                    place: None,
                    task: COMBINE.into(),
                    axes: Vec::new(),
                    model: own_model.clone().unwrap_or_else(|| model.to_owned()),
                    system: Arc::clone(&self.system),
                    parts: vec![Part::Text(prompt.into())],
                    schema: Arc::clone(&shape.schema),
                    max_output_tokens: *max_output_tokens,
                    effort: effort.cloned(),
                })))
            }
        }
    }
}

/// An answer as the template of the aggregation sees it: axes and answer fields side by side.
fn for_template(record: &CallRecord) -> Option<Value> {
    let mut fields = record.axes.clone();
    fields.insert("task".into(), json!(record.task));
    fields.insert("answer".into(), record.answer.clone()?);
    Some(Value::Object(fields))
}

fn missing_label(record: &CallRecord) -> String {
    let axes: Vec<&str> = record.axes.values().filter_map(Value::as_str).collect();
    let name = if axes.is_empty() { record.task.clone() } else { axes.join(" ") };
    let why = record.failure.as_ref().map_or("failed", |f| f.code.as_str());
    format!("{name} ({why})")
}
