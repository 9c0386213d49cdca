//! `report.html`: what a run did, as one page that needs nothing else.
//!
//! It is made of the store alone, which is only read, at any time: while a run is at work too, and after a crash. Promises:
//! the page asks no network for anything, and forbids itself to; nothing that a document, a model or a provider said is ever
//! markup or script; memory does not grow with the number of documents or requests.

mod activity;
mod chart;
mod charts;
mod comparison;
mod distribution;
mod history;
mod number;
mod report;
mod results;
mod shown;
mod slowest;
mod stages;
mod template;
mod thumbnail;

pub use report::{Report, Subject};
pub use thumbnail::Thumbnails;

use crate::store::{Archive, StoreError};
use std::io::{self, Write};

/// Name of the page in the output directory.
pub const FILE_NAME: &str = "report.html";

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row in the store cannot be read.
    #[error("the row of {0} in the store cannot be read: {1}; `docmill verify` tells what else is wrong")]
    Row(String, serde_json::Error),
    /// The page cannot be written.
    #[error("it cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The template and the figures do not fit: a fault of docmill.
    #[error("the page cannot be put together: {0}")]
    Template(#[from] minijinja::Error),
}

/// Writes the page.
pub fn write(archive: &Archive, report: &Report, thumbnails: &Thumbnails, out: &mut impl Write) -> Result<(), PageError> {
    template::begin(report, out)?;
    let left = results::write(archive, report.view, thumbnails, out)?;
    template::end(report, &left, out)
}
