//! Writes rows as lines of `results.csv`.

use super::cell::{cell, guarded, plain};
use super::csv_dialect::{BOM, CsvDialect, Decimal};
use super::output_file::OutputFile;
use super::row_cells::{self, RowCell};
use super::sink::SinkRows;
use crate::model::{JobColumns, ResultFile, Row};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes rows as RFC 4180 in UTF-8, with quotes where needed. An empty text is `""`, and null is an
/// empty cell.
pub(super) struct CsvFile {
    writer: csv::Writer<OutputFile>,
    dialect: CsvDialect,
    /// Columns of answers.
    columns: Vec<String>,
}

impl CsvFile {
    pub fn begin(mut file: OutputFile, job: &JobColumns, dialect: CsvDialect) -> io::Result<Self> {
        if dialect.bom {
            file.write_all(BOM.as_bytes())?;
        }
        let writer = csv::WriterBuilder::new()
            .delimiter(dialect.separator.byte())
            .terminator(csv::Terminator::CRLF)
            .quote_style(csv::QuoteStyle::Never)
            .from_writer(file);
        let mut own = Self { writer, dialect, columns: job.columns.iter().map(|column| column.name.clone()).collect() };
        job.all().try_for_each(|column| own.field(&guarded(&column.name)))?;
        own.end()?;
        Ok(own)
    }

    fn field(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_field(quoted(text, self.dialect.separator.byte()).as_bytes()).map_err(why)
    }

    fn cell(&mut self, cell: &RowCell<'_>) -> io::Result<()> {
        let text = match cell {
            RowCell::Null => Cow::Borrowed(""),
            RowCell::Text(text) => guarded(text),
            RowCell::Count(count) => Cow::Owned(count.to_string()),
            RowCell::Usd(cost) => self.number(cost.usd().to_string()),
            RowCell::Seconds(seconds) => self.number(format!("{seconds:.3}")),
            RowCell::Value(value) => self.value(value),
        };
        self.field(&text)
    }

    fn value<'v>(&self, value: &'v Value) -> Cow<'v, str> {
        match value {
            Value::Number(number) => self.number(number.to_string()),
            Value::Array(items) if self.dialect.decimal == Decimal::Comma && items.iter().any(Value::is_number) => {
                let as_text =
                    |item: &Value| if item.is_number() { Value::String(self.number(item.to_string()).into_owned()) } else { item.clone() };
                let texts = items.iter().map(as_text).collect();
                // Numbers alone call nothing.
                let form = if items.iter().all(Value::is_number) { plain } else { cell };
                Cow::Owned(form(&texts).into_owned())
            }
            value => cell(value),
        }
    }

    fn number(&self, number: String) -> Cow<'static, str> {
        Cow::Owned(if self.dialect.decimal == Decimal::Comma { number.replace('.', ",") } else { number })
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.write_record(None::<&[u8]>).map_err(why)
    }
}

impl SinkRows for CsvFile {
    fn push(&mut self, row: &Row, _: &str) -> io::Result<()> {
        row_cells::first(row).iter().try_for_each(|cell| self.cell(cell))?;
        for at in 0..self.columns.len() {
            let cell = RowCell::of(row, &self.columns[at]);
            match cell {
                RowCell::Value(value) if is_empty_text(value) => self.writer.write_field(b"\"\"").map_err(why)?,
                cell => self.cell(&cell)?,
            }
        }
        row_cells::last(row).iter().try_for_each(|cell| self.cell(cell))?;
        self.end()
    }

    fn finish(self: Box<Self>) -> io::Result<ResultFile> {
        self.writer.into_inner().map_err(csv::IntoInnerError::into_error)?.publish()
    }
}

/// Whether a value is an empty text, or a list of one. A cell has no NUL characters.
fn is_empty_text(value: &Value) -> bool {
    let one = value.as_array().and_then(|items| if let [one] = &items[..] { Some(one) } else { None });
    one.unwrap_or(value).as_str().is_some_and(|text| text.trim_matches('\0').is_empty())
}

/// Puts quotes around a text that needs them.
fn quoted(text: &str, separator: u8) -> Cow<'_, str> {
    if text.contains(['"', char::from(separator), '\r', '\n']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// Unwraps the I/O error, so that a full disk stays recognisable.
fn why(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quotes_are_where_the_csv_crate_puts_them(
            fields in prop::collection::vec("[ab,;\t\"\r\n ']{1,6}", 1..4),
            separator in prop::sample::select(&b",;\t"[..]),
        ) {
            let written = |style, fields: &[Cow<'_, str>]| {
                let mut writer = csv::WriterBuilder::new().delimiter(separator).quote_style(style).from_writer(Vec::new());
                writer.write_record(fields.iter().map(|field| field.as_bytes())).unwrap();
                String::from_utf8(writer.into_inner().unwrap()).unwrap()
            };
            let plain: Vec<Cow<'_, str>> = fields.iter().map(|field| Cow::Borrowed(field.as_str())).collect();
            let own: Vec<Cow<'_, str>> = fields.iter().map(|field| quoted(field, separator)).collect();
            prop_assert_eq!(written(csv::QuoteStyle::Never, &own), written(csv::QuoteStyle::Necessary, &plain));
        }
    }
}
