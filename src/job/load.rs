//! Loads a job file into a checked [`Job`]. All faults of a job are found here, before the first
//! document.

use super::answer::Shape;
use super::combine::Combine;
use super::fault::Fault;
use super::file::{COMBINE, EARLIER_KEYS, InputKind, JobFile, LongFile, LongMethod, MIN_NEW_TOKENS, Method, TaskFile, to_json};
use super::lists::{AxisValue, Lists};
use super::plan::{Prompt, Template};
use super::{Job, JobError, Problem, Task, Variant, columns, embed};
use crate::model::{Checked, Column, ColumnType, Digest, Unfit, did_you_mean, plain_words};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::ops::Range;
use toml::Table;
use toml::de::{DeTable, DeValue};

impl Job {
    /// Reads and checks a job. `source` is its name in messages; `params` replace values of
    /// `[params]`; `method`, if given, replaces `combine.method`.
    pub fn load(source: &str, text: &str, params: &Table, method: Option<Method>) -> Result<Self, JobError> {
        let error = |problems| JobError { job: source.to_owned(), problems };
        let file = read(text).map_err(error)?;
        let digest = Digest::of(format!("{text}\n{params}\n{method:?}").as_bytes());
        build(file, params, method, digest).map_err(|fault| error(fault.problems(text)))
    }
}

/// Reads the form of a file. Unknown keys and wrong values are left out one by one, so that all of
/// them are found.
fn read(text: &str) -> Result<JobFile, Vec<Problem>> {
    let problem = |error: &toml::de::Error| {
        let (line, message) = in_file(error, text);
        Problem { line: Some(line), message }
    };
    let mut table = DeTable::parse(text).map_err(|error| vec![problem(&error)])?;
    let mut problems: Vec<Problem> = Vec::new();
    loop {
        match JobFile::deserialize(toml::Deserializer::from(table.clone())) {
            Ok(file) if problems.is_empty() => return Ok(file),
            Ok(_) => return Err(problems),
            Err(mut error) => {
                error.set_input(Some(text));
                // A required key that was left out was not missing.
                if problems.is_empty() || !error.message().starts_with("missing field") {
                    problems.push(problem(&error));
                }
                let left_out = error.span().is_some_and(|span| leave_out(table.get_mut(), &span));
                if !left_out || error.message().starts_with("missing field") {
                    return Err(problems);
                }
            }
        }
    }
}

/// Removes the entry whose key or value has this span.
fn leave_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let found = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span).map(|(key, _)| key.clone());
    if let Some(key) = found {
        return table.remove(&key).is_some();
    }
    table.iter_mut().any(|(_, value)| leave_out_of(value.get_mut(), span))
}

fn leave_out_of(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => leave_out(table, span),
        DeValue::Array(items) => items.iter_mut().any(|item| leave_out_of(item.get_mut(), span)),
        _ => false,
    }
}

/// The line and the words of an error in the form of a file.
fn in_file(error: &toml::de::Error, text: &str) -> (usize, String) {
    let span = error.span().unwrap_or_default();
    let line = text.get(..span.start).unwrap_or_default().matches('\n').count();
    let place = text.lines().nth(line).unwrap_or_default().trim();
    let words = plain_words(error.message(), &EARLIER_KEYS);
    // The span of a wrong table is its name, with or without the brackets.
    let name = text.get(span).unwrap_or_default().trim_matches(['[', ']']);
    let is_header = place.starts_with("[[") && place.trim_start_matches('[').starts_with(name);
    let message = match (words.as_str(), place) {
        ("expected a list, not a table", place) if place.starts_with('[') => format!("[{name}] must be a list: write [[{name}]]"),
        (words, _) if is_header && !["", "task"].contains(&name) && !words.starts_with("unknown field ") => {
            format!("[[{name}]] must be a single table: write [{name}]")
        }
        (words, place) if words.starts_with("expected ") || words.starts_with("unknown value ") => match place.split_once('=') {
            Some((key, _)) if !place.starts_with('[') => format!("{}: {words}", key.trim()),
            _ => words.to_owned(),
        },
        (words, _) => words.to_owned(),
    };
    (line + 1, message)
}

