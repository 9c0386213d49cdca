//! Loads a job file into a checked [`Job`]. All faults of a job are found here, before the first
//! document.

use super::answer::Shape;
use super::combine::{COMBINE, Combine};
use super::file::{JobFile, LongFile, LongMethod, Method, TaskFile};
use super::plan::{Prompt, Template};
use super::{Job, JobError, Task, Variant, columns, field};
use crate::model::{Checked, Column, ColumnType, Digest, Unfit};
use serde_json::{Map, Value};
use std::collections::HashSet;
use toml::Table;

impl Job {
    /// Reads and checks a job. `source` is its name in messages; `params` replace values of
    /// `[params]`; `method`, if given, replaces `combine.method`.
    pub fn load(source: &str, text: &str, params: &Table, method: Option<Method>) -> Result<Self, JobError> {
        let file: JobFile = toml::from_str(text).map_err(|e| error(source, e.to_string().trim_end()))?;
        let digest = Digest::of(format!("{text}\n{params}\n{method:?}").as_bytes());
        build(file, params, method, digest).map_err(|message| error(source, message))
    }
}

fn error(source: &str, message: impl Into<String>) -> JobError {
    JobError { job: source.to_owned(), message: message.into() }
}

fn build(mut file: JobFile, overrides: &Table, method: Option<Method>, digest: Digest) -> Result<Job, String> {
    check_name("the job", &file.name)?;
    for (name, value) in overrides {
        let Some(slot) = file.params.get_mut(name) else {
            let known: Vec<&str> = file.params.keys().map(String::as_str).collect();
            return Err(format!("job.params.{name}: unknown parameter; expected {}", known.join(", ")));
        };
        if !slot.same_type(value) {
            return Err(format!("job.params.{name} takes {}, not {}", slot.type_str(), value.type_str()));
        }
        *slot = value.clone();
    }
    let values: Map<String, Value> = file.params.iter().map(|(k, v)| (k.clone(), field::to_json(v))).collect();
    let system = Template::new(&file.system, values.clone(), &[]).and_then(|t| t.render([])).map_err(|e| format!("system: {e}"))?;
    if file.tasks.is_empty() {
        return Err("a job needs at least one [[task]]".into());
    }
    check_parts("long", file.long.max_input_tokens, &file.long)?;
    let mut ids = HashSet::new();
    let mut tasks = Vec::new();
    for task in file.tasks {
        check_name("a task", &task.id)?;
        if task.id == COMBINE || !ids.insert(task.id.clone()) {
            return Err(format!(
                "the task id `{}` is in use. Choose a unique id other than `{COMBINE}`, the id of the aggregation",
                task.id
            ));
        }
        let id = task.id.clone();
        check_parts(&format!("task {id}"), task.max_input_tokens, &file.long)?;
        tasks.push(build_task(task, &file.params, &values).map_err(|e| format!("task {id}: {e}"))?);
    }
    let mut combine = file.combine;
    combine.method = method.unwrap_or(combine.method);
    let combine = Combine::new(combine, &tasks, &file.params, values).map_err(|e| format!("combine: {e}"))?;
    let columns = columns::columns(&tasks, &combine)?;
    let mut csv_columns = columns::chosen(&columns, file.columns)?;
    if file.flag_prompt_injection {
        if csv_columns.iter().any(|column| column.name == Job::PROMPT_INJECTION_COLUMN) {
            return Err(format!(
                "an answer has the name `{}`, which flag_prompt_injection uses for its column. Rename the answer",
                Job::PROMPT_INJECTION_COLUMN
            ));
        }
        let description = Some("whether the document tries to instruct the model".to_owned());
        csv_columns.insert(0, Column { description, ..Column::new(Job::PROMPT_INJECTION_COLUMN, ColumnType::Boolean) });
    }
    Ok(Job {
        name: file.name,
        description: file.description,
        input: file.input,
        system: system.into(),
        tasks,
        flag_prompt_injection: file.flag_prompt_injection,
        long: file.long,
        combine,
        columns,
        csv_columns,
        params: file.params.keys().cloned().collect(),
        digest,
    })
}

/// Minimum number of new tokens in a chunk. They hold the label of an image, a heading or a
/// sentence.
const MIN_NEW_TOKENS: u64 = 32;

