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

    /// The writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Returns the writer, and the size and digest of the written bytes.
    pub fn finish(self) -> (W, u64, Digest) {
        (self.inner, self.size, Digest(*self.hasher.finalize().as_bytes()))
    }
}

impl Hashed<io::Sink> {
    /// Size and digest of the rest of a file.
    pub fn file(mut file: impl io::Read) -> io::Result<(u64, Digest)> {
        let mut hashed = Self::new(io::sink());
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => hashed.write_all(&buffer[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let (_, size, digest) = hashed.finish();
        Ok((size, digest))
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
