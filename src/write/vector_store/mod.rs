//! Vector stores of other people: a table of PostgreSQL or a collection of Qdrant.
//!
//! A store becomes equal to the chunks of a task: [`VectorStore::put`] writes chunks that are new or
//! changed, and [`VectorStore::finish`] removes those that vanished. So it may be repeated at any
//! time, also after a kill. Both find changes by a digest that the store keeps beside each vector.

mod qdrant;

pub use qdrant::{QdrantAddress, QdrantCollection, QdrantError};

use super::postgres::{PostgresError, VectorTable};
use super::vector_chunk::VectorChunk;

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
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Table(table) => &table.notes,
            Self::Collection(collection) => &collection.notes,
        }
    }
}