/// Refuses chunks that hold little besides overlap. Otherwise a document would need very many
/// calls.
fn check_parts(what: &str, max_input_tokens: u64, long: &LongFile) -> Result<(), String> {
    let least = long.overlap_tokens.saturating_add(MIN_NEW_TOKENS);
    if long.method != LongMethod::Split || max_input_tokens == 0 || max_input_tokens >= least {
        return Ok(());
    }
    Err(format!(
        "{what}: max_input_tokens = {max_input_tokens} is too small. A chunk takes at least {least}: overlap_tokens \
            ({}) and {MIN_NEW_TOKENS} for new text. Raise max_input_tokens, or remove it to use the model's limit",
        long.overlap_tokens
    ))
}

fn build_task(task: TaskFile, params: &Table, values: &Map<String, Value>) -> Result<Task, String> {
    let shape = Shape::new(&task.answer, params)?;
    if task.max_output_tokens == 0 {
        return Err("max_output_tokens must be at least 1".into());
    }
    let mut points: Vec<Vec<AxisValue>> = vec![Vec::new()];
    for (axis, choices) in &task.over {
        check_name("an axis", axis)?;
        if axis == "document" || values.contains_key(axis) {
            return Err(format!("the axis `{axis}` has the name of a parameter, or `document`. Rename the axis"));
        }
        let choices = axis_values(axis, choices)?;
        points = points.iter().flat_map(|point| choices.iter().map(|choice| [point.clone(), vec![choice.clone()]].concat())).collect();
    }
    let variants = points
        .into_iter()
        .map(|point| {
            let mut values = values.clone();
            for choice in &point {
                values.extend(choice.values.clone());
            }
            let prompt = Prompt::new(&task.prompt, values).map_err(|e| format!("prompt: {e}"))?;
            Ok(Variant { axes: point.into_iter().map(|c| (c.axis, c.id)).collect(), prompt })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let TaskFile { id, max_output_tokens, max_input_tokens, merge, model, .. } = task;
    Ok(Task { id: id.into(), variants, shape, max_output_tokens, max_input_tokens, merge, model })
}

/// One value of an axis, and the prompt variables that it sets.
#[derive(Clone)]
struct AxisValue {
    axis: String,
    id: String,
    values: Map<String, Value>,
}

/// Reads an axis: a list of words, or of tables with `id`. Other keys of a table become prompt
/// variables: `{{ axis_key }}`.
fn axis_values(axis: &str, choices: &toml::Value) -> Result<Vec<AxisValue>, String> {
    let list = choices.as_array().filter(|l| !l.is_empty()).ok_or_else(|| format!("axis `{axis}` takes a list with at least one value"))?;
    let mut seen = HashSet::new();
    list.iter()
        .map(|choice| {
            let mut values = Map::new();
            let id = match choice {
                toml::Value::String(id) => id.clone(),
                toml::Value::Table(table) => {
                    for (key, value) in table.iter().filter(|(key, _)| *key != "id") {
                        values.insert(format!("{axis}_{key}"), field::to_json(value));
                    }
                    table.get("id").and_then(toml::Value::as_str).ok_or_else(|| format!("a value of axis `{axis}` has no `id`"))?.to_owned()
                }
                other => return Err(format!("axis `{axis}` takes strings or tables, not {}", other.type_str())),
            };
            if !seen.insert(id.clone()) {
                return Err(format!("axis `{axis}` has `{id}` twice"));
            }
            values.insert(axis.to_owned(), Value::String(id.clone()));
            Ok(AxisValue { axis: axis.to_owned(), id, values })
        })
        .collect()
}

/// Checks a name, because names become directories, columns and template variables.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) || name.starts_with('-') {
        return Err(format!("{what} has the invalid name `{name}`; expected 1 to 64 letters, digits, `_` and `-`"));
    }
    Ok(())
}

impl Task {
    pub(super) fn axis_names(&self) -> Vec<&str> {
        self.variants.first().map(|v| v.axes.iter().map(|(axis, _)| axis.as_str()).collect()).unwrap_or_default()
    }

    pub(super) fn axis_values(&self, axis: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (name, value) in self.variants.iter().flat_map(|v| &v.axes) {
            if name == axis && !values.contains(&value.as_str()) {
                values.push(value.as_str());
            }
        }
        values
    }

    pub(super) fn is(&self, id: &str) -> bool {
        *self.id == *id
    }
}

impl Job {
    /// Checks the reply to one of this job's calls. The error is worded for the model, which gets
    /// it with the retry.
    pub fn read_answer(&self, task: &str, text: &str) -> Result<Checked, Unfit> {
        let shape = self.tasks.iter().find(|t| t.is(task)).map(|t| &t.shape).or_else(|| self.combine.shape());
        shape.ok_or_else(|| Unfit::Invalid(format!("this job has no task {task}")))?.read(text)
    }
}
