//! The `[watch]` section.

use serde::Deserialize;
use std::time::Duration;

/// `[watch]`: settings of `docmill watch`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    /// Whether events of the file system are used beside scans.
    pub events: bool,
    /// Seconds between scans.
    pub rescan_s: u64,
    /// Seconds without a change after which a file is ready that was not seen to be closed.
    pub settle_s: u64,
    /// Minimum number of seconds between result files.
    pub publish_s: u64,
    /// Directory to which files with a row are moved; empty: they stay.
    pub done_dir: String,
    /// Directory to which failed files are moved; empty: they stay.
    pub failed_dir: String,
    /// Command that gets each row on standard input; empty: none.
    pub on_result: Vec<String>,
    /// Maximum number of these commands at a time.
    pub on_result_jobs: usize,
    /// Maximum number of seconds for a command.
    pub on_result_s: u64,
    /// How often a failed command is tried, the first time included.
    pub on_result_attempts: u32,
}

/// Maximum number of seconds between scans where events do not work.
const WITHOUT_EVENTS_S: u64 = 10;
/// On network mounts, files must be still for this many times `settle_s`.
const ON_NETWORK: u64 = 6;

impl WatchSettings {
    /// Time between scans. `events` tells whether events work.
    pub(super) fn rescan(&self, events: bool) -> Duration {
        Duration::from_secs(if events { self.rescan_s } else { self.rescan_s.min(WITHOUT_EVENTS_S) })
    }

    /// Time without a change after which a file is ready.
    pub(super) fn settle(&self, is_network: bool) -> Duration {
        Duration::from_secs(self.settle_s * if is_network { ON_NETWORK } else { 1 })
    }

    /// Minimum time between result files.
    pub(super) fn publish(&self) -> Duration {
        Duration::from_secs(self.publish_s)
    }
}
