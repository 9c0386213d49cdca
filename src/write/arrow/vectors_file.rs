//! Writes vectors as a Parquet file, for vector databases and data frames.

use super::parquet_file::why;
use crate::model::ResultFile;
use crate::write::output_file::OutputFile;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes of vectors after which a row group is written.
const GROUP_BYTES: usize = 16 << 20;
/// Numbers of vectors do not get smaller by more effort.
const LEVEL: i32 = 1;

/// A chunk with its vector.
#[derive(Debug, Clone, Copy)]
pub struct VectorRow<'r> {
    /// Name of the document.
    pub document: &'r str,
    /// Number of the chunk, from 1.
    pub chunk: u32,
    /// The page where it begins.
    pub page: Option<u32>,
    /// Its text.
    pub text: &'r str,
    /// Its numbers, 4 bytes each, the least significant byte first.
    pub vector: &'r [u8],
}

/// Writes a table of chunks. Vectors are lists of equal length.
pub struct VectorsFile {
    writer: ArrowWriter<OutputFile>,
    schema: Arc<Schema>,
    dimensions: usize,
    documents: Vec<String>,
    chunks: Vec<u32>,
    pages: Vec<Option<u32>>,
    texts: Vec<String>,
    numbers: Vec<f32>,
}

impl VectorsFile {
    /// Begins a file that gets its name when it is complete. `metadata` describes the vectors.
    pub fn begin(name: &Path, dimensions: usize, metadata: Vec<(String, String)>) -> io::Result<Self> {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let list = DataType::FixedSizeList(item, i32::try_from(dimensions).map_err(io::Error::other)?);
        let fields = vec![
            Field::new("document", DataType::Utf8, false),
            Field::new("chunk", DataType::UInt32, false),
            Field::new("page", DataType::UInt32, true),
            Field::new("text", DataType::Utf8, false),
            Field::new("vector", list, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        let metadata = metadata.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(why)?))
            .set_key_value_metadata(Some(metadata))
            .build();
        let file = OutputFile::hidden("", name)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(why)?;
        let (documents, chunks, pages, texts, numbers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { writer, schema, dimensions, documents, chunks, pages, texts, numbers })
    }

    /// Writes a chunk. Its vector must have the dimensions of the file.
    pub fn push(&mut self, row: VectorRow<'_>) -> io::Result<()> {
        let (numbers, rest) = row.vector.as_chunks::<4>();
        if numbers.len() != self.dimensions || !rest.is_empty() {
            let why = format!("{}: a vector has {} dimensions, not {}", row.document, numbers.len(), self.dimensions);
            return Err(io::Error::other(why));
        }
        self.documents.push(row.document.to_owned());
        self.chunks.push(row.chunk);
        self.pages.push(row.page);
        self.texts.push(row.text.to_owned());
        self.numbers.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
        if self.numbers.len() * size_of::<f32>() >= GROUP_BYTES { self.write() } else { Ok(()) }
    }

    /// Completes the file.
    pub fn finish(mut self) -> io::Result<ResultFile> {
        self.write()?;
        self.writer.into_inner().map_err(why)?.publish()
    }

    fn write(&mut self) -> io::Result<()> {
        if self.documents.is_empty() {
            return Ok(());
        }
        let batch = self.batch().map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(why)?;
        self.writer.flush().map_err(why)
    }

    fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        use std::mem::take;
        let numbers = Float32Array::from(take(&mut self.numbers));
        let DataType::FixedSizeList(item, size) = self.schema.field(4).data_type().clone() else {
            return Err(ArrowError::SchemaError("vector is not a list".to_owned()));
        };
        let vectors = FixedSizeListArray::try_new(item, size, Arc::new(numbers), None)?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(take(&mut self.documents))),
            Arc::new(UInt32Array::from(take(&mut self.chunks))),
            Arc::new(UInt32Array::from(take(&mut self.pages))),
            Arc::new(StringArray::from(take(&mut self.texts))),
            Arc::new(vectors),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}
