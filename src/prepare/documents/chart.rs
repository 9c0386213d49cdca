//! Reads the charts of Office documents as tables.

use super::markdown::Markdown;
use super::number_format::NumberFormat;
use super::table;
use super::xml::{self, Node, attribute, number};
use quick_xml::events::BytesStart;
use std::collections::BTreeMap;

/// Maximum number of chart values to send.
const MOST_VALUES: usize = 5000;
/// Maximum number of series, as in Excel.
const MOST_SERIES: usize = 255;

/// A chart that is being read.
#[derive(Default)]
struct Chart {
    /// Names of the series.
    names: Vec<String>,
    /// Category and values, by point and series.
    rows: BTreeMap<usize, (String, BTreeMap<usize, String>)>,
    values: usize,
    place: &'static str,
    /// The open point, its text, and the number format of the series.
    point: usize,
    text: String,
    code: String,
    from_1904: bool,
}

impl Chart {
    fn open(&mut self, tag: &BytesStart) {
        match tag.local_name().as_ref() {
            "ser" if self.names.len() >= MOST_SERIES => self.values = MOST_VALUES,
            "ser" => self.names.push(String::new()),
            "tx" => self.place = "name",
            "cat" | "xVal" => (self.place, self.point, self.code) = ("category", 0, String::new()),
            "val" | "yVal" => (self.place, self.point, self.code) = ("value", 0, String::new()),
            "lvl" => self.point = 0,
            "pt" => self.point = number(tag, "idx").unwrap_or(self.point),
            "date1904" => self.from_1904 = !matches!(attribute(tag, "val").as_deref(), Some("0" | "false")),
            "v" => self.text.clear(),
            _ => {}
        }
    }

    /// Adds the value of a point. The file omits points without a value.
    fn close_value(&mut self) {
        let is_sent = match self.place {
            "name" | "value" => true,
            // All series have the same categories.
            "category" => self.names.len() == 1,
            _ => false,
        };
        if !is_sent || self.values >= MOST_VALUES {
            return;
        }
        self.values += 1;
        let text = std::mem::take(&mut self.text);
        let point = self.point;
        self.point = point.saturating_add(1);
        let Some(series) = self.names.len().checked_sub(1) else { return };
        match self.place {
            "name" => self.names[series].push_str(&text),
            // The levels of a category are written from the inner one to the outer one.
            "category" => {
                let shown = self.shown(text);
                let category = &mut self.rows.entry(point).or_default().0;
                *category = if category.is_empty() { shown } else { format!("{shown} {category}") };
            }
            "value" => {
                let shown = self.shown(text);
                self.rows.entry(point).or_default().1.insert(series, shown);
            }
            _ => {}
        }
    }

    /// Shows a number by its format.
    fn shown(&self, text: String) -> String {
        let number: Option<f64> = text.trim().parse().ok().filter(|_| !self.code.is_empty());
        let shown = number.map(|number| NumberFormat::read(&self.code).number(number, self.from_1904));
        shown.filter(|shown| !shown.is_empty()).unwrap_or(text)
    }
}

/// Converts a chart to a table. Series are columns, and categories are rows.
pub(super) fn chart(text: &str) -> String {
    let mut title = Markdown::new();
    let mut chart = Chart::default();
    let (mut in_title, mut in_text, mut in_value, mut in_code) = (false, false, false, false);
    let _damage = xml::read(text, |node| match node {
        Node::Open(tag) => {
            match tag.local_name().as_ref() {
                "title" => in_title = true,
                "t" => in_text = true,
                "v" => in_value = true,
                "formatCode" => in_code = true,
                _ => {}
            }
            chart.open(tag);
        }
        Node::Close(name) => match xml::local(name) {
            "title" => in_title = false,
            "tx" | "cat" | "val" | "xVal" | "yVal" => chart.place = "",
            "v" => {
                in_value = false;
                if !in_title {
                    chart.close_value();
                }
            }
            "formatCode" => in_code = false,
            "t" => in_text = false,
            _ => {}
        },
        Node::Text(text) if in_title && (in_text || in_value) => title.text(text),
        Node::Text(text) if in_value => chart.text.push_str(text),
        Node::Text(text) if in_code => chart.code.push_str(text),
        Node::Text(_) => {}
    });
    let mut rows = vec![std::iter::once(String::new()).chain(chart.names.iter().cloned()).collect::<Vec<_>>()];
    rows.extend(chart.rows.into_values().map(|(category, values)| {
        let value = |series: usize| values.get(&series).cloned().unwrap_or_default();
        std::iter::once(category).chain((0..chart.names.len()).map(value)).collect()
    }));
    if chart.names.is_empty() {
        rows.clear();
    }
    format!("Chart: {}\n\n{}", title.finish(), table::written(&rows)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_with_their_categories_and_have_their_format() {
        let points = |points: &[(usize, &str)]| -> String {
            points.iter().map(|(at, value)| format!("<c:pt idx='{at}'><c:v>{value}</c:v></c:pt>")).collect()
        };
        let years = points(&[(0, "2024"), (1, "2025"), (2, "2026")]);
        let series = |values: &str| {
            let values = format!("<c:numCache><c:formatCode>0.0%</c:formatCode>{values}</c:numCache>");
            format!("<c:ser><c:tx><c:v>G</c:v></c:tx><c:cat>{years}</c:cat><c:val>{values}</c:val></c:ser>")
        };
        let text = series(&points(&[(0, "0.05"), (2, "0.125")])) + &series(&points(&[(1, "0.2")]));
        let table = chart(&text);
        let rows: Vec<&str> = table.lines().skip(4).collect();
        assert_eq!(rows, ["| 2024 | 5.0% |  |", "| 2025 |  | 20.0% |", "| 2026 | 12.5% |  |"]);
    }
}
