//! Room on the disk that is kept free for the worst moment.
//!
//! When the disk is full, answers are still on their way that are paid for. Giving the reserve back makes room for them.

use std::io::{self, Write as _};
use std::path::Path;
use tempfile::NamedTempFile;

/// Enough for thousands of answers, in bytes.
const SIZE: usize = 4 << 20;
/// Hidden, so that it is no document when the output directory lies in an input directory.
const PREFIX: &str = ".docmill-reserve-";

/// A file that holds nothing but space; it goes when this is dropped.
#[derive(Debug)]
pub(super) struct Reserve(NamedTempFile);

impl Reserve {
    /// Lays space by in the directory of the store.
    pub fn lay_by(directory: &Path) -> io::Result<Self> {
        sweep(directory);
        let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(directory)?;
        // Really written: a file with a hole in it holds no space.
        file.write_all(&vec![0x5a; SIZE])?;
        Ok(Self(file))
    }

    /// Gives the space back.
    pub fn release(self) -> io::Result<()> {
        self.0.close()
    }
}

/// Removes what killed runs have left.
fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            // What cannot be removed is in nobody's way.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}
