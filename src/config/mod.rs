//! Settings in layers, each value with its origin.
//!
//! The embedded `pipeline.toml` is both the lowest layer and the schema. A key exists only if the
//! file has it, and a value must have the type that it has there. The defaults are thus in one
//! place, and the commented file cannot differ from the settings in force.
//!
//! This module takes text and returns values; it opens no files and reads no environment. Each
//! module declares its own settings, and [`Config::section`] fills them.

mod key;
mod layer;
mod origin;
mod rules;
mod schema;

pub use key::key;
pub use layer::{Layer, is_setting};
pub use origin::{Origin, Problem, Problems};
pub use rules::Rule;
pub use schema::schema;

use crate::model::plain_words;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The commented default file, embedded.
pub const DEFAULT: &str = include_str!("../../pipeline.toml");

/// Tables with user-chosen keys.
const OPEN_TABLES: [&str; 5] = ["job.params", "llm.headers", "llm.query", "llm.body", "prices"];

/// Lists of tables. The module that uses a list checks its keys.
const LISTS_OF_TABLES: [&str; 1] = ["alert"];

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

impl Config {
    /// Merges `layers` over the embedded default. Later layers win.
    pub fn from_layers(layers: &[Layer]) -> Result<Self, Problems> {
        let (config, problems) = Self::lay(layers)?;
        Problems::check(problems).map(|()| config)
    }

    /// Merges layers and returns all their problems. The caller can add more.
    pub fn lay(layers: &[Layer]) -> Result<(Self, Vec<Problem>), Problems> {
        let defaults: Table = DEFAULT.parse().map_err(|e: toml::de::Error| Problems::one("pipeline.toml", e))?;
        let mut config = Self { table: defaults.clone(), origins: BTreeMap::new() };
        let problems = layers.iter().flat_map(|layer| config.put(layer, &defaults)).collect();
        Ok((config, problems))
    }

    /// Adds a layer on top. Returns the new settings and the layer's problems.
    pub fn with(&self, layer: &Layer) -> Result<(Self, Vec<Problem>), Problems> {
        let defaults: Table = DEFAULT.parse().map_err(|e: toml::de::Error| Problems::one("pipeline.toml", e))?;
        let mut config = self.clone();
        let problems = config.put(layer, &defaults);
        Ok((config, problems))
    }

    /// Adds the values of a layer. Returns its problems.
    fn put(&mut self, layer: &Layer, defaults: &Table) -> Vec<Problem> {
        let found = layer.values(defaults).into_iter();
        found.filter_map(|found| found.map(|(key, value, origin)| self.set(&key, value, origin)).err()).collect()
    }

    /// The settings of one module, such as `section::<ReadSettings>("read")`.
    pub fn section<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problems> {
        let value = self.get(path).cloned().unwrap_or_else(|| Value::Table(Table::new()));
        value.try_into().map_err(|e: toml::de::Error| {
            let shown = e.to_string();
            // The second line of the error names the key below `path`.
            let below = shown.lines().nth(1).and_then(|line| line.strip_prefix("in `")).map(|key| key.trim_end_matches('`'));
            let key = below.map_or_else(|| path.to_owned(), |below| key::below(path, below));
            // The items of a list have no origin of their own.
            let origin = Some(self.origin(&key)).filter(|origin| *origin != Origin::Default).unwrap_or_else(|| self.origin(path));
            Problem::new(origin, format!("{key}: {}", plain_words(e.message(), &[]))).into()
        })
    }

    /// The value of one key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut parts = key::parts(key).into_iter();
        let mut value = self.table.get(&parts.next()?)?;
        for part in parts {
            value = value.as_table()?.get(&part)?;
        }
        Some(value)
    }

    /// Origin of a key's value. For a table, the origin of its first key.
    pub fn origin(&self, key: &str) -> Origin {
        let first = || {
            let inner = format!("{key}.");
            self.entries().into_iter().find(|(entry, ..)| entry.starts_with(&inner)).map(|(.., origin)| origin)
        };
        self.origins.get(key).cloned().or_else(first).unwrap_or(Origin::Default)
    }

    /// Whether the user chooses the name and meaning of this key.
    pub fn is_open(key: &str) -> bool {
        OPEN_TABLES.iter().any(|table| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')))
    }

    /// A problem with the meaning of a value, with its origin.
    pub fn problem(&self, key: &str, message: impl std::fmt::Display) -> Problem {
        Problem::new(self.origin(key), format!("{key}: {message}"))
    }

    /// All keys with values and origins, in the order of the file.
    pub fn entries(&self) -> Vec<(String, Value, Origin)> {
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or(Origin::Default);
        leaves(&self.table).into_iter().map(|(key, value)| (key.clone(), value, origin(&key))).collect()
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) {
        let mut table = &mut self.table;
        let mut parts = key::parts(key);
        let Some(last) = parts.pop() else { return };
        for part in parts {
            let next = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(next) = next else { return };
            table = next;
        }
        table.insert(last, value);
        self.origins.insert(key.to_owned(), origin);
    }
}

/// All keys of a table as dotted paths, with their values.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    fn walk(prefix: &str, table: &Table, out: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let path = key::below(prefix, key);
            match value {
                Value::Table(inner) => walk(&path, inner, out),
                other => out.push((path, other.clone())),
            }
        }
    }
    let mut out = Vec::new();
    walk("", table, &mut out);
    out
}

#[cfg(test)]
mod tests;