fn build(mut file: JobFile, overrides: &Table, method: Option<Method>, digest: Digest) -> Result<Job, Fault> {
    let name = check_name("the job", &file.name).map_err(|why| Fault::from(why).at("name"));
    replace_params(&mut file.params, overrides)?;
    let values: Map<String, Value> = file.params.iter().map(|(k, v)| (k.clone(), to_json(v))).collect();
    let system = Template::new(&file.system, values.clone(), &[]).and_then(|t| t.render([]));
    let system = system.map_err(|why| Fault::from(why).of("system").at("system"));
    if file.tasks.is_empty() {
        return Err("a job needs at least one [[task]]".into());
    }
    let fits = fits_embedding(&file);
    let long = check_parts("long", file.long.max_input_tokens, &file.long);
    let long = long.map_err(|why| Fault::from(why).at("max_input_tokens").at("long"));
    let lists = Lists::new(&file.params, &file.tasks);
    let mut ids = HashSet::new();
    let named = |task: &TaskFile, ids: &mut HashSet<String>| {
        check_name("a task", &task.id)?;
        if task.id == COMBINE || !ids.insert(task.id.clone()) {
            let why = format!("the task id `{}` is in use. Choose a unique id other than `{COMBINE}`, the id of the aggregation", task.id);
            return Err(why);
        }
        Ok(())
    };
    let tasks = file.tasks.into_iter().enumerate().map(|(at, task)| {
        let name = named(&task, &mut ids).map_err(|why| Fault::from(why).at("id"));
        let what = format!("task {}", task.id);
        let parts = check_parts(&what, task.max_input_tokens, &file.long).map_err(|why| Fault::from(why).at("max_input_tokens"));
        let task = build_task(task, &lists, &values).map_err(|fault| fault.of(&what));
        Fault::both(Fault::both(name, parts), task).map(|(_, task)| task).map_err(|fault| fault.at(at).at("task"))
    });
    let mut combine = file.combine;
    combine.method = method.unwrap_or(combine.method);
    let answered = Fault::gather(tasks).and_then(|tasks| {
        let combine = Combine::new(combine, &tasks, &lists, values).map_err(|fault| fault.of("combine").at("combine"))?;
        let columns = columns::columns(&tasks, &combine)?;
        let csv_columns = columns::chosen(&columns, file.columns, file.flag_prompt_injection)?;
        Ok((tasks, combine, columns, csv_columns))
    });
    let checked = Fault::both(Fault::gather([name, long, fits]), Fault::both(system, answered));
    let (_, (system, (tasks, combine, columns, mut csv_columns))) = checked?;
    // Weights of votes change rows of earlier versions, which ignored them.
    let digest = if combine.weighs_votes() { Digest::of(&[&digest.0[..], b"weighted votes"].concat()) } else { digest };
    if file.flag_prompt_injection {
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

/// Refuses input and `[long]` that do not fit tasks which embed.
fn fits_embedding(file: &JobFile) -> Result<(), Fault> {
    let embeds = |task: &TaskFile| task.embed.is_some();
    let input = if file.input == InputKind::Image && file.tasks.iter().any(embeds) {
        Err(Fault::from("tasks with [task.embed] embed texts, so input must be \"text\" or \"any\"").at("input"))
    } else {
        Ok(())
    };
    let LongFile { method, max_input_tokens, overlap_tokens } = file.long;
    let has_long = method != LongMethod::Fail || max_input_tokens > 0 || overlap_tokens > 0;
    let long = if has_long && file.tasks.iter().all(embeds) {
        let why = "no task uses [long], because tasks with [task.embed] have chunk_tokens and overlap_tokens. Remove [long]";
        Err(Fault::from(why).at("long"))
    } else {
        Ok(())
    };
    Fault::both(input, long).map(|_| ())
}

/// Replaces values of `[params]`.
fn replace_params(params: &mut Table, overrides: &Table) -> Result<(), String> {
    for (name, value) in overrides {
        let Some(slot) = params.get_mut(name) else {
            let known: Vec<&str> = params.keys().map(String::as_str).collect();
            let near = did_you_mean(name, known.iter().copied());
            return Err(format!("job.params.{name}: unknown parameter; expected {}{near}", known.join(", ")));
        };
        if !slot.same_type(value) {
            return Err(format!("job.params.{name}: takes {}, not {}", slot.type_str(), value.type_str()));
        }
        *slot = value.clone();
    }
    Ok(())
}

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

fn build_task(mut task: TaskFile, lists: &Lists, params: &Map<String, Value>) -> Result<Task, Fault> {
    if let Some(embed) = task.embed.take() {
        return embed::build(task, embed, lists);
    }
    for (key, is_missing) in [("prompt", task.prompt.is_empty()), ("answer", task.answer.is_empty())] {
        if is_missing {
            return Err(format!("the field \"{key}\" is missing or empty").into());
        }
    }
    let shape = Shape::new(&task.answer, lists).map_err(|fault| fault.at("answer"));
    let room =
        if task.max_output_tokens == 0 { Err(Fault::from("max_output_tokens must be at least 1").at("max_output_tokens")) } else { Ok(()) };
    let ((shape, ()), variants) = Fault::both(Fault::both(shape, room), variants(&task, lists, params))?;
    let TaskFile { id, max_output_tokens, max_input_tokens, merge, model, .. } = task;
    Ok(Task { id: id.into(), variants, shape, max_output_tokens, max_input_tokens, merge, model, embed: None })
}

/// Maximum calls of a task for each document.
const MOST_CALLS: usize = 10_000;

/// The points on the axes of a task, each with its prompt.
fn variants(task: &TaskFile, lists: &Lists, params: &Map<String, Value>) -> Result<Vec<Variant>, Fault> {
    let mut points: Vec<Vec<AxisValue>> = vec![Vec::new()];
    for (axis, choices) in &task.over {
        let at_axis = |fault: Fault| fault.at(&**axis).at("over");
        check_name("an axis", axis).map_err(|why| at_axis(why.into()))?;
        if axis == "document" || params.contains_key(axis) {
            let why = format!("the axis `{axis}` has the name of a parameter, or `document`. Rename the axis");
            return Err(at_axis(why.into()));
        }
        let choices = lists.axis(axis, choices).map_err(at_axis)?;
        let calls = points.len() * choices.len();
        if calls > MOST_CALLS {
            let why = format!("the axes make {calls} calls for each document, and at most {MOST_CALLS} are possible. Shorten a list");
            return Err(at_axis(why.into()));
        }
        points = points.iter().flat_map(|point| choices.iter().map(|choice| [point.clone(), vec![choice.clone()]].concat())).collect();
    }
    points
        .into_iter()
        .map(|point| {
            let mut values: Map<String, Value> = params.clone().into_iter().chain(lists.variables()).collect();
            for choice in &point {
                values.extend(choice.values.clone());
            }
            let prompt = Prompt::new(&task.prompt, values).map_err(|why| Fault::from(why).of("prompt").at("prompt"))?;
            Ok(Variant { axes: point.into_iter().map(|c| (c.axis, c.id)).collect(), prompt })
        })
        .collect()
}

/// Checks a name, because names become directories, columns and template variables.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) || name.starts_with('-') {
        return Err(format!("{what} has the invalid name `{name}`; expected 1 to 64 of the characters a-z, A-Z, 0-9, `_` and `-`"));
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
