//! The `[store]` section.

use serde::Deserialize;

/// `[store]`: how answers and rows are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Maximum number of answers and rows that wait to be written.
    pub queue: usize,
    /// Maximum number of answers and rows in one transaction.
    pub group: usize,
    /// Milliseconds that a transaction waits for more records.
    pub linger_ms: u64,
}
