//! The table of sinks.

use super::file_sink::FileSink;
use super::settings::{Format, OutputSettings};
use super::sink::Sink;

/// All sinks of a job, configured or not.
pub fn sinks(settings: &OutputSettings, job: &str) -> Vec<Box<dyn Sink>> {
    Format::ALL.map(|format| Box::new(FileSink::new(settings, job, format)) as Box<dyn Sink>).into()
}
