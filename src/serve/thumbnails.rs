//! Small pictures of image documents, for the page.

use super::problem::Problem;
use crate::engine::pictures;
use crate::model::{Digest, Place};
use crate::prepare::PrepareSettings;
use crate::setup::{Environment, SettingsSource, local_inputs};
use crate::store::Archive;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::pin::pin;
use tokio::sync::Semaphore;

/// Longest side in pixels.
const EDGE: u32 = 240;
/// JPEG quality, from 1 to 100.
const QUALITY: u8 = 75;
/// CPU time for one picture, in seconds.
const SECONDS: u64 = 10;
/// Pictures made at a time.
const AT_A_TIME: usize = 2;
/// Bytes of the pictures that are kept.
const KEPT_BYTES: usize = 16_000_000;

/// A small picture.
#[derive(Debug, Clone)]
pub struct Thumbnail {
    /// Such as `image/jpeg`.
    pub media_type: &'static str,
    /// The encoded file.
    pub bytes: Bytes,
}

/// Makes small pictures, and keeps the latest ones.
#[derive(Debug)]
pub struct ThumbnailMaker {
    permits: Semaphore,
    kept: Mutex<Kept>,
}

/// Pictures by the digest of their documents.
#[derive(Debug, Default)]
struct Kept {
    by_digest: HashMap<Digest, Thumbnail>,
    oldest_first: VecDeque<Digest>,
    bytes: usize,
}

impl Default for ThumbnailMaker {
    fn default() -> Self {
        Self { permits: Semaphore::new(AT_A_TIME), kept: Mutex::default() }
    }
}

impl Kept {
    fn add(&mut self, digest: Digest, thumbnail: Thumbnail, most: usize) {
        self.bytes += thumbnail.bytes.len();
        if let Some(replaced) = self.by_digest.insert(digest, thumbnail) {
            self.bytes -= replaced.bytes.len();
        } else {
            self.oldest_first.push_back(digest);
        }
        while self.bytes > most {
            let Some(oldest) = self.oldest_first.pop_front() else { break };
            self.bytes -= self.by_digest.remove(&oldest).map_or(0, |thumbnail| thumbnail.bytes.len());
        }
    }
}

/// An image document.
#[derive(Debug)]
pub struct ImageDocument {
    file: PathBuf,
    digest: Digest,
    /// The settings that prepare it.
    settings: PrepareSettings,
}

impl ImageDocument {
    /// The document of a run by its index; `None` if it is not a file. Blocks.
    pub fn find(directory: &Path, index: u64, environment: &Environment, source: &SettingsSource) -> Result<Option<Self>, Problem> {
        let Some(archive) = Archive::open(directory)? else { return Ok(None) };
        let Some(view) = archive.view(None, true)? else { return Ok(None) };
        let runs = archive.runs()?;
        let run = runs.iter().find(|run| run.id == view.run);
        let Some((name, digest)) = archive.document_at(view.listing, index)? else { return Ok(None) };
        let roots = run.and_then(|run| local_inputs(run, environment, directory));
        let Some(Place::File(file)) = roots.and_then(|roots| roots.locate(&name)) else { return Ok(None) };
        let (_, settings) = source.load(environment)?;
        let mut settings = settings.prepare;
        settings.image.max_edge = EDGE;
        settings.image.jpeg_quality = QUALITY;
        settings.document_s = settings.document_s.min(SECONDS);
        Ok(Some(Self { file, digest, settings }))
    }
}

impl ThumbnailMaker {
    /// The small picture of a document; `None` if it is not an image.
    pub async fn make(&self, document: ImageDocument) -> Result<Option<Thumbnail>, Problem> {
        let ImageDocument { file, digest, settings } = document;
        let _permit = self.permits.acquire().await.map_err(Problem::internal)?;
        let kept = self.kept.lock().by_digest.get(&digest).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        let Some((_, picture)) = pin!(pictures(vec![(0, file, Some(digest))], settings)).next().await else { return Ok(None) };
        let bytes = STANDARD.decode(&picture.base64).map_err(Problem::internal)?;
        let thumbnail = Thumbnail { media_type: picture.media_type, bytes: bytes.into() };
        self.kept.lock().add(digest, thumbnail.clone(), KEPT_BYTES);
        Ok(Some(thumbnail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pictures_go_first() {
        let mut kept = Kept::default();
        let picture = || Thumbnail { media_type: "image/jpeg", bytes: Bytes::from_static(&[0; 4]) };
        for n in [1, 2, 2, 3] {
            kept.add(Digest([n; 32]), picture(), 8);
        }
        assert_eq!((kept.bytes, kept.oldest_first.len()), (8, 2));
        assert!(!kept.by_digest.contains_key(&Digest([1; 32])) && kept.by_digest.contains_key(&Digest([3; 32])));
        kept.add(Digest([4; 32]), Thumbnail { bytes: Bytes::from_static(&[0; 9]), ..picture() }, 8);
        assert!(kept.bytes == 0 && kept.by_digest.is_empty());
    }
}
