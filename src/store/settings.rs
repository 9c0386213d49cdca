//! The `[store]` section.

use serde::Deserialize;

/// `[store]`: how answers and rows get to the disk.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Answers and rows waiting for the disk at the most.
    pub queue: usize,
    /// Answers and rows in one transaction at the most.
    pub group: usize,
    /// Milliseconds that a transaction waits for company.
    pub linger_ms: u64,
}
