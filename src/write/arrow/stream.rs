//! Writes rows as a stream of Arrow's IPC format.

use super::batch::Rows;
use super::schema::VERSION;
use crate::model::{JobColumns, ResultFile, Row};
use crate::write::output_file::OutputFile;
use crate::write::sink::SinkRows;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use std::fs::File;
use std::io;

/// Writes rows as an Arrow stream, batch by batch.
pub(in crate::write) struct ArrowStream {
    writer: StreamWriter<OutputFile>,
    rows: Rows,
}

impl ArrowStream {
    pub fn begin(file: OutputFile, job: &JobColumns) -> io::Result<Self> {
        let rows = Rows::new(job);
        Ok(Self { writer: StreamWriter::try_new(file, &rows.schema).map_err(why)?, rows })
    }

    fn write(&mut self, batch: Result<Option<RecordBatch>, ArrowError>) -> io::Result<()> {
        batch.map_err(why)?.map_or(Ok(()), |batch| self.writer.write(&batch).map_err(why))
    }
}

impl SinkRows for ArrowStream {
    fn push(&mut self, row: &Row, line: &str) -> io::Result<()> {
        let batch = self.rows.push(row, line);
        self.write(batch)
    }

    fn note(&self) -> Option<String> {
        self.rows.note()
    }

    fn finish(mut self: Box<Self>) -> io::Result<ResultFile> {
        let batch = self.rows.finish();
        self.write(batch)?;
        self.writer.into_inner().map_err(why)?.publish()
    }
}

/// The version of docmill that wrote a stream.
pub(in crate::write) fn version_of(file: File) -> Option<String> {
    StreamReader::try_new_buffered(file, None).ok()?.schema().metadata().get(VERSION).cloned()
}

/// Unwraps the I/O error, so that a full disk stays recognisable.
fn why(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}
