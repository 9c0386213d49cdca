//! Prepares images: decodes, rotates, shrinks and encodes them.
//!
//! A suitable image is sent unchanged after a complete decoding. So docmill finds damage before the
//! provider does. Other images are sent as JPEG in sRGB. The media type matches the bytes.

use super::decode::Source;
use super::flatten::{flattened, is_opaque};
use super::image_kind::ImageKind;
use super::pages::picture;
use super::{ImageLimits, ImageSettings, PageImage, encode, frames};
use crate::model::{Content, ContentBlock, Facts, Failure, Kind, Picture, Prepared};
use image::metadata::Orientation;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An image as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentImage {
    facts: Facts,
    /// The JPEG to send. `None` if the file is sent unchanged.
    jpeg: Option<PageImage>,
}

/// Decodes and encodes one image: the first half of its preparation.
pub(super) fn extract(bytes: &[u8], kind: ImageKind, settings: &ImageSettings, limits: &ImageLimits) -> Result<SentImage, Failure> {
    extracted(bytes, kind, settings, limits, |kind| limits.accepts(kind))
}

/// An image as a page of a document, always JPEG, and what people should know about it.
pub(super) fn page(
    bytes: &[u8],
    kind: ImageKind,
    settings: &ImageSettings,
    limits: &ImageLimits,
) -> Result<(PageImage, Option<String>), Failure> {
    let SentImage { facts, jpeg } = extracted(bytes, kind, settings, limits, |kind| kind == ImageKind::Jpeg)?;
    let size = facts.sent_pixels.unwrap_or_default().into();
    Ok((jpeg.unwrap_or_else(|| PageImage::new(bytes, size)), facts.note))
}

/// `accepts`: whether files of this kind may be sent unchanged.
fn extracted(
    bytes: &[u8],
    kind: ImageKind,
    settings: &ImageSettings,
    limits: &ImageLimits,
    accepts: impl Fn(ImageKind) -> bool,
) -> Result<SentImage, Failure> {
    let limits = limits.with_max_edge(settings.max_edge);
    let mut source = Source::open(bytes, kind, settings.max_pixels_mp)?;
    let size = source.upright_size();
    let sent_size = limits.fit(size.0, size.1);
    let frames = frames::count(bytes, kind);
    let (orientation, premultiplied, source_note) = (source.orientation, source.premultiplied, source.note);
    let sendable = accepts(kind)
        && frames == 1
        && orientation == Orientation::NoTransforms
        && source.plain_colours
        && sent_size == size
        && bytes.len() <= limits.max_encoded_bytes;

    let profile = source.profile.take();
    let image = source.decode(sent_size)?;
    // Transparent images are never sent unchanged. Some providers put them on black, so black text
    // vanishes.
    let jpeg = if sendable && is_opaque(&image) {
        None
    } else {
        let image = encode::fitted(flattened(image, premultiplied), orientation, sent_size)?;
        let image = if let Some(profile) = profile { profile.to_srgb(image) } else { image };
        Some(PageImage::new(&encode::encoded(&image, settings.jpeg_quality, limits.max_encoded_bytes)?, sent_size))
    };

    let facts = Facts {
        kind: Kind::Image,
        bytes: bytes.len() as u64,
        format: kind.name().to_owned(),
        pixels: Some(size.into()),
        sent_pixels: Some(sent_size.into()),
        words: None,
        tokens: limits.tokens(sent_size.0, sent_size.1),
        sent_tokens: None,
        parts: None,
        orders: Vec::new(),
        pages: Vec::new(),
        note: note(kind, frames, source_note),
    };
    Ok(SentImage { facts, jpeg })
}

/// Makes the content block of an image: the second half of its preparation.
pub(super) fn prepare(sent: SentImage, bytes: &[u8], kind: ImageKind, settings: &ImageSettings, limits: &ImageLimits) -> Prepared {
    let SentImage { facts, jpeg } = sent;
    let limits = limits.with_max_edge(settings.max_edge);
    let sent_size = facts.sent_pixels.unwrap_or_default().into();
    let picture = match jpeg {
        Some(jpeg) => picture(jpeg, &limits),
        None => Picture { media_type: kind.media_type(), ..picture(PageImage::new(bytes, sent_size), &limits) },
    };
    Prepared { content: Content(vec![ContentBlock::Picture(Arc::new(picture))]), facts }
}

fn note(kind: ImageKind, frames: u32, of_source: Option<&str>) -> Option<String> {
    let (which, what) = match kind {
        ImageKind::Tiff => ("first", "pages"),
        ImageKind::Heic | ImageKind::Avif => ("main one", "pictures"),
        _ => ("first", "frames"),
    };
    let of_frames = (frames > 1).then(|| format!("{which} of {frames} {what}"));
    let notes: Vec<String> = of_frames.into_iter().chain(of_source.map(str::to_owned)).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}
