//! Result files: rows in input order become csv, jsonl and json.
//!
//! Files are written under another name and take their own when they are complete, so whoever reads a result file
//! reads a whole one. Rows are streamed: one at a time is in memory.

mod cell;
mod copy;
mod csv_file;
mod files;
mod hashed;
mod row_file;
mod settings;

pub use cell::{cell, guarded};
pub use copy::{CopyError, CopyTo};
pub use files::{ResultFiles, WriteError};
pub use hashed::Hashed;
pub use row_file::RowFile;
pub use settings::{Existing, Format, OutputSettings};

#[cfg(test)]
mod tests;
