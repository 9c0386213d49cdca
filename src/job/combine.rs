//! Combines the answers on one document into one result.

use super::answer::Shape;
use super::file::{CombineFile, Method};
use super::plan::{Template, about_tokens};
use super::vote::{self, Ballot};
use super::{Job, Task, stand_in};
use crate::model::{Call, CallRecord, CallStatus, Column, Failure, FailureCode, MessagePart, Want};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Table;

/// The task id of the aggregation in results.
pub const COMBINE: &str = "combine";

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
    /// What the candidates are: an axis, or the picked field itself.
    subject: String,
    by_axis: bool,
    pick: Option<String>,
    score: Option<String>,
    weights: BTreeMap<String, f64>,
}

/// The next step after all analyses of a document.
#[derive(Debug)]
pub enum Combined {
    /// No step: the answers are the result.
    Nothing,
    /// A further call to a model.
    Ask(Box<Call>),
    /// A call whose prompt cannot be rendered from these answers.
    Unrenderable(Box<Call>, Failure),
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
                try_out(&template, tasks).map_err(|e| format!("prompt: {e}"))?;
                let shape = Shape::new(&file.answer, params)?;
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

    /// Fields of the result.
    pub fn columns(&self) -> Vec<Column> {
        match self {
            Self::None => Vec::new(),
            Self::Model { shape, .. } => shape.columns.clone(),
            Self::Count(count) => vote::columns(&count.subject),
        }
    }
}

