//! Writes rows in one format to any writer.

use super::csv_file::CsvFile;
use super::settings::Format;
use crate::model::Row;
use std::io::{self, Write};

/// A result file during writing.
pub enum RowFile<W: Write> {
    /// `results.csv`.
    Csv(Box<CsvFile<W>>),
    /// `results.jsonl`.
    Jsonl(W),
    /// `results.json`.
    Json {
        /// The writer.
        file: W,
        /// Separator before the next row.
        before: &'static str,
    },
}

impl<W: Write> RowFile<W> {
    /// Begins a file for a job whose answers have these columns. Only CSV uses `bom`.
    pub fn begin(format: Format, file: W, columns: &[String], bom: bool) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(CsvFile::new(file, columns, bom)?)),
            Format::Jsonl => Self::Jsonl(file),
            Format::Json => Self::Json { file, before: "[\n" },
        })
    }

    /// Adds the next row; `line` is the same row as JSON.
    pub fn push(&mut self, row: &Row, line: &str) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.push(row),
            Self::Jsonl(file) => writeln!(file, "{line}"),
            Self::Json { file, before } => write!(file, "{}{line}", std::mem::replace(before, ",\n")),
        }
    }

    /// Writes the end of the file.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Csv(csv) => csv.finish(),
            Self::Jsonl(file) => Ok(file),
            Self::Json { mut file, before } => {
                let end = if before == ",\n" { "\n]\n" } else { "[]\n" };
                file.write_all(end.as_bytes())?;
                Ok(file)
            }
        }
    }
}
