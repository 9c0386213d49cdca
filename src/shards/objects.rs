//! A prefix of an object store as storage.

use super::storage::{Storage, StorageError};
use crate::remote::{Address, Client};
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::list::PaginatedListOptions;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt as _, PutMode, PutOptions, WriteMultipart};
use std::fmt;
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Size of the parts of large files, in bytes.
const PART: usize = 8 << 20;
/// Maximum number of parts of one file in flight.
const PARTS: usize = 4;
/// Maximum number of tries of a write that meets another one of the same object.
const TRIES: u32 = 5;

/// A prefix of an object store.
#[derive(Debug)]
pub struct Objects {
    address: Address,
    client: Client,
}

impl Objects {
    /// A client for the prefix. Sends nothing.
    pub fn new(address: Address, variables: &[(String, String)]) -> Result<Self, StorageError> {
        let client = Client::new(&address, variables).map_err(|why| StorageError::new(&address.shown, why))?;
        Ok(Self { address, client })
    }

    fn key(&self, key: &str) -> Result<Key, StorageError> {
        self.address.join(key).ok_or_else(|| StorageError::new(&self.address.shown, format!("{key} is not a valid object key")))
    }

    fn error(&self, key: &str, why: &Error) -> StorageError {
        StorageError::new(format!("{}/{key}", self.address.shown), self.client.trouble(why).text())
    }

    /// Sends a file in parts. Parts of an attempt that has died are replaced.
    pub async fn upload(&self, key: &str, file: &Path) -> Result<(), StorageError> {
        let local = |why: std::io::Error| StorageError::new(file.display(), why);
        let error = |why: Error| self.error(key, &why);
        let mut from = File::open(file).await.map_err(local)?;
        let upload = self.client.store().put_multipart(&self.key(key)?).await.map_err(error)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut piece = vec![0; 1 << 16];
        loop {
            match from.read(&mut piece).await.map_err(local)? {
                0 => break,
                n => {
                    parts.wait_for_capacity(PARTS).await.map_err(error)?;
                    parts.write(&piece[..n]);
                }
            }
        }
        parts.finish().await.map(drop).map_err(error)
    }

    /// Writes an object to a file.
    pub async fn download(&self, key: &str, file: &Path) -> Result<(), StorageError> {
        let local = |why: std::io::Error| StorageError::new(file.display(), why);
        let error = |why: Error| self.error(key, &why);
        let mut to = File::create(file).await.map_err(local)?;
        let mut pieces = self.client.store().get(&self.key(key)?).await.map_err(error)?.into_stream();
        while let Some(piece) = pieces.next().await {
            to.write_all(&piece.map_err(error)?).await.map_err(local)?;
        }
        to.flush().await.map_err(local)
    }

    /// Removes an object.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        self.client.store().delete(&self.key(key)?).await.map_err(|why| self.error(key, &why))
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address.shown)
    }
}

impl Storage for Objects {
    async fn create(&self, key: &str, content: Bytes) -> Result<bool, StorageError> {
        let at = self.key(key)?;
        for tried in 1.. {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.client.store().put_opts(&at, content.clone().into(), options).await {
                Ok(_) => return Ok(true),
                Err(Error::AlreadyExists { .. }) => return Ok(false),
                // S3 answers 409 if two writes meet. One of them has won afterwards.
                Err(why) if tried < TRIES && why.to_string().contains("ConditionalRequestConflict") => {}
                Err(why) => return Err(self.error(key, &why)),
            }
        }
        Ok(false)
    }

    async fn replace(&self, key: &str, content: Bytes) -> Result<(), StorageError> {
        self.client.store().put(&self.key(key)?, content.into()).await.map(drop).map_err(|why| self.error(key, &why))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        match self.client.store().get(&self.key(key)?).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|why| self.error(key, &why)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(why) => Err(self.error(key, &why)),
        }
    }

    async fn list(&self, directory: &str) -> Result<Vec<String>, StorageError> {
        let prefix = format!("{}/", self.key(directory)?);
        let (mut names, mut page_token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions { page_token, delimiter: Some("/".into()), ..PaginatedListOptions::default() };
            let page = self.client.list(Some(&prefix), options).await.map_err(|why| self.error(directory, &why))?;
            names.extend(page.result.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)));
            page_token = page.page_token;
            if page_token.is_none() {
                names.sort();
                return Ok(names);
            }
        }
    }
}