impl Count {
    fn new(file: CombineFile, tasks: &[Task]) -> Result<Self, String> {
        let weighted = file.method == Method::Weighted;
        let task = match &file.task {
            Some(id) => tasks.iter().find(|t| t.is(id)).ok_or_else(|| format!("unknown task `{id}`"))?,
            None => tasks.first().ok_or("the job has no task")?,
        };
        let type_of = |key: &str, field: &Option<String>| match field {
            None => Ok(None),
            Some(name) => {
                task.shape.field_type(name).map(Some).ok_or_else(|| format!("{key} = \"{name}\": task {} has no such answer", task.id))
            }
        };
        let (pick, score) = (type_of("pick", &file.pick)?, type_of("score", &file.score)?);
        if !score.is_none_or(|t| t == "integer" || t == "number") {
            return Err("score must be the name of a numeric answer".into());
        }
        match (weighted, pick, score) {
            (true, _, None) => return Err("method \"weighted\" needs `score`, the name of a numeric answer".into()),
            (false, None, _) => return Err("method \"vote\" needs `pick`, the name of a boolean or enum answer".into()),
            (false, Some("array" | "object"), _) => return Err("pick must be the name of a boolean or enum answer".into()),
            _ => {}
        }
        let by_axis = weighted || pick == Some("boolean");
        let subject = if by_axis {
            let axes = task.axis_names();
            match file.axis.as_deref() {
                Some(axis) if axes.contains(&axis) => axis.to_owned(),
                Some(axis) => return Err(format!("axis = \"{axis}\": task {} has no such axis", task.id)),
                None => (*axes.first().ok_or("a vote over an axis needs a task with `over`")?).to_owned(),
            }
        } else {
            file.pick.clone().unwrap_or_default()
        };
        if let Some((name, _)) = file.weights.iter().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0)) {
            return Err(format!("weights.{name} must be a number of at least 0"));
        }
        let candidates = task.axis_values(&subject);
        for name in file.weights.keys() {
            if !candidates.contains(&name.as_str()) {
                return Err(format!("weights.{name}: unknown value of axis {subject}; expected {}", candidates.join(", ")));
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
    /// The step that follows from `records`, the calls of [`Job::calls`] with their answers.
    /// Returns [`Combined::Nothing`] if no call has an answer.
    pub fn combine(&self, records: &[CallRecord], model: &str, effort: Option<&Arc<str>>) -> Combined {
        let missing: Vec<String> = records.iter().filter(|r| r.status != CallStatus::Ok).map(missing_label).collect();
        if missing.len() == records.len() {
            return Combined::Nothing;
        }
        match &self.combine {
            Combine::None => Combined::Nothing,
            Combine::Count(count) => Combined::Done(count.result(records, &missing)),
            Combine::Model { template, max_output_tokens, model: own_model, shape } => {
                let answers = records.iter().filter_map(|record| Some(for_template(&record.axes, &record.task, record.answer.as_ref()?)));
                let prompt = template.render([("answers", answers.collect()), ("missing", json!(missing))]);
                let text = prompt.as_deref().unwrap_or_default();
                let call = Box::new(Call {
                    tokens: about_tokens(self.system.len() + text.len() + shape.schema.text().len()),
                    shared: 0,
                    place: None,
                    task: COMBINE.into(),
                    axes: Vec::new(),
                    model: own_model.clone().unwrap_or_else(|| model.to_owned()),
                    system: Arc::clone(&self.system),
                    parts: vec![MessagePart::Text(text.into())],
                    marks: Arc::default(),
                    want: Want::Answer { schema: Arc::clone(&shape.schema), max_output_tokens: *max_output_tokens },
                    effort: effort.cloned(),
                });
                match prompt {
                    Ok(_) => Combined::Ask(call),
                    Err(why) => {
                        let message = format!(
                            "{COMBINE}: cannot render the prompt from these answers: {why}. Correct combine.prompt in the job file"
                        );
                        Combined::Unrenderable(call, Failure::new(FailureCode::Unrenderable, message))
                    }
                }
            }
        }
    }
}

/// Renders a prompt with made-up answers, to find unknown names before any call.
fn try_out(template: &Template, tasks: &[Task]) -> Result<(), String> {
    let variants = tasks.iter().flat_map(|task| task.variants.iter().map(move |variant| (task, variant)));
    let (answers, labels): (Vec<Value>, Vec<String>) = variants
        .map(|(task, variant)| {
            let axes: Map<String, Value> = variant.axes.iter().map(|(axis, value)| (axis.clone(), json!(value))).collect();
            let answer = sample(&task.shape.schema);
            (for_template(&axes, &task.id, &answer), label(&axes, &task.id, FailureCode::Internal.as_str()))
        })
        .unzip();
    for missing in [json!([]), json!(labels)] {
        template.try_out([("answers", json!(answers)), ("missing", missing)])?;
    }
    Ok(())
}

/// A made-up answer. Its lists are long, because only real answers show how many items they have.
fn sample(schema: &Value) -> Value {
    const BYTES: usize = 1000;
    let mut schema = schema.clone();
    lengthen(&mut schema);
    stand_in(&schema, BYTES)
}

fn lengthen(schema: &mut Value) {
    const LIST_ITEMS: u64 = 16;
    match schema {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|of| of == "array") {
                let most = fields.get("maxItems").and_then(Value::as_u64).unwrap_or(LIST_ITEMS);
                fields.insert("minItems".into(), json!(most.min(LIST_ITEMS)));
            }
            fields.values_mut().for_each(lengthen);
        }
        Value::Array(items) => items.iter_mut().for_each(lengthen),
        _ => {}
    }
}

/// An answer for the aggregation template: axes and answer fields side by side.
fn for_template(axes: &Map<String, Value>, task: &str, answer: &Value) -> Value {
    let mut fields = axes.clone();
    fields.insert("task".into(), json!(task));
    fields.insert("answer".into(), answer.clone());
    Value::Object(fields)
}

fn missing_label(record: &CallRecord) -> String {
    label(&record.axes, &record.task, record.failure.as_ref().map_or("failed", |f| f.code.as_str()))
}

fn label(axes: &Map<String, Value>, task: &str, why: &str) -> String {
    let values: Vec<&str> = axes.values().filter_map(Value::as_str).collect();
    let name = if values.is_empty() { task.to_owned() } else { values.join(" ") };
    format!("{name} ({why})")
}
