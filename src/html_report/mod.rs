//! `report.html`: the results of a run as one self-contained page.
//!
//! docmill makes the page from the store alone, and only reads it. The page can be made at any
//! time, also during a run and after a crash. It keeps these promises:
//!
//! - The page makes no network requests, and its policy forbids them.
//! - Text from documents, models or providers is never markup or script.
//! - Memory does not grow with the number of documents or requests.

mod activity;
mod advice;
mod bars;
mod bill;
mod chart;
mod charts;
mod comparison;
mod distribution;
mod facets;
mod failures;
mod fields;
mod findings;
mod history;
mod number;
mod report;
mod results;
mod shown;
mod slowest;
mod specialists;
mod stages;
mod tally;
mod template;
mod thumbnail;

pub use advice::{advice, advice_of, for_clients, is_of_server, repeat};
pub use failures::Failures;
pub use report::{Report, Subject};
pub use thumbnail::Thumbnails;

use crate::store::{Archive, StoreError};
use std::io::{self, Write};

/// Name of the page in the output directory.
pub const FILE_NAME: &str = "report.html";

/// Why the page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row in the store cannot be read.
    #[error("{0}: cannot read its row in the store: {1}. Check the store with docmill verify")]
    Row(String, serde_json::Error),
    /// The page cannot be written.
    #[error("cannot write the page: {0}")]
    Io(#[from] io::Error),
    /// The template and the figures do not match: an internal error of docmill.
    #[error("cannot render the page: {0}")]
    Template(#[from] minijinja::Error),
}

/// Writes the page.
pub fn write(archive: &Archive, report: &Report, thumbnails: &Thumbnails, out: &mut impl Write) -> Result<(), PageError> {
    template::begin(report, out)?;
    let left = results::write(archive, report, thumbnails, out)?;
    template::end(report, &left, out)
}
