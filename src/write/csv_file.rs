//! Writes rows as lines of `results.csv`.

use super::cell::{cell, guarded};
use super::output_file::OutputFile;
use super::sink::SinkRows;
use crate::model::{JobColumns, ResultFile, Row, Totals};
use std::borrow::Cow;
use std::io::{self, Write};

/// The byte order mark.
pub(super) const BOM: &str = "\u{feff}";

/// Writes rows as RFC 4180 in UTF-8, with quotes where needed.
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
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
        writer.write_record(job.all().map(|column| column.name)).map_err(why)?;
        Ok(Self { writer, columns: job.columns.iter().map(|column| column.name.clone()).collect() })
    }
}

impl SinkRows for CsvFile {
    fn push(&mut self, row: &Row, _: &str) -> io::Result<()> {
        let index = row.index.to_string();
        let answers =
            self.columns.iter().map(|column| row.columns.get(column).or_else(|| row.answers.get(column)).map_or(Cow::Borrowed(""), cell));
        let first = [Cow::Borrowed(index.as_str()), guarded(&row.document), Cow::Borrowed(row.status.as_str())];
        for cell in first.into_iter().chain(answers).chain(last(row)) {
            self.writer.write_field(cell.as_bytes()).map_err(why)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(why)
    }

    fn finish(self: Box<Self>) -> io::Result<ResultFile> {
        self.writer.into_inner().map_err(csv::IntoInnerError::into_error)?.publish()
    }
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
