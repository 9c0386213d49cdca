//! Maps answers to CSV columns.

use super::combine::Combine;
use super::load::COMBINE;
use super::{Job, Task};
use crate::model::{CallRecord, Row};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// A column of answers, and the source of its value.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    task: Arc<str>,
    axes: Vec<(String, String)>,
    field: String,
}

/// All columns of a job: first the combined result, then each task in the job file's order.
///
/// A column is called `<task>_<field>`. It is called `<field>` if the field has the task's name, or
/// if the job has only one task. The values of the axes go in front: `metal_suitability`.
pub(super) fn columns(tasks: &[Task], combine: &Combine) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> =
        combine.fields().into_iter().map(|field| Column { name: field.clone(), task: COMBINE.into(), axes: Vec::new(), field }).collect();
    for task in tasks {
        for variant in &task.variants {
            for field in task.shape.fields() {
                let mut parts: Vec<&str> = variant.axes.iter().map(|(_, value)| value.as_str()).collect();
                if tasks.len() > 1 && !task.is(field) {
                    parts.push(&task.id);
                }
                parts.push(field);
                let (name, field) = (parts.join("_"), field.clone());
                columns.push(Column { name, task: Arc::clone(&task.id), axes: variant.axes.clone(), field });
            }
        }
    }
    let mut seen: HashSet<&str> = Row::FIRST_COLUMNS.into_iter().chain(Row::LAST_COLUMNS).collect();
    for column in &columns {
        if !seen.insert(&column.name) {
            return Err(format!("two columns have the name `{}`; rename an answer or a task", column.name));
        }
    }
    Ok(columns)
}

/// Columns of the CSV: all, or the ones that the job file lists.
pub(super) fn chosen(columns: &[Column], wanted: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let all: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    let Some(wanted) = wanted else { return Ok(all) };
    match wanted.iter().find(|name| !all.contains(name)) {
        Some(name) => Err(format!("columns: unknown column `{name}`; expected {}", all.join(", "))),
        None => Ok(wanted),
    }
}

impl Job {
    /// Schema of a column's values. Returns `None` for a column that no model answers.
    pub fn form_of(&self, column: &str) -> Option<&Value> {
        let column = self.columns.iter().find(|own| own.name == column)?;
        let task = || self.tasks.iter().find(|task| task.id == column.task).map(|task| &task.shape);
        let shape = if *column.task == *COMBINE { self.combine.shape() } else { task() };
        shape.map(|shape| &shape.schema["properties"][&column.field]).filter(|form| form.is_object())
    }

    /// The answers of one document by column. `records` hold every call, including the aggregation;
    /// `counted` is the result of an aggregation without a model.
    pub fn answers(&self, records: &[CallRecord], counted: &Map<String, Value>) -> Map<String, Value> {
        let value = |column: &Column| {
            if *column.task == *COMBINE && counted.contains_key(&column.field) {
                return counted.get(&column.field).cloned();
            }
            let record = records.iter().find(|r| r.task == *column.task && same_axes(r, &column.axes))?;
            record.answer.as_ref()?.get(&column.field).cloned()
        };
        self.columns.iter().filter_map(|column| Some((column.name.clone(), value(column)?))).collect()
    }
}

fn same_axes(record: &CallRecord, axes: &[(String, String)]) -> bool {
    axes.iter().all(|(axis, value)| record.axes.get(axis).and_then(Value::as_str) == Some(value))
}
