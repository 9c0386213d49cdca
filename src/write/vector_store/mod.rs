//! Vector stores of other people: a table of PostgreSQL or a collection of Qdrant.
//!
//! A store becomes equal to the chunks of a task: [`VectorStore::put`] writes chunks that are new or
//! changed, and [`VectorStore::finish`] removes those that vanished. So it may be repeated at any
//! time, also after a kill. Both find changes by a digest that the store keeps beside each vector.

mod qdrant;

pub use qdrant::{QdrantAddress, QdrantCollection, QdrantError};

use super::postgres::{PostgresError, VectorTable};

/// A chunk on its way to a vector store.
#[derive(Debug, Clone)]
pub struct VectorChunk {
    /// Name of the document.
    pub document: String,
    /// Number of the chunk, from 1.
    pub chunk: u32,
    /// The page where it begins.
    pub page: Option<u32>,
    /// Its text.
    pub text: String,
    /// Its numbers.
    pub vector: Vec<f32>,
}

impl VectorChunk {
    /// Digest of the chunk and the model of its vector.
    pub(super) fn digest(&self, model: &str) -> [u8; 16] {
        let mut hash = blake3::Hasher::new();
        hash.update(format!("{} {model} {:?} ", model.len(), self.page).as_bytes()).update(self.text.as_bytes());
        for number in &self.vector {
            hash.update(&number.to_le_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        digest
    }
}

/// Where vectors come from.
#[derive(Debug, Clone)]
pub struct VectorOrigin {
    /// Identity of the run store.
    pub store: String,
    /// The job.
    pub job: String,
    /// Its task.
    pub task: String,
    /// The model.
    pub model: String,
    /// Numbers of each vector.
    pub dimensions: usize,
}

impl VectorOrigin {
    /// Text that differs for each task of each run store.
    pub(super) fn id(&self) -> String {
        format!("{} {}/{}", self.store, self.job, self.task)
    }
}

/// An open vector store.
pub enum VectorStore {
    /// A table of PostgreSQL.
    Table(Box<VectorTable>),
    /// A collection of Qdrant.
    Collection(Box<QdrantCollection>),
}

/// A vector store could not take chunks.
#[derive(Debug, thiserror::Error)]
pub enum VectorStoreError {
    /// From PostgreSQL.
    #[error(transparent)]
    Table(#[from] PostgresError),
    /// From Qdrant.
    #[error(transparent)]
    Collection(#[from] QdrantError),
}

impl VectorStoreError {
    /// Whether the same attempt fails again until somebody changes something.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Table(error) => error.is_permanent,
            Self::Collection(error) => error.is_permanent,
        }
    }
}

impl VectorStore {
    /// Writes the chunks that are new or changed. Returns their number.
    pub async fn put(&mut self, chunks: &[VectorChunk]) -> Result<u64, VectorStoreError> {
        Ok(match self {
            Self::Table(table) => table.put(chunks).await?,
            Self::Collection(collection) => collection.put(chunks).await?,
        })
    }

    /// Removes the chunks that were not put. Returns their number.
    pub async fn finish(self) -> Result<u64, VectorStoreError> {
        Ok(match self {
            Self::Table(table) => table.finish().await?,
            Self::Collection(collection) => collection.finish().await?,
        })
    }

    /// What a user should know of the store.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Table(table) => table.note.as_deref(),
            Self::Collection(_) => None,
        }
    }
}
