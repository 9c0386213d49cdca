//! Storage that all machines of a run share.

use bytes::Bytes;
use std::fmt;
use std::future::Future;

/// The storage failed, or its content is wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{key}: {why}")]
pub struct StorageError {
    key: String,
    why: String,
}

impl StorageError {
    pub(super) fn new(key: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { key: key.to_string(), why: why.to_string() }
    }
}

/// A storage of objects that are created once.
pub trait Storage: Send + Sync {
    /// Creates an object. Returns `false` if it exists already; its content stays.
    fn create(&self, key: &str, content: Bytes) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// Creates or replaces an object.
    fn replace(&self, key: &str, content: Bytes) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// The content of an object; `None` if it does not exist.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, StorageError>> + Send;

    /// Names of the objects in a directory, sorted.
    fn list(&self, directory: &str) -> impl Future<Output = Result<Vec<String>, StorageError>> + Send;
}
