//! The lists of a job: parameters and axes. Enums, axes and prompts refer to them by name.

use super::fault::Fault;
use super::file::{TaskFile, to_json};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use toml::Table;

/// Names in prompts that no list may take.
const RESERVED: [&str; 4] = ["document", "row", "answers", "missing"];

/// All lists of a job by name.
#[derive(Debug, Default)]
pub(super) struct Lists {
    params: Table,
    /// The values of each axis. `None` if tasks give an axis different values.
    axes: BTreeMap<String, Option<Vec<Value>>>,
}

/// One value of an axis, and the prompt variables that it sets.
#[derive(Clone)]
pub(super) struct AxisValue {
    pub axis: String,
    pub id: String,
    pub values: Map<String, Value>,
}

impl Lists {
    /// Collects the lists of a job. Faults in an axis are reported when its task is built.
    pub fn new(params: &Table, tasks: &[TaskFile]) -> Self {
        let mut lists = Self { params: params.clone(), axes: BTreeMap::new() };
        let over = tasks.iter().flat_map(|task| &task.over);
        let axes: Vec<(String, Vec<Value>)> = over
            .filter_map(|(axis, choices)| {
                let values = lists.axis(axis, choices).ok()?;
                Some((axis.clone(), values.into_iter().map(|value| Value::String(value.id)).collect()))
            })
            .collect();
        for (axis, values) in axes {
            let known = lists.axes.entry(axis).or_insert_with(|| Some(values.clone()));
            known.take_if(|known| *known != values);
        }
        lists
    }

    /// The values of the list `name`, for an enum.
    pub fn values(&self, name: &str) -> Result<Vec<Value>, String> {
        if let Some(param) = self.params.get(name) {
            return match to_json(param) {
                Value::Array(items) => {
                    Ok(items.into_iter().map(|item| if item["id"].is_string() { item["id"].clone() } else { item }).collect())
                }
                _ => Err(format!("`{name}` is a parameter, but not a list")),
            };
        }
        match self.axes.get(name) {
            Some(Some(values)) => Ok(values.clone()),
            Some(None) => Err(format!("the axis `{name}` has different values in several tasks. Write its list once in [params]")),
            None => Err(format!("unknown list `{name}`; {}", self.known())),
        }
    }

    /// All lists by name, with their values. The axes of a task stand for single values in its prompts.
    pub fn axes(&self) -> impl Iterator<Item = (&String, &Vec<Value>)> {
        self.axes.iter().filter_map(|(axis, values)| Some((axis, values.as_ref()?)))
    }

    /// The axes as variables of prompts.
    pub fn variables(&self) -> impl Iterator<Item = (String, Value)> {
        self.axes()
            .filter(|(axis, _)| !RESERVED.contains(&axis.as_str()))
            .map(|(axis, values)| (axis.clone(), Value::Array(values.clone())))
    }

    /// The names of all lists.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let params = self.params.iter().filter(|(_, value)| value.is_array()).map(|(name, _)| name);
        params.chain(self.axes.keys()).map(String::as_str)
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        if names.is_empty() { "the job has no lists in [params] and no axes".to_owned() } else { format!("expected {}", names.join(", ")) }
    }

    /// Reads an axis: a list of words, or of tables with `id`, or the name of a parameter with such
    /// a list. Other keys of a table become prompt variables: `{{ axis_key }}`.
    pub fn axis(&self, axis: &str, choices: &toml::Value) -> Result<Vec<AxisValue>, Fault> {
        let (choices, is_named) = match choices {
            toml::Value::String(name) => {
                let list =
                    self.params.get(name).ok_or_else(|| format!("axis `{axis}` names the unknown list `{name}`; {}", self.known()))?;
                (list, true)
            }
            list => (list, false),
        };
        let list = choices
            .as_array()
            .filter(|list| !list.is_empty())
            .ok_or_else(|| format!("axis `{axis}` takes a list with at least one value"))?;
        let mut seen = HashSet::new();
        let value = |choice: &toml::Value| {
            let mut values = Map::new();
            let id = match choice {
                toml::Value::String(id) => id.clone(),
                toml::Value::Table(table) => {
                    for (key, value) in table.iter().filter(|(key, _)| *key != "id") {
                        values.insert(format!("{axis}_{key}"), to_json(value));
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
        };
        // A list in [params] is in another place than the axis.
        let fault = |(index, fault): (usize, String)| if is_named { Fault::from(fault) } else { Fault::from(fault).at(index) };
        list.iter().map(value).enumerate().map(|(index, value)| value.map_err(|message| fault((index, message)))).collect()
    }

    /// Checks an enum that is written out against the axes. An enum that names some values of an axis
    /// and not others is a second list that has fallen behind.
    pub fn agrees(&self, field: &str, choices: &[&str]) -> Result<(), String> {
        let own: HashSet<&str> = choices.iter().copied().collect();
        for (axis, values) in self.axes() {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            let shared = values.iter().filter(|value| own.contains(**value)).count();
            let is_of_axis =
                field == axis || field.strip_prefix("best_") == Some(axis) || (shared > 0 && 2 * shared >= own.len().min(values.len()));
            let more: Vec<&str> = choices.iter().copied().filter(|choice| !values.contains(choice)).collect();
            let missing: Vec<&str> = values.iter().copied().filter(|value| !own.contains(value)).collect();
            let why = match (&more[..], &missing[..]) {
                _ if !is_of_axis => continue,
                ([], []) => continue,
                ([], missing) => format!("lacks {}", missing.join(", ")),
                (more, []) => format!("has {}, which the axis lacks", more.join(", ")),
                (more, missing) => format!("has {}, which the axis lacks, and lacks {}", more.join(", "), missing.join(", ")),
            };
            return Err(format!(
                "the enum disagrees with the axis `{axis}`: it {why}. Write enum = \"{axis}\", or give a list that differs a name in [params]"
            ));
        }
        Ok(())
    }
}
