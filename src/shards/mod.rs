//! Divides a run into shards, which other engines run on many machines.
//!
//! All machines share one directory or one prefix of an object store: the shared run. The contract
//! has four steps:
//!
//! 1. [`Manifest`] freezes the input: names, sizes and stamps of all documents, in order.
//! 2. [`ShardPlan`] freezes the shards: contiguous ranges of the manifest, and the recipe.
//! 3. An [`Attempt`] claims a shard, and keeps its answers in segments. It commits its part once.
//! 4. A merge reads the committed parts in order.
//!
//! ```text
//! RUN/manifest.json, RUN/manifest/000000.jsonl
//! RUN/plan.json
//! RUN/shards/000007/claim-0001, seg-0001-000001, part-0001, heartbeat, commit
//! RUN/shards/000007/part-0001.JOB
//! ```
//!
//! Promises, which `tests/` checks over a simulated storage with crashes, delays and repetitions:
//!
//! - Every object is created once. Only heartbeats are replaced.
//! - Exactly one attempt commits a shard. Readers trust only what its commit names.
//! - An attempt reads the segments of all earlier attempts before it sends a request. So a lost
//!   machine costs at most its calls in flight and those since its last segment.
//! - An attempt that finds a newer claim stops sending.
//! - A damaged segment is found by the digest at its end, and its answers are asked for again.

mod attempt;
mod commit;
mod directory;
mod index;
mod manifest;
mod names;
mod objects;
mod plan;
mod seal;
mod settings;
mod shared_run;
mod storage;
#[cfg(test)]
mod tests;

pub use attempt::{Attempt, Claim, Heartbeat, committed, heartbeat, segments};
pub use commit::{Bill, Commit, Part};
pub use index::{ShardChoice, ShardError};
pub use manifest::{Listed, Manifest, ManifestWriter};
pub use plan::{MOST_SHARDS, ShardPlan, ShardRange};
pub use seal::{seal, unseal};
pub use settings::ShardSettings;
pub use shared_run::SharedRun;
pub use storage::{Storage, StorageError};
