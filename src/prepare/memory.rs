//! What decoding a document will take, so that the caller can keep a memory budget.
//!
//! Reads headers only. It is an estimate from above for sound files, 0 for files with broken headers, which fail
//! before they allocate. A hostile header may announce more than any budget: callers clamp.

use super::{Sniffed, decode, fenced, jpeg};
use image::{ColorType, ImageDecoder, ImageFormat};

/// No picture is sent larger than this, whatever the model.
const LARGEST_TARGET: u64 = 2576;
/// Raw bytes, decoded text, cleaned text.
const TEXT_COPIES: usize = 3;

/// Bytes that preparing this document takes at its peak, beside the file itself; for a text, three times its size.
pub fn peak_memory(bytes: &[u8], sniffed: Sniffed) -> usize {
    match sniffed {
        Sniffed::Text => bytes.len().saturating_mul(TEXT_COPIES),
        // The reader has a process of its own, with a limit of its own; its text counts here.
        Sniffed::Document(_) => bytes.len(),
        Sniffed::Unsupported(_) => 0,
        // A decoder may panic on a header as well as on pixels; `prepare` will report it.
        Sniffed::Image(format) => fenced(|| Ok(image_peak(bytes, format).unwrap_or(0))).unwrap_or(0),
    }
}

fn image_peak(bytes: &[u8], format: ImageFormat) -> Option<usize> {
    let header = if format == ImageFormat::Jpeg { jpeg_header(bytes) } else { any_header(bytes, format) }?;
    let pixels = header.width.saturating_mul(header.height);
    let target = header.width.min(LARGEST_TARGET) * header.height.min(LARGEST_TARGET);
    // Lanczos first resizes the rows, then the columns.
    let rows_resized = header.width.min(LARGEST_TARGET).saturating_mul(header.height);
    let total = pixels
        .saturating_mul(header.bytes_per_pixel)
        .saturating_add(rows_resized.saturating_add(target).saturating_mul(header.sent_channels))
        .saturating_add(header.copied_file);
    usize::try_from(total).ok()
}

struct Header {
    width: u64,
    height: u64,
    /// Everything that is held for each pixel of the source at the same time.
    bytes_per_pixel: u64,
    sent_channels: u64,
    copied_file: u64,
}

/// The general decoder would copy the whole file only to look at the header.
fn jpeg_header(bytes: &[u8]) -> Option<Header> {
    let frame = jpeg::frame(bytes)?;
    let channels = if frame.components == 1 { 1 } else { 3 };
    // Progressive files are collected as 16-bit coefficients first.
    let coefficients = if frame.progressive { 2 * u64::from(frame.components) } else { 0 };
    Some(Header {
        width: frame.width.into(),
        height: frame.height.into(),
        bytes_per_pixel: channels + coefficients,
        sent_channels: channels,
        copied_file: bytes.len() as u64,
    })
}

fn any_header(bytes: &[u8], format: ImageFormat) -> Option<Header> {
    let decoder = decode::decoder(bytes, format, u32::MAX).ok()?;
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let channels = if colour.has_color() { 3 } else { 1 };
    let flattened = if matches!(colour, ColorType::Rgb8 | ColorType::L8) { 0 } else { channels };
    // TIFF and WebP fill a buffer of their own before ours.
    let buffers = if matches!(format, ImageFormat::Tiff | ImageFormat::WebP) { 2 } else { 1 };
    Some(Header {
        width: width.into(),
        height: height.into(),
        bytes_per_pixel: u64::from(colour.bytes_per_pixel()) * buffers + flattened,
        sent_channels: channels,
        copied_file: 0,
    })
}
