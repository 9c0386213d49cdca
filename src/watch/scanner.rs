//! The state of scans.

use super::writers::Writers;
use crate::read::Walk;
use std::time::{Duration, Instant};

/// The scan in progress, and what the last ones found.
#[derive(Default)]
pub(super) struct Scanner {
    pub walk: Option<Walk>,
    pub begun: Option<Instant>,
    pub took: Duration,
    /// A sum over the names of this scan, and of the last one.
    pub names: u64,
    pub last_names: Option<u64>,
    /// Hashes of the names of remote documents in this scan.
    pub found: Vec<u64>,
    pub writers: Writers,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("begun", &self.begun).finish_non_exhaustive()
    }
}
