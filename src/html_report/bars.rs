//! The bars of a field's chart, and the bar of a value.

use super::shown::short;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;

/// Maximum number of bars of texts. Rarer texts have no bar.
pub const MAX_BARS: usize = 15;
/// Maximum characters of a text with a bar.
pub const LABEL: usize = 60;
/// Mark of simulated answers. The head of the page says it once, and labels are narrow.
const SIMULATED: &str = "[simulated] ";
/// Label of documents without a value.
pub const NONE: &str = "no value";

/// The bars of a chart.
#[derive(Debug, Default, Serialize)]
pub struct Bars {
    /// Remark, such as the mean of numbers.
    pub note: String,
    /// The bars.
    #[serde(rename = "bars")]
    pub list: Vec<Bar>,
    /// How a value finds its bar.
    #[serde(skip)]
    pub key: Key,
}

/// A bar of a chart.
#[derive(Debug, Serialize)]
pub struct Bar {
    /// Its value or range.
    pub label: String,
    /// Number of documents.
    pub documents: u64,
    /// Width, from 0 to 1, where the largest bar is 1.
    pub width: f64,
}

/// How a value finds its bar.
#[derive(Debug, Default)]
pub enum Key {
    /// It does not.
    #[default]
    None,
    /// By text in lower case. True and false are texts too.
    Texts(HashMap<String, usize>),
    /// Lower borders of the bars, and whether numbers are rounded first.
    Numbers(Vec<f64>, bool),
    /// Characters of a date that name its bar.
    Dates(usize, HashMap<String, usize>),
}

impl Bars {
    /// The bar of a value.
    pub fn find(&self, value: &Value) -> Option<usize> {
        let text = |text: &str| match &self.key {
            Key::Texts(places) => places.get(&text.trim().to_lowercase()).copied(),
            Key::Dates(chars, places) => places.get(text.trim().get(..*chars)?).copied(),
            Key::None | Key::Numbers(..) => None,
        };
        match value {
            Value::Null => self.list.iter().rposition(|bar| bar.label == NONE),
            Value::Bool(value) => text(if *value { "yes" } else { "no" }),
            Value::Number(number) => self.number(number.as_f64()?),
            Value::String(value) => text(value),
            _ => None,
        }
    }

    /// The bar of a number.
    pub fn number(&self, number: f64) -> Option<usize> {
        let Key::Numbers(borders, is_rounded) = &self.key else { return None };
        let number = if *is_rounded { rounded(number) } else { number };
        Some(borders.partition_point(|border| *border <= number).saturating_sub(1))
    }
}

/// Bars of the first texts.
pub fn texts(mut counts: Vec<(String, u64)>) -> Bars {
    counts.truncate(MAX_BARS);
    let key = Key::Texts(counts.iter().enumerate().map(|(n, (text, _))| (text.to_lowercase(), n)).collect());
    Bars { key, list: counts.into_iter().map(bar).collect(), note: String::new() }
}

/// A bar without a width.
pub fn bar((label, documents): (String, u64)) -> Bar {
    Bar { label: short(label.strip_prefix(SIMULATED).unwrap_or(&label), LABEL), documents, width: 0.0 }
}

/// A number with three significant digits.
pub fn rounded(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}
