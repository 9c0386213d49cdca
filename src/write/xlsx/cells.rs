//! Rows of a sheet as XML.

use super::text::{self, column_name, cut};
use crate::model::ColumnType;
use crate::write::cell::{guarded, plain};
use crate::write::moment::{self, DAY};
use crate::write::row_cells::RowCell;
use serde_json::{Number, Value};
use std::fmt::Write as _;

/// Formats of cells: places in the list of `parts::STYLES`.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Style {
    Plain,
    Header,
    /// Text that a spreadsheet would take for a formula if somebody edited it.
    Quoted,
    Date,
    DateTime,
    Time,
    Usd,
    Seconds,
    Link,
}

/// Days from the first day of spreadsheets to 1970-01-01.
const EPOCH: i32 = 25_569;
/// 1900-03-01, in days since 1970. Spreadsheets count earlier days wrong.
const FIRST_DAY: i32 = -25_508;
/// The serial number after 31 December 9999, the last day.
const AFTER_LAST_DAY: f64 = 2_958_466.0;
/// Spreadsheets keep 15 digits of a number.
const MAX_WHOLE: u64 = 999_999_999_999_999;
/// The largest number of spreadsheets.
const MAX_NUMBER: f64 = 9.99e307;

/// The rows of a sheet, and what did not fit into it.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// Names of the columns: `A`, `B`.
    names: Vec<String>,
    /// Number of the next row, from 1.
    pub next: u32,
    /// XML of the current row.
    pub xml: String,
    /// Texts that were cut.
    pub cut: u64,
}

impl Cells {
    pub fn new(columns: usize) -> Self {
        Self { names: (0..columns).map(column_name).collect(), next: 1, ..Self::default() }
    }

    /// Begins a row.
    pub fn begin(&mut self) {
        self.begin_as("");
    }

    /// Begins a row of this height, in points.
    pub fn begin_high(&mut self, height: u32) {
        self.begin_as(&format!(" ht=\"{height}\" customHeight=\"1\""));
    }

    fn begin_as(&mut self, attributes: &str) {
        self.xml.clear();
        let _never_fails = write!(self.xml, "<row r=\"{}\"{attributes}>", self.next);
    }

    /// Ends the row. Each row has its line, by which the digest finds the rows.
    pub fn end(&mut self) -> &str {
        self.xml.push_str("</row>\n");
        self.next += 1;
        &self.xml
    }

