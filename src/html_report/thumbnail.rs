//! Thumbnails of image documents whose files are unchanged.

use crate::model::{Digest, Kind, Picture, Place, Row};
use crate::prepare::PrepareSettings;
use crate::read::Roots;
use crate::store::{Archive, ResultRecord, StoreError};
use std::collections::HashMap;
use std::path::PathBuf;

/// Maximum number of thumbnails.
pub const MAX_THUMBNAILS: usize = 600;
/// JPEG quality of a thumbnail, from 1 to 100.
const QUALITY: u8 = 70;
/// CPU time for one thumbnail, in seconds.
const SECONDS: u64 = 10;
/// Maximum size of a thumbnail in base64, in bytes.
const MAX_THUMBNAIL_BYTES: usize = 400_000;
/// Maximum size of all thumbnails in base64, in bytes.
const MAX_BYTES: usize = 24_000_000;

/// Longest side in pixels. Few pictures fill a screen; many stay within some megabytes.
fn edge(pictures: usize) -> u32 {
    match pictures {
        0..=48 => 1280,
        49..=160 => 800,
        _ => 480,
    }
}

/// Thumbnails by index in input order, as `data:` URLs.
#[derive(Debug, Default)]
pub struct Thumbnails {
    urls: HashMap<u64, String>,
    /// Bytes of all thumbnails.
    bytes: usize,
}

impl Thumbnails {
    /// The files of the first images of a listing, each with its index and the digest of its bytes.
    pub fn files(archive: &Archive, view: (i64, i64), roots: &Roots) -> Result<Vec<(u64, PathBuf, Digest)>, StoreError> {
        let mut images = Vec::new();
        archive.results(view, |record: ResultRecord<'_>| -> Result<bool, StoreError> {
            // The substring test is cheap and avoids parsing most rows of texts.
            if record.text.contains("\"kind\":\"image\"")
                && Row::read(0, "", record.text).is_ok_and(|row| is_image(&row))
                && let (Some(digest), Some(Place::File(path))) = (record.digest, roots.locate(record.document))
            {
                images.push((record.position, path, digest));
            }
            Ok(images.len() < MAX_THUMBNAILS)
        })?;
        Ok(images)
    }

    /// The settings that prepare this number of pictures as thumbnails.
    pub fn settings(settings: &PrepareSettings, pictures: usize) -> PrepareSettings {
        let mut settings = settings.clone();
        settings.image.max_edge = edge(pictures);
        settings.image.jpeg_quality = QUALITY;
        settings.document_s = settings.document_s.min(SECONDS);
        settings
    }

    /// Adds the thumbnail of the document at `index`, if there is room for it.
    pub fn add(&mut self, index: u64, picture: &Picture) {
        let base64 = std::str::from_utf8(&picture.base64).ok();
        if let Some(base64) = base64.filter(|base64| base64.len() <= MAX_THUMBNAIL_BYTES.min(MAX_BYTES - self.bytes)) {
            self.bytes += base64.len();
            self.urls.insert(index, format!("data:{};base64,{base64}", picture.media_type));
        }
    }

    /// The thumbnail of a row's document. Also counts thumbnails and images.
    pub fn of(&self, row: &Row, (shown, all): &mut (u64, u64)) -> Option<&str> {
        *all += u64::from(is_image(row));
        let picture = self.urls.get(&row.index).map(String::as_str);
        *shown += u64::from(picture.is_some());
        picture
    }
}

fn is_image(row: &Row) -> bool {
    row.input.as_ref().is_some_and(|facts| facts.kind == Kind::Image)
}
