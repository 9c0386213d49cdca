//! The frozen input of a run: names, sizes and stamps of all documents, in order.

use super::names;
use super::storage::{Storage, StorageError};
use crate::model::{Digest, Stamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Number of documents in a part. A shard reads only the parts of its own range.
pub(super) const PART: u64 = 10_000;

/// A document of the manifest. Its position is its place in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Name in results.
    pub name: String,
    /// Size, time of modification and of change, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<[i64; 3]>,
}

impl Listed {
    /// A document with its stamp.
    pub fn new(name: String, stamp: Option<Stamp>) -> Self {
        let stamp = stamp.map(|stamp| [i64::try_from(stamp.size).unwrap_or(i64::MAX), stamp.modified_ns, stamp.changed_ns]);
        Self { name, stamp }
    }

    /// The stamp, if it is known.
    pub fn stamp(&self) -> Option<Stamp> {
        let [size, modified_ns, changed_ns] = self.stamp?;
        Some(Stamp { size: size.unsigned_abs(), modified_ns, changed_ns })
    }

    /// Size in bytes; 0 if it is unknown.
    pub fn size(&self) -> u64 {
        self.stamp.map_or(0, |[size, ..]| size.unsigned_abs())
    }
}

/// A complete manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Number of documents.
    pub documents: u64,
    /// Sum of their sizes.
    pub bytes: u64,
    /// Digest of all parts.
    pub digest: String,
    /// Version of docmill.
    pub docmill: String,
}

impl Manifest {
    /// The manifest of a shared run; `None` if it is not complete.
    pub async fn read(storage: &impl Storage) -> Result<Option<Self>, StorageError> {
        let Some(content) = storage.get(names::MANIFEST).await? else { return Ok(None) };
        serde_json::from_slice(&content).map(Some).map_err(|why| StorageError::new(names::MANIFEST, why))
    }

    /// The documents of part `number`.
    pub async fn part(storage: &impl Storage, number: u64) -> Result<Vec<Listed>, StorageError> {
        let key = names::manifest_part(number);
        let content = storage.get(&key).await?.ok_or_else(|| StorageError::new(&key, "this part of the manifest is missing"))?;
        let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(|why| StorageError::new(&key, why))
    }

    /// The documents of a range.
    pub async fn range(&self, storage: &impl Storage, from: u64, to: u64) -> Result<Vec<Listed>, StorageError> {
        let mut listed = Vec::new();
        for part in from / PART..to.div_ceil(PART) {
            let start = part * PART;
            let documents = Self::part(storage, part).await?.into_iter().zip(start..);
            listed.extend(documents.filter(|(_, position)| (from..to).contains(position)).map(|(document, _)| document));
        }
        if listed.len() as u64 == to.saturating_sub(from) {
            return Ok(listed);
        }
        Err(StorageError::new(names::MANIFEST, format!("the manifest has {} documents from {from} to {to}", listed.len())))
    }
}

/// Writes a manifest, part by part.
#[derive(Debug)]
pub struct ManifestWriter<'s, S> {
    storage: &'s S,
    part: Vec<u8>,
    in_part: u64,
    parts: u64,
    documents: u64,
    bytes: u64,
    hash: blake3::Hasher,
}

impl<'s, S: Storage> ManifestWriter<'s, S> {
    /// Begins a manifest.
    pub fn new(storage: &'s S) -> Self {
        Self { storage, part: Vec::new(), in_part: 0, parts: 0, documents: 0, bytes: 0, hash: blake3::Hasher::new() }
    }

    /// Adds the next document.
    pub async fn push(&mut self, document: &Listed) -> Result<(), StorageError> {
        serde_json::to_writer(&mut self.part, document).map_err(|why| StorageError::new(&document.name, why))?;
        self.part.push(b'\n');
        self.documents += 1;
        self.in_part += 1;
        self.bytes = self.bytes.saturating_add(document.size());
        if self.in_part == PART { self.end_part().await } else { Ok(()) }
    }

    async fn end_part(&mut self) -> Result<(), StorageError> {
        let (content, key) = (Bytes::from(std::mem::take(&mut self.part)), names::manifest_part(self.parts));
        self.hash.update(&content);
        (self.in_part, self.parts) = (0, self.parts + 1);
        // An interrupted listing leaves parts without a manifest, which are written again.
        self.storage.replace(&key, content).await
    }

    /// Completes the manifest. An existing one must be equal.
    pub async fn finish(mut self) -> Result<Manifest, StorageError> {
        if self.in_part > 0 {
            self.end_part().await?;
        }
        let manifest = Manifest {
            documents: self.documents,
            bytes: self.bytes,
            digest: Digest(*self.hash.finalize().as_bytes()).to_string(),
            docmill: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|why| StorageError::new(names::MANIFEST, why))?;
        self.storage.create(names::MANIFEST, text.into()).await?;
        let there = Manifest::read(self.storage).await?;
        if there.as_ref() == Some(&manifest) { Ok(manifest) } else { Err(StorageError::new(names::MANIFEST, "another manifest exists")) }
    }
}
