//! Writes rows as the array of `results.json`.

use super::output_file::OutputFile;
use super::sink::SinkRows;
use crate::model::{ResultFile, Row};
use std::io::{self, Write as _};

/// Writes rows as one JSON array.
pub(super) struct JsonFile {
    file: OutputFile,
    /// Separator before the next row.
    before: &'static str,
}

impl JsonFile {
    pub fn new(file: OutputFile) -> Self {
        Self { file, before: "[\n" }
    }
}

impl SinkRows for JsonFile {
    fn push(&mut self, _: &Row, line: &str) -> io::Result<()> {
        write!(self.file, "{}{line}", std::mem::replace(&mut self.before, ",\n"))
    }

    fn finish(mut self: Box<Self>) -> io::Result<ResultFile> {
        let end = if self.before == ",\n" { "\n]\n" } else { "[]\n" };
        self.file.write_all(end.as_bytes())?;
        self.file.publish()
    }
}
