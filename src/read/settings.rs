//! The `[input]` and `[read]` sections.

use serde::Deserialize;

/// `[input]`: what to look at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSettings {
    /// Files and directories.
    pub paths: Vec<String>,
    /// Patterns of files to take, on the path below the input directory.
    pub include: Vec<String>,
    /// Patterns of files to leave out.
    pub exclude: Vec<String>,
}

/// `[read]`: how to read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSettings {
    /// Files read at the same time.
    pub concurrency: usize,
    /// Files read and waiting for preparation.
    pub queue: usize,
    /// Largest file, in megabytes (10^6 bytes).
    pub max_file_mb: u64,
    /// Bytes of documents in memory, in megabytes (10^6 bytes).
    pub memory_mb: u64,
}
