//! Combines the answers on one document into one result.

use super::answer::Shape;
use super::count::Count;
use super::fault::Fault;
use super::file::{COMBINE, CombineFile, Method};
use super::lists::Lists;
use super::plan::{Template, about_tokens};
use super::{Job, Task, stand_in};
use crate::model::{Call, CallRecord, CallStatus, Column, Failure, FailureCode, MessagePart, Schema, Want};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use toml::Table;

/// The checked `[combine]` of a job.
#[derive(Debug)]
pub(super) enum Combine {
    None,
    Model { template: Box<Template>, shape: Box<Shape>, max_output_tokens: u32, model: Option<String> },
    Count(Count),
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
    pub fn new(file: CombineFile, tasks: &[Task], lists: &Lists, params: Map<String, Value>) -> Result<Self, Fault> {
        agree(&file.answer, lists)?;
        let count = Count::new(&file, tasks)?;
        match file.method {
            Method::None => Ok(Self::None),
            Method::Model => {
                let of_prompt = |why: String| Fault::from(why).of("prompt").at("prompt");
                let values = params.into_iter().chain(lists.variables()).collect();
                let prompt = || {
                    let template = Template::new(&file.prompt, values, &["answers", "missing"]).map_err(of_prompt)?;
                    if !template.mentions("answers") {
                        return Err(Fault::from("method \"model\" needs a prompt with {{ answers }} in it").at("prompt"));
                    }
                    try_out(&template, tasks).map_err(of_prompt).map(|()| template)
                };
                let shape = Shape::new(&file.answer, lists).map_err(|fault| fault.at("answer"));
                let (template, shape) = Fault::both(prompt(), shape)?;
                Ok(Self::Model {
                    template: Box::new(template),
                    shape: Box::new(shape),
                    max_output_tokens: file.max_output_tokens,
                    model: file.model,
                })
            }
            Method::Vote | Method::Weighted => Ok(Self::Count(count.ready()?)),
        }
    }

    /// Renders the prompt with made-up answers to these tasks.
    pub fn try_out(&self, tasks: &[Task]) -> Result<(), String> {
        match self {
            Self::Model { template, .. } => try_out(template, tasks),
            Self::None | Self::Count(_) => Ok(()),
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

    /// Whether weights count in a vote.
    pub fn weighs_votes(&self) -> bool {
        matches!(self, Self::Count(count) if count.weighs_votes())
    }

    /// Fields of the result.
    pub fn columns(&self) -> Vec<Column> {
        match self {
            Self::None => Vec::new(),
            Self::Model { shape, .. } => shape.columns.clone(),
            Self::Count(count) => count.columns(),
        }
    }
}

/// Checks the enums that are written out against the axes.
fn agree(answer: &Table, lists: &Lists) -> Result<(), Fault> {
    for (field, spec) in answer {
        let Some(choices) = spec.get("enum").and_then(toml::Value::as_array) else { continue };
        let unknown = spec.get("unknown").and_then(toml::Value::as_str);
        let choices: Vec<&str> = choices.iter().filter_map(toml::Value::as_str).filter(|choice| Some(*choice) != unknown).collect();
        lists
            .agrees(field, &choices)
            .map_err(|why| Fault::from(why).of(&format!("field `{field}`")).at("enum").at(&**field).at("answer"))?;
    }
    Ok(())
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
    let is_list = Schema::type_of(schema) == Some("array");
    match schema {
        Value::Object(fields) => {
            if is_list {
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
