//! An attempt at a shard: claim, segments, commit.

use super::commit::Commit;
use super::names;
use super::storage::{Storage, StorageError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The result of a claim.
#[derive(Debug)]
pub enum Claim<'s, S> {
    /// Another attempt has committed the shard.
    Committed(Box<Commit>),
    /// The shard belongs to this attempt, until another one claims it.
    Mine(Attempt<'s, S>),
}

/// An attempt at a shard.
#[derive(Debug)]
pub struct Attempt<'s, S> {
    storage: &'s S,
    shard: u32,
    number: u32,
    /// Number of the next segment.
    sequence: u32,
    /// Segments that are part of this attempt's answers and bill: read ones, and its own.
    known: BTreeSet<String>,
}

/// The state of an attempt, for watchers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The attempt.
    pub attempt: u32,
    /// Time of the heartbeat, in milliseconds since 1970.
    pub at_ms: i64,
    /// Time of the last progress.
    pub progress_ms: i64,
    /// Number of documents of the shard.
    pub documents: u64,
    /// Documents with a row.
    pub done: u64,
    /// Documents whose row failed.
    pub failed: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests that no segment contains, in flight or not.
    #[serde(default)]
    pub unsaved: u64,
    /// Requests that were in flight or unsaved when earlier attempts were lost.
    #[serde(default)]
    pub in_doubt: u64,
    /// Cost so far in dollars; `None` if a price is unknown.
    pub usd: Option<f64>,
}

impl<'s, S: Storage> Attempt<'s, S> {
    /// Claims a shard. `who` describes the process, for people.
    ///
    /// A claim fences the attempts before it. If its response is lost, the next try takes another
    /// number, and nothing is harmed.
    pub async fn claim(storage: &'s S, shard: u32, who: &str) -> Result<Claim<'s, S>, StorageError> {
        loop {
            if let Some(commit) = committed(storage, shard).await? {
                return Ok(Claim::Committed(Box::new(commit)));
            }
            let claims = storage.list(&names::shard(shard)).await?;
            let last = claims.iter().filter_map(|name| names::attempt_of_claim(name)).max().unwrap_or(0);
            let number = last + 1;
            if storage.create(&names::claim(shard, number), Bytes::copy_from_slice(who.as_bytes())).await? {
                return Ok(Claim::Mine(Self { storage, shard, number, sequence: 1, known: BTreeSet::new() }));
            }
        }
    }

    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether another attempt has claimed the shard since. This one must then send nothing more.
    pub async fn is_fenced(&self) -> Result<bool, StorageError> {
        Ok(self.storage.get(&names::claim(self.shard, self.number + 1)).await?.is_some())
    }

    /// Segments of other attempts that this one has not taken over yet, in order.
    pub async fn others(&self) -> Result<Vec<String>, StorageError> {
        let mut others = segments(self.storage, self.shard).await?;
        others.retain(|key| !self.known.contains(key));
        Ok(others)
    }

    /// Records that the answers of a segment are here.
    pub fn took_over(&mut self, segment: String) {
        self.known.insert(segment);
    }

    /// Saves answers on the storage.
    pub async fn save(&mut self, answers: Bytes) -> Result<(), StorageError> {
        let key = names::segment(self.shard, self.number, self.sequence);
        // Only this attempt writes the name. If it exists, an earlier response was lost.
        self.storage.create(&key, answers).await?;
        self.sequence += 1;
        self.known.insert(key);
        Ok(())
    }

    /// Key of the rows of a job.
    pub fn part(&self, job: &str) -> String {
        names::part(self.shard, self.number, job)
    }

    /// Replaces the heartbeat of the shard.
    pub async fn beat(&self, heartbeat: &Heartbeat) -> Result<(), StorageError> {
        let key = names::heartbeat(self.shard);
        let text = serde_json::to_vec(heartbeat).map_err(|why| StorageError::new(&key, why))?;
        self.storage.replace(&key, text.into()).await
    }

    /// Commits the shard, whose parts are on the storage. Returns the commit that holds, which may be
    /// that of another attempt.
    pub async fn commit(self, commit: Commit) -> Result<Commit, StorageError> {
        let commit = Commit { attempt: self.number, segments: self.known.into_iter().collect(), ..commit };
        let key = names::commit(self.shard);
        let text = serde_json::to_vec_pretty(&commit).map_err(|why| StorageError::new(&key, why))?;
        if self.storage.create(&key, text.into()).await? {
            return Ok(commit);
        }
        committed(self.storage, self.shard).await?.ok_or_else(|| StorageError::new(&key, "the commit has disappeared"))
    }
}

/// The segments of all attempts at a shard, in order.
pub async fn segments(storage: &impl Storage, shard: u32) -> Result<Vec<String>, StorageError> {
    let directory = names::shard(shard);
    let listed = storage.list(&directory).await?.into_iter().filter(|name| names::is_segment(name));
    Ok(listed.map(|name| format!("{directory}/{name}")).collect())
}

/// The commit of a shard.
pub async fn committed(storage: &impl Storage, shard: u32) -> Result<Option<Commit>, StorageError> {
    let key = names::commit(shard);
    let Some(content) = storage.get(&key).await? else { return Ok(None) };
    serde_json::from_slice(&content).map(Some).map_err(|why| StorageError::new(&key, why))
}

/// The newest heartbeat of a shard.
pub async fn heartbeat(storage: &impl Storage, shard: u32) -> Result<Option<Heartbeat>, StorageError> {
    let key = names::heartbeat(shard);
    let Some(content) = storage.get(&key).await? else { return Ok(None) };
    // A heartbeat is only a hint.
    Ok(serde_json::from_slice(&content).ok())
}
