//! A member of an archive, before it is written.

use crate::model::Failure;
use std::io::{self, Read, Seek};

/// A file that can be read in any order.
pub(super) trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// Why unpacking ends early.
pub(super) enum Stop {
    /// The other process is gone, or a limit cannot be renewed.
    Gone(io::Error),
    /// The container exceeds a limit.
    Limit(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// Facts about a member of an archive.
pub(super) struct Entry {
    pub name: String,
    pub kind: EntryKind,
    /// Its size as declared.
    pub size: u64,
    /// Its size in the archive, if it is compressed.
    pub packed: Option<u64>,
    /// A number that differs if the content differs, or 0.
    pub version: u64,
    /// Why its content cannot be read.
    pub failure: Option<Failure>,
}

/// The kind of a member of an archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Directory,
    Link,
    Special,
}

/// Reads until the buffer is full or the file ends.
pub(super) fn fill<R: Read + ?Sized>(source: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match source.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