    pub fn text(&mut self, at: usize, text: &str, style: Style) {
        let shown = cut(text);
        self.cut += u64::from(shown.is_some());
        let style = if matches!(style, Style::Plain) && guarded(text) != text { Style::Quoted } else { style };
        self.open(at, style);
        self.xml.push_str(" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
        text::push(&mut self.xml, shown.unwrap_or(text));
        self.xml.push_str("</t></is></c>");
    }

    fn number(&mut self, at: usize, number: impl std::fmt::Display, style: Style) {
        self.open(at, style);
        let _never_fails = write!(self.xml, "><v>{number}</v></c>");
    }

    fn open(&mut self, at: usize, style: Style) {
        let _never_fails = write!(self.xml, "<c r=\"{}{}\"", self.names[at], self.next);
        if !matches!(style, Style::Plain) {
            let _never_fails = write!(self.xml, " s=\"{}\"", style as u8);
        }
    }

    /// Adds the cell of a column of this type.
    pub fn cell(&mut self, at: usize, cell: &RowCell<'_>, kind: &ColumnType) {
        match cell {
            RowCell::Null => {}
            RowCell::Text(text) => self.text(at, text, Style::Plain),
            RowCell::Count(count) if *count <= MAX_WHOLE => self.number(at, count, Style::Plain),
            RowCell::Count(count) => self.text(at, &count.to_string(), Style::Plain),
            RowCell::Seconds(seconds) => self.number(at, seconds, Style::Seconds),
            RowCell::Usd(cost) => self.number(at, cost.usd(), Style::Usd),
            RowCell::Value(value) => self.value(at, value, kind),
        }
    }

    fn value(&mut self, at: usize, value: &Value, kind: &ColumnType) {
        match value {
            Value::Null => {}
            Value::Bool(value) => {
                self.open(at, Style::Plain);
                let _never_fails = write!(self.xml, " t=\"b\"><v>{}</v></c>", u8::from(*value));
            }
            Value::Number(number) if fits(number) => self.number(at, number, Style::Plain),
            Value::String(text) => match moment(text, kind) {
                Some((days, style)) => self.number(at, days, style),
                None => self.text(at, text, Style::Plain),
            },
            value => self.text(at, &plain(value), Style::Plain),
        }
    }
}

/// Whether a spreadsheet shows all digits of a number.
fn fits(number: &Number) -> bool {
    match number.as_i128() {
        Some(whole) => whole.unsigned_abs() <= u128::from(MAX_WHOLE),
        None => number.as_f64().is_some_and(|float| float == 0.0 || (float.is_normal() && float.abs() <= MAX_NUMBER)),
    }
}

/// A date or time in days, and its format. `None` if a spreadsheet does not hold all of it.
fn moment(text: &str, kind: &ColumnType) -> Option<(f64, Style)> {
    let days = |micros: i64| micros as f64 / DAY as f64;
    let first = i64::from(FIRST_DAY) * DAY;
    match kind {
        ColumnType::Date => moment::date(text).filter(|days| *days >= FIRST_DAY).map(|days| (f64::from(days + EPOCH), Style::Date)),
        ColumnType::Time => moment::time(text).filter(|clock| clock.is_exact).map(|clock| (days(clock.micros), Style::Time)),
        ColumnType::DateTime => {
            let clock = moment::date_time(text).filter(|clock| clock.is_exact && clock.micros >= first);
            let days = clock.map(|clock| days(clock.micros) + f64::from(EPOCH));
            // The last microseconds would round to a day that spreadsheets do not have.
            days.filter(|days| *days < AFTER_LAST_DAY).map(|days| (days, Style::DateTime))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn xml(value: &Value, kind: &ColumnType) -> String {
        let mut cells = Cells::new(1);
        cells.value(0, value, kind);
        cells.xml
    }

    #[test]
    fn values_have_typed_cells() {
        let text = |text: &str| format!("<c r=\"A1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>");
        let number = |number: &str, style: &str| format!("<c r=\"A1\"{style}><v>{number}</v></c>");
        for (value, kind, expected) in [
            (json!(null), ColumnType::Integer, String::new()),
            (json!(7), ColumnType::Integer, number("7", "")),
            (json!(-1.5), ColumnType::Number, number("-1.5", "")),
            (json!(1_234_567_890_123_456_i64), ColumnType::Integer, text("1234567890123456")),
            (json!(1e308), ColumnType::Number, text("1e+308")),
            (json!(true), ColumnType::Boolean, "<c r=\"A1\" t=\"b\"><v>1</v></c>".to_owned()),
            (json!("2026-11-29"), ColumnType::Date, number("46355", " s=\"3\"")),
            (json!("2026-11-29"), ColumnType::String, text("2026-11-29")),
            (json!("1900-02-28"), ColumnType::Date, text("1900-02-28")),
            (json!("1900-03-01"), ColumnType::Date, number("61", " s=\"3\"")),
            (json!("2026-11-29T12:00"), ColumnType::DateTime, number("46355.5", " s=\"4\"")),
            (json!("2026-11-29T12:00Z"), ColumnType::DateTime, number("46355.5", " s=\"4\"")),
            (json!("2026-11-29T12:00+01:00"), ColumnType::DateTime, text("2026-11-29T12:00+01:00")),
            (json!("9999-12-31T23:59:59.999999Z"), ColumnType::DateTime, text("9999-12-31T23:59:59.999999Z")),
            (json!("06:00"), ColumnType::Time, number("0.25", " s=\"5\"")),
            (json!(["a", "b"]), ColumnType::Json, text("a; b")),
            (json!([["a"]]), ColumnType::Json, text("[[&quot;a&quot;]]")),
            (json!("=1+1"), ColumnType::String, text("=1+1").replace(" t=", " s=\"2\" t=")),
        ] {
            assert_eq!(xml(&value, &kind), expected, "{value}");
        }
    }
}
