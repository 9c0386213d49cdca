//! Stage 1: find documents, read their bytes.
//!
//! The walk is lazy and sorted by path bytes, so input order is the same on every machine. It promises one result for
//! every regular file and every object; what it leaves out by rule (hidden files, patterns, docmill's own output) it counts.

mod elsewhere;
mod file;
mod file_list;
mod filter;
mod listing;
mod names;
mod place;
mod remote;
mod settings;
mod table;
mod walk;

pub use file::Opened;
pub use remote::Remote;
pub use settings::{InputSettings, ReadSettings};
pub use walk::{Found, InputError, Roots, Walk};

use std::io;
use std::path::PathBuf;
use tempfile::{NamedTempFile, TempPath};

/// Standard input as a file that goes away with its last user: a run looks at its input more than once.
fn spool() -> io::Result<(PathBuf, Option<TempPath>)> {
    let mut file = NamedTempFile::new()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    let path = file.into_temp_path();
    Ok((path.to_path_buf(), Some(path)))
}
