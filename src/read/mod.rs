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

use crate::remote::Address;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use tempfile::{NamedTempFile, TempPath};

/// Whether what is called so can be read once only: standard input (`-`), or a pipe such as a shell makes of `<(command)`.
pub fn is_stream(given: &str) -> bool {
    given == "-" || std::fs::metadata(given).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Where a table or a list called `given` can be read more than once, as a run does: itself, or a file with what came through a
/// stream, which goes away with its last user.
fn rereadable(given: &str) -> Result<(PathBuf, Option<TempPath>), String> {
    if Address::parse(given).is_some() {
        return Err("tables and lists are read from this machine: copy it here first".into());
    }
    if !is_stream(given) {
        return Ok((PathBuf::from(given), None));
    }
    spool(given).map(|file| (file.to_path_buf(), Some(file))).map_err(|e| e.to_string())
}

fn spool(given: &str) -> io::Result<TempPath> {
    let mut file = NamedTempFile::new()?;
    if given == "-" {
        io::copy(&mut io::stdin().lock(), &mut file)?;
    } else {
        io::copy(&mut File::open(given)?, &mut file)?;
    }
    Ok(file.into_temp_path())
}
