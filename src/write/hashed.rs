//! A writer that counts and hashes its bytes.

use crate::model::Digest;
use std::io::{self, Write};

/// Passes bytes on, and counts and hashes them.
#[derive(Debug)]
pub struct Hashed<W> {
    inner: W,
    hasher: blake3::Hasher,
    size: u64,
}

impl<W: Write> Hashed<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), size: 0 }
    }

    /// Returns the writer, and the size and digest of the written bytes.
    pub fn finish(self) -> (W, u64, Digest) {
        (self.inner, self.size, Digest(*self.hasher.finalize().as_bytes()))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
