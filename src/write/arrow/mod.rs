//! Rows as typed columns of Arrow, for Parquet files and Arrow streams.

mod batch;
mod pages;
mod parquet_file;
mod schema;
mod stream;
mod values;
mod vectors_file;

pub(super) use parquet_file::{ParquetFile, version_of as version_of_parquet};
pub use vectors_file::{VectorRow, VectorsFile};

pub(super) use stream::{ArrowStream, version_of as version_of_stream};
