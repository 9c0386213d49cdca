//! Writes rows in input order as CSV, JSONL and JSON.
//!
//! A [`Sink`] is a destination of results. [`SinkRows`] are its results during writing. A result
//! file gets its final name only when it is complete, so that readers never see half a file. Rows
//! are streamed: memory holds one at a time.
//!
//! To add a format, implement [`SinkRows`] and add a [`Format`]. To add a destination, implement
//! both traits and add it to [`sinks`].

mod cell;
mod copy;
mod csv_file;
mod file_sink;
mod files;
mod hashed;
mod journal;
mod json_file;
mod jsonl_file;
mod output_file;
mod settings;
mod sink;
mod sinks;

pub use cell::{cell, guarded, unguarded};
pub use copy::{CopyError, CopyTo};
pub use files::{Published, ResultFiles, WriteError};
pub use hashed::Hashed;
pub use journal::Journal;
pub use output_file::OutputFile;
pub use settings::{Existing, FileMode, Format, OutputSettings};
pub use sink::{Sink, SinkRows};
pub use sinks::sinks;

#[cfg(test)]
mod tests;
