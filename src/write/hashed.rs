//! A writer that knows what it has written.

use crate::model::Digest;
use std::io::{self, Write};

/// Passes bytes on, counts and hashes them.
#[derive(Debug)]
pub struct Hashed<W> {
    inner: W,
    hasher: blake3::Hasher,
    size: u64,
}

impl<W: Write> Hashed<W> {
    /// Nothing written yet.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), size: 0 }
    }

    /// The writer, and size and digest of what went to it.
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
