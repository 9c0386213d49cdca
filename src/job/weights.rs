//! Weights of axis values and of scores.

use super::fault::Fault;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The names that may have weights: an axis and its values, or `score` and its answers.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub of: String,
    pub names: Vec<String>,
}

/// Weights by axis (or `score`) and name. All others weigh 1.
#[derive(Debug, Default, Clone)]
pub(super) struct Weights(BTreeMap<String, BTreeMap<String, f64>>);

impl Weights {
    /// Reads weights: `metal = 2`, or in a table for each axis: `material = { metal = 2 }`.
    pub fn new(file: &Table, known: &[Names]) -> Result<Self, Fault> {
        let mut weights = Self::default();
        for (name, value) in file {
            weights.read(name, value, known).map_err(|fault| fault.of("weights").at(&**name).at("weights"))?;
        }
        let weightless = |group: &&Names| !group.names.is_empty() && group.names.iter().all(|name| weights.of(&group.of, name) <= 0.0);
        if let Some(group) = known.iter().find(weightless) {
            return Err(Fault::from(format!("weights: all weights of `{}` are 0, so nothing counts. Raise one", group.of)).at("weights"));
        }
        Ok(weights)
    }

    fn read(&mut self, name: &str, value: &Value, known: &[Names]) -> Result<(), Fault> {
        if let Value::Table(inner) = value {
            let group = known.iter().find(|group| group.of == name).ok_or_else(|| {
                let axes: Vec<&str> = known.iter().map(|group| group.of.as_str()).collect();
                format!("unknown axis `{name}`; expected {}", axes.join(", "))
            })?;
            for (name, value) in inner {
                if !group.names.contains(name) {
                    return Err(
                        Fault::from(format!("unknown value `{name}` of `{}`; expected {}", group.of, group.names.join(", "))).at(&**name)
                    );
                }
                self.set(&group.of, name, value).map_err(|why| Fault::from(why).at(&**name))?;
            }
            return Ok(());
        }
        let mut groups = known.iter().filter(|group| group.names.iter().any(|own| own == name));
        let Some(group) = groups.next() else {
            let all: Vec<&str> = known.iter().flat_map(|group| &group.names).map(String::as_str).collect();
            return Err(format!("unknown value `{name}`; expected {}", all.join(", ")).into());
        };
        if let Some(other) = groups.next() {
            return Err(format!("`{name}` is a value of `{0}` and of `{1}`. Write weights.{0}.{name}", group.of, other.of).into());
        }
        Ok(self.set(&group.of, name, value)?)
    }

    /// Whether a value of an axis has a weight other than 1. `score` is the name of the weights of
    /// scores.
    pub fn weigh_axes(&self, score: &str) -> bool {
        self.0
            .iter()
            .filter(|(group, _)| *group != score)
            .flat_map(|(_, weights)| weights.values())
            .any(|weight| (*weight - 1.0).abs() > f64::EPSILON)
    }

    fn set(&mut self, group: &str, name: &str, value: &Value) -> Result<(), String> {
        let weight =
            value.as_float().or_else(|| value.as_integer().map(|n| n as f64)).filter(|weight| weight.is_finite() && *weight >= 0.0);
        let weight = weight.ok_or_else(|| format!("{name} must be a number of at least 0"))?;
        self.0.entry(group.to_owned()).or_default().insert(name.to_owned(), weight);
        Ok(())
    }

    /// The weight of a value of an axis, or of an answer of `score`.
    pub fn of(&self, group: &str, name: &str) -> f64 {
        self.0.get(group).and_then(|weights| weights.get(name)).copied().unwrap_or(1.0)
    }
}

/// The mean of numbers with their weights. `None` without weight.
pub(super) fn mean(numbers: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let (sum, weights) = numbers.into_iter().fold((0.0, 0.0), |(sum, weights), (number, weight)| (sum + number * weight, weights + weight));
    (weights > 0.0).then(|| sum / weights)
}
