//! Writes rows in input order as CSV, JSONL, JSON, Parquet, Arrow and XLSX.
//!
//! A [`Sink`] is a destination of results. [`SinkRows`] are its results during writing. A result
//! file gets its final name only when it is complete, so that readers never see half a file. Rows
//! are streamed: memory holds one, or a bounded group of them where a format needs it.
//!
//! `row_cells` has the cells of a row. `csv_file` and `xlsx/` make them text for people, `arrow/` makes
//! them typed columns.
//!
//! `vector_store/` copies chunks with their vectors into databases, for `docmill vectors`.
//!
//! To add a format, implement [`SinkRows`] and add a [`Format`]. To add a destination, implement
//! both traits and add it to [`sinks`].

mod arrow;
mod cell;
mod copy;
mod csv_dialect;
mod csv_file;
mod document_files;
mod file_sink;
mod files;
mod hashed;
mod journal;
mod json_file;
mod jsonl_file;
mod moment;
mod output_file;
mod postgres;
mod row_cells;
mod settings;
mod sink;
mod sinks;
mod vector_chunk;
mod vector_store;
mod xlsx;

pub use arrow::{VectorRow, VectorsFile};
pub use cell::{cell, guarded, unguarded};
pub use copy::{CopyError, CopyTo};
pub use csv_dialect::{CsvDialect, Decimal, Separator};
pub use document_files::{DocumentFiles, SmallPicture};
pub use file_sink::FileForm;
pub use files::{Published, ResultFiles, WriteError};
pub use hashed::Hashed;
pub use journal::Journal;
pub use output_file::OutputFile;
pub use postgres::{PostgresAddress, PostgresError, PostgresSession, RowKey, SentRow, Settling, VectorTable};
pub use settings::{Existing, FileMode, Format, OutputSettings};
pub use sink::{Sink, SinkRows};
pub use sinks::sinks;
pub use vector_chunk::{VectorChunk, VectorOrigin};
pub use vector_store::{QdrantAddress, QdrantCollection, QdrantError, VectorStore, VectorStoreError};

#[cfg(test)]
mod tests;
