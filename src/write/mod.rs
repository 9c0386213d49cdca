//! Result files: writes rows in input order as csv, jsonl and json.
//!
//! A file gets its final name only when it is complete, so that readers never see half a file. Rows
//! are streamed: memory holds one at a time.

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
