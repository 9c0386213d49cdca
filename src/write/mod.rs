//! Sinks: write rows in input order as csv, jsonl and json.
//!
//! [`Sink`] is a destination of results, and [`SinkRows`] one that is being written. A result file
//! gets its final name only when it is complete, so that readers never see half a file. Rows are
//! streamed: memory holds one at a time.
//!
//! A further format is a file that implements [`SinkRows`], and a [`Format`]. A further destination
//! implements both traits, and is a line in [`sinks`].

mod cell;
mod copy;
mod csv_file;
mod file_sink;
mod files;
mod hashed;
mod json_file;
mod jsonl_file;
mod output_file;
mod settings;
mod sink;
mod sinks;

pub use cell::{cell, guarded};
pub use copy::{CopyError, CopyTo};
pub use files::{ResultFiles, WriteError};
pub use hashed::Hashed;
pub use output_file::OutputFile;
pub use settings::{Existing, Format, OutputSettings};
pub use sink::{Sink, SinkRows};
pub use sinks::sinks;

#[cfg(test)]
mod tests;
