//! The storage of a shared run, by its address.

use super::directory::Directory;
use super::objects::Objects;
use super::storage::{Storage, StorageError};
use crate::remote::{Address, Service};
use bytes::Bytes;
use std::fmt;
use std::path::Path;

/// Number of probes before a storage is refused.
const PROBES: usize = 3;

/// The storage of a shared run: a directory, or a prefix of an object store.
#[derive(Debug)]
pub enum SharedRun {
    /// A directory, also on a network disk.
    Directory(Directory),
    /// A prefix of an object store.
    Objects(Box<Objects>),
}

impl SharedRun {
    /// Opens a path or an address such as `s3://bucket/run7`. Sends nothing. `variables` hold the
    /// credentials.
    pub fn open(place: &str, variables: &[(String, String)]) -> Result<Self, StorageError> {
        let Some(address) = Address::parse(place) else { return Ok(Self::Directory(Directory::new(Path::new(place)))) };
        let address = address.map_err(|why| StorageError::new(place, why))?;
        if address.service == Service::Web {
            return Err(StorageError::new(&address.shown, "a web server cannot hold a run. Name a directory, s3://, gs:// or az://"));
        }
        Objects::new(address, variables).map(|objects| Self::Objects(Box::new(objects)))
    }

    /// Checks that the storage creates an object only once. Some servers ignore that condition, and
    /// two attempts could then commit.
    pub async fn check(&self) -> Result<(), StorageError> {
        for _ in 0..PROBES {
            let key = format!("probe/{:016x}", fastrand::u64(..));
            let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
            self.create(&key, one.clone()).await?;
            let again = self.create(&key, two).await?;
            let there = self.get(&key).await?;
            self.remove(&key).await?;
            // After a lost response, a client may find its own object.
            if !again && there == Some(one) {
                return Ok(());
            }
        }
        Err(StorageError::new(self, "the storage replaces objects that should be created once. Use another storage"))
    }

    /// The plan of the run is there. It must stay there while anything is written.
    pub fn planned(&self) {
        if let Self::Directory(directory) = self {
            directory.planned();
        }
    }

    /// Creates an object from a file, without holding it in memory.
    pub async fn upload(&self, key: &str, file: &Path) -> Result<(), StorageError> {
        match self {
            Self::Directory(directory) => directory.upload(key, file).await,
            Self::Objects(objects) => objects.upload(key, file).await,
        }
    }

    /// Writes an object to a file, without holding it in memory.
    pub async fn download(&self, key: &str, file: &Path) -> Result<(), StorageError> {
        match self {
            Self::Directory(directory) => directory.download(key, file).await,
            Self::Objects(objects) => objects.download(key, file).await,
        }
    }

    async fn remove(&self, key: &str) -> Result<(), StorageError> {
        match self {
            Self::Directory(directory) => directory.remove(key).await,
            Self::Objects(objects) => objects.remove(key).await,
        }
    }
}

impl fmt::Display for SharedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.fmt(f),
            Self::Objects(objects) => objects.fmt(f),
        }
    }
}

impl Storage for SharedRun {
    async fn create(&self, key: &str, content: Bytes) -> Result<bool, StorageError> {
        match self {
            Self::Directory(directory) => directory.create(key, content).await,
            Self::Objects(objects) => objects.create(key, content).await,
        }
    }

    async fn replace(&self, key: &str, content: Bytes) -> Result<(), StorageError> {
        match self {
            Self::Directory(directory) => directory.replace(key, content).await,
            Self::Objects(objects) => objects.replace(key, content).await,
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        match self {
            Self::Directory(directory) => directory.get(key).await,
            Self::Objects(objects) => objects.get(key).await,
        }
    }

    async fn list(&self, directory: &str) -> Result<Vec<String>, StorageError> {
        match self {
            Self::Directory(storage) => storage.list(directory).await,
            Self::Objects(storage) => storage.list(directory).await,
        }
    }
}
