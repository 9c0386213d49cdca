//! Writes rows as lines of `results.csv`.

use super::cell::{cell, guarded};
use super::output_file::OutputFile;
use super::sink::SinkRows;
use crate::model::{JobColumns, ResultFile, Row, Totals};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};

/// The byte order mark.
pub(super) const BOM: &str = "\u{feff}";

/// Writes rows as RFC 4180 in UTF-8, with quotes where needed. An empty text as an answer is `""`,
/// and null is an empty cell.
pub(super) struct CsvFile {
    writer: csv::Writer<OutputFile>,
    /// Columns of answers.
    columns: Vec<String>,
}

impl CsvFile {
    pub fn begin(mut file: OutputFile, job: &JobColumns, bom: bool) -> io::Result<Self> {
        if bom {
            file.write_all(BOM.as_bytes())?;
        }
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).quote_style(csv::QuoteStyle::Never).from_writer(file);
        writer.write_record(job.all().map(|column| quoted(&guarded(&column.name)).into_owned())).map_err(why)?;
        Ok(Self { writer, columns: job.columns.iter().map(|column| column.name.clone()).collect() })
    }

    fn field(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_field(quoted(text).as_bytes()).map_err(why)
    }
}

impl SinkRows for CsvFile {
    fn push(&mut self, row: &Row, _: &str) -> io::Result<()> {
        let index = row.index.to_string();
        for cell in [&index, &*guarded(&row.document), row.status.as_str()] {
            self.field(cell)?;
        }
        for at in 0..self.columns.len() {
            let column = &self.columns[at];
            match (row.columns.get(column), row.answers.get(column)) {
                (None, Some(Value::String(text))) if text.is_empty() => self.writer.write_field(b"\"\"").map_err(why)?,
                (own, answer) => {
                    let cell = own.or(answer).map_or(Cow::Borrowed(""), cell);
                    self.field(&cell)?;
                }
            }
        }
        for cell in last(row) {
            self.field(&cell)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(why)
    }

    fn finish(self: Box<Self>) -> io::Result<ResultFile> {
        self.writer.into_inner().map_err(csv::IntoInnerError::into_error)?.publish()
    }
}

/// Puts quotes around a text that needs them.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\r', '\n']) { Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))) } else { Cow::Borrowed(text) }
}

/// Unwraps the I/O error, so that a full disk stays recognisable.
fn why(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn last(row: &Row) -> [Cow<'_, str>; 13] {
    let mut totals = Totals::default();
    totals.add(row);
    let number = |n: u64| Cow::Owned(n.to_string());
    [
        Cow::Borrowed(row.provider.as_str()),
        guarded(&row.model),
        Cow::Borrowed(row.failure.as_ref().map_or("", |f| f.code.as_str())),
        row.failure.as_ref().map_or(Cow::Borrowed(""), |f| guarded(&f.message)),
        Cow::Owned(row.note().map_or_else(String::new, |note| guarded(&note).into_owned())),
        Cow::Owned(row.repaired()),
        number(totals.calls),
        number(totals.attempts),
        number(totals.tokens.input()),
        number(totals.tokens.cache_read),
        number(totals.tokens.output),
        // An empty cell means an unknown price; a free call costs 0.
        totals.cost.exact().map_or(Cow::Borrowed(""), |cost| Cow::Owned(cost.usd().to_string())),
        Cow::Owned(format!("{:.3}", totals.call_seconds)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quotes_are_where_the_csv_crate_puts_them(fields in prop::collection::vec("[ab,;\"\r\n ']{1,6}", 1..4)) {
            let written = |style, fields: &[Cow<'_, str>]| {
                let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
                writer.write_record(fields.iter().map(|field| field.as_bytes())).unwrap();
                String::from_utf8(writer.into_inner().unwrap()).unwrap()
            };
            let plain: Vec<Cow<'_, str>> = fields.iter().map(|field| Cow::Borrowed(field.as_str())).collect();
            let own: Vec<Cow<'_, str>> = fields.iter().map(|field| quoted(field)).collect();
            prop_assert_eq!(written(csv::QuoteStyle::Never, &own), written(csv::QuoteStyle::Necessary, &plain));
        }
    }
}
