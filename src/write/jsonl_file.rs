//! Writes rows as lines of `results.jsonl`.

use super::output_file::OutputFile;
use super::sink::SinkRows;
use crate::model::{ResultFile, Row};
use std::io::{self, Write as _};

/// Writes rows as JSON, each on its line.
pub(super) struct JsonlFile(pub OutputFile);

impl SinkRows for JsonlFile {
    fn push(&mut self, _: &Row, line: &str) -> io::Result<()> {
        writeln!(self.0, "{line}")
    }

    fn finish(self: Box<Self>) -> io::Result<ResultFile> {
        self.0.publish()
    }
}
