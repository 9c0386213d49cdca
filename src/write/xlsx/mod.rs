//! Writes rows as a workbook for spreadsheets.
//!
//! The first sheet is written straight into the archive, row by row. The second one, of failures,
//! waits in a temporary file, because an archive takes one part after the other.

mod archive;
mod cells;
mod digest;
mod drawing;
mod parts;
mod sheet;
mod summary;
mod text;
mod workbook;

pub(super) use digest::{digest, version_of};
pub(super) use workbook::Workbook;
