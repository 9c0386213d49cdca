//! Vectors that the store has already, for equal texts of any document and run.

use super::RunError;
use crate::job::vector_answer;
use crate::model::{Call, CallKey, CallRecord, CallStatus, Want};
use crate::store::{KnownVector, NewChunk, VectorReader};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// Maximum active chunks of all documents. An active chunk takes about 15 KB.
const CHUNKS: u32 = 16_384;

/// Looks up vectors, and lets equal texts wait for each other.
pub(super) struct KnownVectors {
    room: Semaphore,
    /// A task that looks up holds the reader, so few threads wait for the disk.
    reader: Arc<tokio::sync::Mutex<VectorReader>>,
    embedding: Arc<Mutex<HashMap<CallKey, CancellationToken>>>,
}

/// The turn of a call. Equal calls wait until it is dropped.
pub(super) struct Turn {
    key: CallKey,
    embedding: Arc<Mutex<HashMap<CallKey, CancellationToken>>>,
    /// Whether the call waited for an equal one.
    pub waited: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(done) = self.embedding.lock().remove(&self.key) {
            done.cancel();
        }
    }
}

impl KnownVectors {
    pub fn new(reader: VectorReader) -> Self {
        Self { room: Semaphore::new(CHUNKS as usize), reader: Arc::new(tokio::sync::Mutex::new(reader)), embedding: Arc::default() }
    }

    /// The vectors of those calls that want one, in the order of the calls.
    pub async fn look_up(&self, calls: &[Call], keys: &[CallKey]) -> Result<Vec<Option<KnownVector>>, RunError> {
        let wanted = |call: &Call| matches!(call.want, Want::Vector { .. });
        let of_vectors: Vec<CallKey> = calls.iter().zip(keys).filter(|(call, _)| wanted(call)).map(|(_, key)| *key).collect();
        if of_vectors.is_empty() {
            return Ok(vec![None; keys.len()]);
        }
        let reader = Arc::clone(&self.reader).lock_owned().await;
        let found = spawn_blocking(move || reader.get(&of_vectors)).await;
        let mut found = found.map_err(|e| RunError::Internal(format!("looking up vectors ended unexpectedly: {e}")))??.into_iter();
        Ok(calls.iter().map(|call| if wanted(call) { found.next().flatten() } else { None }).collect())
    }

    /// Waits until there is room for the chunks of a document. A longer document waits until it is the
    /// only one.
    pub async fn room(&self, calls: &[Call]) -> Result<SemaphorePermit<'_>, RunError> {
        let chunks = calls.iter().filter(|call| matches!(call.want, Want::Vector { .. })).count();
        let room = self.room.acquire_many(u32::try_from(chunks).unwrap_or(CHUNKS).min(CHUNKS)).await;
        room.map_err(|closed| RunError::Internal(closed.to_string()))
    }

    /// Waits until no equal text is being embedded.
    pub async fn turn(&self, key: CallKey) -> Turn {
        let mut waited = false;
        loop {
            let before = {
                let mut embedding = self.embedding.lock();
                match embedding.get(&key) {
                    Some(before) => before.clone(),
                    None => {
                        embedding.insert(key, CancellationToken::new());
                        return Turn { key, embedding: Arc::clone(&self.embedding), waited };
                    }
                }
            };
            before.cancelled().await;
            waited = true;
        }
    }
}

/// The record of a call whose vector is known. It costs nothing.
pub(super) fn shared(known: KnownVector, record: CallRecord) -> CallRecord {
    let KnownVector { payer, model, dimensions } = known;
    CallRecord { status: CallStatus::Ok, answer: Some(vector_answer(dimensions)), model: Some(model), shared_from: Some(payer), ..record }
}

/// The chunk of a call that has a vector.
pub(super) fn chunk(call: &Call, key: CallKey, record: &CallRecord) -> Option<NewChunk> {
    match call.want {
        Want::Vector { page, .. } if record.status == CallStatus::Ok => {
            Some(NewChunk { task: call.task.to_string(), part: call.place.map_or(1, |(part, _)| part), page, key })
        }
        _ => None,
    }
}
