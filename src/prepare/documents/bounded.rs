//! A file in memory of which no more than so many bytes can be read.
//!
//! What a file is gets decided in the main process, out of reach of the limits for documents. Directories of archives and
//! compound files may be as long as the file, and are taken into memory entry by entry: they end here before they cost anything.

use std::io::{Cursor, Error, Read, Result, Seek, SeekFrom};

/// Directories of honest files are far smaller: a hundred bytes for each entry.
const ALWAYS: usize = 1 << 20;

/// A file, and what may still be read of it.
#[derive(Debug, Clone)]
pub(super) struct Bounded<'a> {
    file: Cursor<&'a [u8]>,
    left: usize,
}

impl<'a> Bounded<'a> {
    /// A mebibyte may be read, and that part of the file.
    pub fn new(bytes: &'a [u8], part: usize) -> Self {
        Self { file: Cursor::new(bytes), left: ALWAYS + part }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self.left.checked_sub(read).ok_or_else(|| Error::other("its directory is too long"))?;
        Ok(read)
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.file.seek(to)
    }
}
