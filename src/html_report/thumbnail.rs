//! Makes thumbnails of image documents whose files are unchanged.

use crate::model::{Content, ContentBlock, Digest, Kind, Place, Row};
use crate::prepare::{ImageLimits, PrepareSettings, Sniffed, prepare, sniff};
use crate::read::Roots;
use crate::store::{Archive, ResultRecord, StoreError};
use rayon::prelude::*;
use std::collections::HashMap;

/// Maximum number of thumbnails.
pub const MAX_THUMBNAILS: usize = 600;
/// JPEG quality of a thumbnail, from 1 to 100.
const QUALITY: u8 = 70;
/// Maximum size of a source file, in bytes.
const MAX_FILE_BYTES: u64 = 40_000_000;
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
pub struct Thumbnails(HashMap<u64, String>);

impl Thumbnails {
    /// Makes thumbnails of the first images of a listing. `settings` control how images are
    /// prepared.
    pub fn make(archive: &Archive, view: (i64, i64), roots: &Roots, settings: &PrepareSettings) -> Result<Self, StoreError> {
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
        let mut settings = settings.clone();
        settings.image.max_edge = edge(images.len());
        settings.image.jpeg_quality = QUALITY;
        // The panic hook silences decoder panics in threads with this name.
        let name = |n| format!("docmill-prepare-{n}");
        let Ok(pool) = rayon::ThreadPoolBuilder::new().thread_name(name).build() else { return Ok(Self::default()) };
        let mut made: Vec<(u64, String)> = pool.install(|| {
            images
                .into_par_iter()
                .filter_map(|(position, path, digest)| {
                    let small_enough = std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE_BYTES);
                    let bytes = if small_enough { std::fs::read(path).ok()? } else { return None };
                    (Digest::of(&bytes) == digest).then_some(())?;
                    Some((position, picture(&bytes, &settings)?))
                })
                .collect()
        });
        let mut room = MAX_BYTES;
        made.retain(|(_, picture)| {
            let fits = picture.len() <= room;
            room -= if fits { picture.len() } else { 0 };
            fits
        });
        Ok(Self(made.into_iter().collect()))
    }

    /// The thumbnail of a row's document. Also counts thumbnails and images.
    pub fn of(&self, row: &Row, (shown, all): &mut (u64, u64)) -> Option<&str> {
        *all += u64::from(is_image(row));
        let picture = self.0.get(&row.index).map(String::as_str);
        *shown += u64::from(picture.is_some());
        picture
    }
}

fn is_image(row: &Row) -> bool {
    row.input.as_ref().is_some_and(|facts| facts.kind == Kind::Image)
}

fn picture(bytes: &[u8], settings: &PrepareSettings) -> Option<String> {
    let Sniffed::Image(format) = sniff(bytes, "") else { return None };
    let prepared = prepare(bytes, Sniffed::Image(format), settings, &ImageLimits::openai()).ok()?;
    let Content(pieces) = prepared.content;
    let Some(ContentBlock::Picture(picture)) = pieces.first() else { return None };
    let base64 = std::str::from_utf8(&picture.base64).ok()?;
    (base64.len() <= MAX_THUMBNAIL_BYTES).then(|| format!("data:{};base64,{base64}", picture.media_type))
}
