//! Prepares images: decodes, rotates, shrinks and encodes them.
//!
//! A suitable image is sent unchanged after a complete decoding. So docmill finds damage before the
//! provider does. Other images are sent as JPEG. The media type matches the bytes.

use super::decode::{self, Source};
use super::{ImageLimits, ImageSettings, encode, frames};
use crate::model::{Content, ContentBlock, Facts, Failure, Kind, Picture, Prepared};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use image::metadata::Orientation;
use std::borrow::Cow;
use std::sync::Arc;

/// Prepares one image.
pub(super) fn prepare(bytes: &[u8], format: ImageFormat, settings: &ImageSettings, limits: &ImageLimits) -> Result<Prepared, Failure> {
    let limits = limits.with_max_edge(settings.max_edge);
    let source = Source::open(bytes, format, settings.max_pixels_mp)?;
    let size = source.upright_size();
    let sent_size = limits.fit(size.0, size.1);
    let frames = frames::count(bytes, format);
    let (orientation, premultiplied) = (source.orientation, source.premultiplied);
    let sendable = limits.accepts(format)
        && frames == 1
        && orientation == Orientation::NoTransforms
        && source.plain_colours
        && sent_size == size
        && bytes.len() <= limits.max_encoded_bytes;

    let image = source.decode(sent_size)?;
    // Transparent images are never sent unchanged. Some providers put them on black, so black text
    // vanishes.
    let (file, sent_format) = if sendable && decode::is_opaque(&image) {
        (Cow::Borrowed(bytes), format)
    } else {
        let image = encode::fitted(decode::flattened(image, premultiplied), orientation, sent_size)?;
        let file = encode::encoded(&image, settings.jpeg_quality, limits.max_encoded_bytes)?;
        (Cow::Owned(file), ImageFormat::Jpeg)
    };

    let facts = Facts {
        kind: Kind::Image,
        bytes: bytes.len() as u64,
        format: decode::name(format).to_owned(),
        pixels: Some(size.into()),
        sent_pixels: Some(sent_size.into()),
        words: None,
        tokens: limits.tokens(sent_size.0, sent_size.1),
        sent_tokens: None,
        parts: None,
        orders: Vec::new(),
        pages: Vec::new(),
        note: frames_note(format, frames),
    };
    let picture = picture(&file, sent_format, sent_size, &limits);
    Ok(Prepared { content: Content(vec![ContentBlock::Picture(Arc::new(picture))]), facts })
}

fn picture(file: &[u8], format: ImageFormat, (width, height): (u32, u32), limits: &ImageLimits) -> Picture {
    Picture {
        media_type: format.to_mime_type(),
        base64: STANDARD.encode(file).into(),
        digest: blake3::hash(file).to_hex().to_string(),
        width,
        height,
        tokens: limits.tokens(width, height),
        most_tokens: limits.most_tokens(width, height),
    }
}

fn frames_note(format: ImageFormat, frames: u32) -> Option<String> {
    let what = if format == ImageFormat::Tiff { "pages" } else { "frames" };
    (frames > 1).then(|| format!("first of {frames} {what}"))
}
