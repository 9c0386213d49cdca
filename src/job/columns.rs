//! Maps answers to columns.

use super::combine::Combine;
use super::fault::Fault;
use super::file::COMBINE;
use super::{Job, Task};
use crate::model::{CallRecord, Column, Row};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A column of answers, and the source of its values.
#[derive(Debug)]
pub(super) struct AnswerColumn {
    column: Column,
    task: Arc<str>,
    axes: Vec<(String, String)>,
    field: String,
}

impl AnswerColumn {
    pub fn name(&self) -> &str {
        &self.column.name
    }

    /// The task that answers it, or `combine`.
    pub fn task(&self) -> &str {
        &self.task
    }
}

/// All columns of a job. The combined result comes first, then each task in the job file's order.
///
/// A column is called `<task>_<field>`. It is called `<field>` if the field has the task's name, or
/// if the job has only one task. The values of the axes go in front: `metal_suitability`.
pub(super) fn columns(tasks: &[Task], combine: &Combine) -> Result<Vec<AnswerColumn>, Fault> {
    let combined = combine.columns().into_iter();
    let mut columns: Vec<AnswerColumn> =
        combined.map(|column| AnswerColumn { field: column.name.clone(), column, task: COMBINE.into(), axes: Vec::new() }).collect();
    for task in tasks {
        for variant in &task.variants {
            for column in &task.shape.columns {
                let field = &column.name;
                let mut parts: Vec<&str> = variant.axes.iter().map(|(_, value)| value.as_str()).collect();
                if tasks.len() > 1 && !task.is(field) {
                    parts.push(&task.id);
                }
                parts.push(field);
                let (column, field) = (Column { name: parts.join("_"), ..column.clone() }, field.clone());
                columns.push(AnswerColumn { column, task: Arc::clone(&task.id), axes: variant.axes.clone(), field });
            }
        }
    }
    let fixed = Row::first_columns().into_iter().chain(Row::last_columns());
    let built_in: HashSet<String> = fixed.map(|column| column.name).chain([Row::EXACT_VALUES.to_owned()]).collect();
    // Many databases ignore the case of names.
    let mut seen: HashMap<String, &String> = HashMap::new();
    let mut faults = Vec::new();
    for AnswerColumn { column: Column { name, .. }, task, field, .. } in &columns {
        let lower = name.to_lowercase();
        let why = match seen.insert(lower.clone(), name) {
            _ if built_in.contains(name) => format!("`{name}` is the name of a built-in column. Rename the answer or its task"),
            _ if built_in.contains(&lower) => {
                format!("`{name}` differs only by case from the built-in column `{lower}`. Rename the answer or its task")
            }
            Some(other) if other == name => format!("two columns have the name `{name}`. Rename an answer or a task"),
            Some(other) => format!("the columns `{other}` and `{name}` differ only by case. Rename an answer or a task"),
            None => continue,
        };
        let answer = Fault::from(why).at(field.as_str()).at("answer");
        faults.push(Err(match tasks.iter().position(|own| own.id == *task) {
            Some(at) => answer.at(at).at("task"),
            None => answer.at(COMBINE),
        }));
    }
    Fault::gather::<()>(faults)?;
    Ok(columns)
}

/// Columns of the CSV: all, or those in the job file. With `flags`, another column comes before them.
pub(super) fn chosen(columns: &[AnswerColumn], wanted: Option<Vec<String>>, flags: bool) -> Result<Vec<Column>, Fault> {
    let all = || columns.iter().map(|own| &own.column);
    let wanted = wanted.unwrap_or_else(|| all().map(|column| column.name.clone()).collect());
    let named = |(at, name): (usize, &String)| {
        all().find(|column| column.name == *name).cloned().ok_or_else(|| {
            let names: Vec<&str> = all().map(|column| column.name.as_str()).collect();
            Fault::from(format!("columns: unknown column `{name}`; expected {}", names.join(", "))).at(at)
        })
    };
    let chosen = Fault::gather(wanted.iter().enumerate().map(named)).map_err(|fault| fault.at("columns"))?;
    if flags && chosen.iter().any(|column| column.name == Job::PROMPT_INJECTION_COLUMN) {
        let name = Job::PROMPT_INJECTION_COLUMN;
        return Err(format!("an answer has the name `{name}`, which flag_prompt_injection uses for its column. Rename the answer").into());
    }
    Ok(chosen)
}

impl Job {
    /// Schema of a column's values. Returns `None` for a column that no model answers.
    pub fn form_of(&self, column: &str) -> Option<&Value> {
        let column = self.columns.iter().find(|own| own.column.name == column)?;
        let task = || self.tasks.iter().find(|task| task.id == column.task).map(|task| &task.shape);
        let shape = if *column.task == *COMBINE { self.combine.shape() } else { task() };
        shape.map(|shape| &shape.schema["properties"][&column.field]).filter(|form| form.is_object())
    }

    /// The answers of one document by column. `records` hold every call, including the aggregation;
    /// `counted` is the result of an aggregation without a model.
    pub fn answers(&self, records: &[CallRecord], counted: &Map<String, Value>) -> Map<String, Value> {
        let value = |column: &AnswerColumn| {
            if *column.task == *COMBINE && counted.contains_key(&column.field) {
                return counted.get(&column.field).cloned();
            }
            let record = records.iter().find(|r| r.task == *column.task && same_axes(r, &column.axes))?;
            record.answer.as_ref()?.get(&column.field).cloned()
        };
        self.columns.iter().filter_map(|own| Some((own.column.name.clone(), value(own)?))).collect()
    }
}

fn same_axes(record: &CallRecord, axes: &[(String, String)]) -> bool {
    axes.iter().all(|(axis, value)| record.axes.get(axis).and_then(Value::as_str) == Some(value))
}
