//! A file in memory with a limit on the bytes to read.
//!
//! Sniffing runs in the main process, without the limits for documents. Libraries load directories
//! of archives and compound files completely, and a directory may be as long as the file. This
//! limit stops them early.

use std::io::{Cursor, Error, Read, Result, Seek, SeekFrom};

/// Bytes that may always be read.
///
/// Real directories take about a hundred bytes for each entry.
const ALWAYS: usize = 1 << 20;

/// A file, and the number of bytes that may still be read.
#[derive(Debug, Clone)]
pub(super) struct Bounded<'a> {
    file: Cursor<&'a [u8]>,
    left: usize,
}

impl<'a> Bounded<'a> {
    /// Limits the reading of `bytes` to a mebibyte plus `part` bytes.
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
