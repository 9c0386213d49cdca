//! The frozen shards of a run.

use super::manifest::{Manifest, PART};
use super::names;
use super::storage::{Storage, StorageError};
use crate::model::JobColumns;
use serde::{Deserialize, Serialize};

/// What a document costs beside its bytes, in bytes, so that shards of small files do not have too
/// many of them.
const PER_DOCUMENT: u64 = 16 << 10;
/// Largest number of shards. Each needs some requests to the storage.
pub const MOST_SHARDS: u32 = 10_000;

/// The plan of the shards. Every attempt must have the same recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Identity of the run.
    pub run: String,
    /// Version of docmill that made the plan.
    pub docmill: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// A hash of everything except the documents that decides about a row: jobs, model, preparation.
    pub recipe: String,
    /// Names and columns of the jobs, for the merge.
    pub jobs: Vec<JobColumns>,
    /// The shards in order.
    pub shards: Vec<ShardRange>,
}

/// A contiguous range of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRange {
    /// Position of the first document.
    pub from: u64,
    /// Position after the last document.
    pub to: u64,
    /// Sum of the sizes of its documents.
    pub bytes: u64,
}

impl ShardRange {
    /// Number of documents.
    pub fn documents(self) -> u64 {
        self.to - self.from
    }
}

impl ShardPlan {
    /// The plan of a shared run; `None` if there is none yet.
    pub async fn read(storage: &impl Storage) -> Result<Option<Self>, StorageError> {
        let Some(content) = storage.get(names::PLAN).await? else { return Ok(None) };
        serde_json::from_slice(&content).map(Some).map_err(|why| StorageError::new(names::PLAN, why))
    }

    /// Cuts the manifest into `shards` contiguous ranges of about equal work.
    pub async fn cut(storage: &impl Storage, manifest: &Manifest, shards: u32) -> Result<Vec<ShardRange>, StorageError> {
        let total = u128::from(manifest.bytes) + u128::from(manifest.documents) * u128::from(PER_DOCUMENT);
        let shards = u64::from(shards.clamp(1, MOST_SHARDS)).min(manifest.documents.max(1));
        let (mut ranges, mut range, mut passed) = (Vec::new(), ShardRange { from: 0, to: 0, bytes: 0 }, 0_u128);
        for part in 0..manifest.documents.div_ceil(PART) {
            for document in Manifest::part(storage, part).await? {
                range.to += 1;
                range.bytes += document.size();
                passed += u128::from(document.size() + PER_DOCUMENT);
                let (made, left) = (ranges.len() as u64 + 1, manifest.documents - range.to);
                // Every shard has a document.
                let is_full = passed * u128::from(shards) >= total * u128::from(made) || left == shards - made;
                if is_full && made < shards {
                    ranges.push(range);
                    range = ShardRange { from: range.to, to: range.to, bytes: 0 };
                }
            }
        }
        ranges.push(range);
        Ok(ranges)
    }

    /// Records the plan. An existing one must be equal, apart from its identity.
    pub async fn record(self, storage: &impl Storage) -> Result<Self, StorageError> {
        let text = serde_json::to_vec_pretty(&self).map_err(|why| StorageError::new(names::PLAN, why))?;
        storage.create(names::PLAN, text.into()).await?;
        let there = Self::read(storage).await?.ok_or_else(|| StorageError::new(names::PLAN, "the plan has disappeared"))?;
        if (Self { run: there.run.clone(), ..self }) == there {
            return Ok(there);
        }
        Err(StorageError::new(names::PLAN, "another plan exists, with other documents, settings or shards. Plan in another place"))
    }
}
