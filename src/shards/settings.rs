//! The `[shards]` section.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[shards]`: how an attempt at a shard keeps its answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSettings {
    /// Local directory of attempts; empty: below the system's directory for temporary files.
    pub scratch: String,
    /// Seconds between segments.
    pub save_s: u64,
    /// Number of new answers after which a segment is saved earlier.
    pub save_answers: u64,
    /// Seconds between checks for a newer claim, and between heartbeats.
    pub fence_s: u64,
}

impl ShardSettings {
    /// The local directory of the attempts at a shard of run `run`.
    pub fn directory(&self, run: &str, shard: u32) -> PathBuf {
        let scratch = if self.scratch.is_empty() { std::env::temp_dir().join("docmill") } else { Path::new(&self.scratch).to_owned() };
        scratch.join(run).join(format!("{shard:06}"))
    }

    /// Time between segments.
    pub fn save(&self) -> Duration {
        Duration::from_secs(self.save_s)
    }

    /// Time between checks for a newer claim.
    pub fn fence(&self) -> Duration {
        Duration::from_secs(self.fence_s)
    }
}
