//! Writes rows as a Parquet file.

use super::batch::Rows;
use super::pages::PagesOnDisk;
use super::schema::{VERSION, metadata};
use crate::model::{JobColumns, ResultFile, Row};
use crate::write::output_file::OutputFile;
use crate::write::sink::SinkRows;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Maximum rows of a row group. Files with few groups are smaller, and have less metadata in memory.
const GROUP_ROWS: usize = 1 << 20;
/// Bytes of a row group, encoded, after which it is written. They are on disk until then.
const GROUP_BYTES: usize = 256 << 20;
/// Maximum rows and bytes of a page. Each column has a page and a dictionary in memory.
const PAGE_ROWS: usize = 4096;
const PAGE_BYTES: usize = 128 << 10;
/// Bytes of a dictionary after which a column goes on without one.
const DICTIONARY_BYTES: usize = 64 << 10;
/// Higher levels make files little smaller.
const LEVEL: i32 = 3;

/// Writes rows as Parquet with the types of the job, in row groups whose pages wait on disk.
pub(in crate::write) struct ParquetFile {
    writer: ArrowWriter<OutputFile>,
    rows: Rows,
}

impl ParquetFile {
    pub fn begin(file: OutputFile, job: &JobColumns) -> io::Result<Self> {
        let rows = Rows::new(job);
        let metadata = metadata(job).into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(why)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_key_value_metadata(Some(metadata))
            .build();
        let pages = PagesOnDisk::new(file.directory().map_or_else(std::env::temp_dir, Path::to_owned));
        let options = ArrowWriterOptions::new().with_properties(properties).with_page_store_factory(Arc::new(pages));
        Ok(Self { writer: ArrowWriter::try_new_with_options(file, rows.schema.clone(), options).map_err(why)?, rows })
    }

    fn write(&mut self, batch: Result<Option<RecordBatch>, ArrowError>) -> io::Result<()> {
        let batch = batch.map_err(io::Error::other)?;
        batch.map_or(Ok(()), |batch| self.writer.write(&batch).map_err(why))
    }
}

impl SinkRows for ParquetFile {
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

/// The version of docmill that wrote a file.
pub(in crate::write) fn version_of(file: File) -> Option<String> {
    let reader = SerializedFileReader::new(file).ok()?;
    let pairs = reader.metadata().file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == VERSION)?.value.clone()
}

/// Unwraps the I/O error, so that a full disk stays recognisable.
pub(super) fn why(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}
