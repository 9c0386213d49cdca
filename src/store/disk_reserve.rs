//! Disk space that is reserved for emergencies.
//!
//! When the disk fills up, paid answers are still in flight. Releasing the reserve makes room for
//! them.

use crate::system::sweep;
use std::io::{self, Write as _};
use std::path::Path;
use tempfile::NamedTempFile;

/// Size in bytes: enough for thousands of answers.
const SIZE: usize = 4 << 20;
/// Prefix of the file name. Hidden files are not documents, even in an input directory.
const PREFIX: &str = ".docmill-reserve-";

/// A file that only occupies space; dropping it deletes the file.
#[derive(Debug)]
pub(super) struct Reserve(NamedTempFile);

impl Reserve {
    /// Creates the reserve in the directory of the store.
    pub fn create(directory: &Path) -> io::Result<Self> {
        // Killed runs leave their reserves behind.
        sweep(directory, PREFIX);
        let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(directory)?;
        // Written in full, because a sparse file reserves no space.
        file.write_all(&vec![0x5a; SIZE])?;
        Ok(Self(file))
    }

    /// Releases the space.
    pub fn release(self) -> io::Result<()> {
        self.0.close()
    }
}
