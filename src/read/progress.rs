//! Progress of blocking reads, by which a hanging file system is noticed.

use std::io::{Read, Result};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counts the steps of work on another thread: files and pieces of files.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// Records a step.
    pub fn step(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// The number of steps so far.
    pub fn steps(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A reader that records each piece as a step.
pub(super) struct Watched<'p, R>(pub R, pub &'p Progress);

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.step();
        Ok(read)
    }
}
