//! Estimates the memory to decode a document, for a memory budget.
//!
//! Only headers are read. The estimate is an upper bound for valid files. It is 0 for files with
//! broken headers, because they fail before they allocate. A hostile header may declare more than
//! any budget, so callers clamp the estimate.

use super::{Sniffed, decode, fenced, frames, jpeg};
use image::{ColorType, ImageDecoder, ImageFormat};

/// Longest side of pictures sent to any model, in pixels.
const LARGEST_TARGET: u64 = 2576;
/// Copies of a text: raw bytes, decoded text and cleaned text.
const TEXT_COPIES: usize = 3;

/// Peak memory in bytes to prepare a document, without the file itself.
///
/// For a text, this is three times its size.
pub fn peak_memory(bytes: &[u8], sniffed: Sniffed) -> usize {
    match sniffed {
        Sniffed::Text => bytes.len().saturating_mul(TEXT_COPIES),
        // The reader runs in a separate process with its own limit, so only its text counts.
        Sniffed::Document(_) => bytes.len(),
        Sniffed::Unsupported(_) => 0,
        // A decoder may also panic on a header. `prepare` reports the panic.
        Sniffed::Image(format) => fenced(|| Ok(image_peak(bytes, format).unwrap_or(0))).unwrap_or(0),
    }
}

fn image_peak(bytes: &[u8], format: ImageFormat) -> Option<usize> {
    let header = match format {
        ImageFormat::Jpeg => jpeg_header(bytes),
        ImageFormat::Png => png_header(bytes),
        _ => any_header(bytes, format),
    }?;
    let pixels = header.width.saturating_mul(header.height);
    let target = header.width.min(LARGEST_TARGET) * header.height.min(LARGEST_TARGET);
    // Lanczos resizes rows first and columns second.
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
    /// Bytes held at the same time for each source pixel.
    bytes_per_pixel: u64,
    sent_channels: u64,
    copied_file: u64,
}

/// Reads a JPEG header without copying the file.
///
/// The general decoder would copy it.
fn jpeg_header(bytes: &[u8]) -> Option<Header> {
    let frame = jpeg::frame(bytes)?;
    let channels = if frame.components == 1 { 1 } else { 3 };
    // Progressive files are first collected as 16-bit coefficients.
    let coefficients = if frame.progressive { 2 * u64::from(frame.components) } else { 0 };
    Some(Header {
        width: frame.width.into(),
        height: frame.height.into(),
        bytes_per_pixel: channels + coefficients,
        sent_channels: channels,
        copied_file: bytes.len() as u64,
    })
}

/// Reads a PNG header without decompressing anything.
///
/// The general decoder would decompress the colour profile, whose size no header limits.
fn png_header(bytes: &[u8]) -> Option<Header> {
    const GREY: u8 = 0;
    const GREY_ALPHA: u8 = 4;
    const WITH_ALPHA: [u8; 2] = [4, 6];
    let mut chunks = frames::png_chunks(bytes);
    let (_, header) = chunks.next().filter(|(name, _)| name == b"IHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    let [depth, colour, ..] = *rest else { return None };
    let is_grey = [GREY, GREY_ALPHA].contains(&colour);
    let is_transparent = WITH_ALPHA.contains(&colour) || chunks.take_while(|(name, _)| name != b"IDAT").any(|(name, _)| &name == b"tRNS");
    let channels = if is_grey { 1 } else { 3 };
    let wide = if depth == 16 { 2 } else { 1 };
    let flattened = if is_transparent || wide > 1 { channels } else { 0 };
    Some(Header {
        width: u32::from_be_bytes(*width).into(),
        height: u32::from_be_bytes(*height).into(),
        bytes_per_pixel: (channels + u64::from(is_transparent)) * wide + flattened,
        sent_channels: channels,
        copied_file: 0,
    })
}

fn any_header(bytes: &[u8], format: ImageFormat) -> Option<Header> {
    let decoder = decode::decoder(bytes, format, u32::MAX).ok()?;
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let channels = if colour.has_color() { 3 } else { 1 };
    let flattened = if matches!(colour, ColorType::Rgb8 | ColorType::L8) { 0 } else { channels };
    // The decoders of TIFF and WebP fill a buffer before ours.
    let buffers = if matches!(format, ImageFormat::Tiff | ImageFormat::WebP) { 2 } else { 1 };
    Some(Header {
        width: width.into(),
        height: height.into(),
        bytes_per_pixel: u64::from(colour.bytes_per_pixel()) * buffers + flattened,
        sent_channels: channels,
        copied_file: 0,
    })
}
