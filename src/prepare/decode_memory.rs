//! Estimates the memory to decode a document, for a memory budget.
//!
//! Only headers are read. The estimate is an upper bound for valid files. It is 0 for files with
//! broken headers, because they fail before they allocate. A hostile header may declare more than
//! any budget, so callers clamp the estimate.

use super::image_kind::ImageKind;
use super::{Sniffed, decode, fenced, frames, jpeg, tiff_image};
use image::{ColorType, ImageDecoder};

/// Longest side of pictures sent to any model, in pixels.
const LARGEST_TARGET: u64 = 2576;
/// Bytes of a HEIC or AVIF file that are searched for sizes of pictures.
const HEIF_HEAD: usize = 1 << 18;
/// Bytes of a JPEG XL file that are searched for its size.
const JXL_HEAD: usize = 1 << 16;
/// Copies of a text: raw bytes, decoded text and cleaned text.
const TEXT_COPIES: usize = 3;

/// Peak memory in bytes to prepare a document, without the file itself.
///
/// For a text, this is three times its size.
pub fn peak_memory(bytes: &[u8], sniffed: Sniffed) -> usize {
    match sniffed {
        Sniffed::Text => bytes.len().saturating_mul(TEXT_COPIES),
        // The reader runs in a separate process with its own limit, so only its text counts.
        Sniffed::Document(_) | Sniffed::Group => bytes.len(),
        Sniffed::Unsupported(_) => 0,
        // A decoder may also panic on a header. `prepare` reports the panic.
        Sniffed::Image(kind) => fenced(|| Ok(image_peak(bytes, kind).unwrap_or(0))).unwrap_or(0),
    }
}

fn image_peak(bytes: &[u8], kind: ImageKind) -> Option<usize> {
    let header = match kind {
        ImageKind::Jpeg => jpeg_header(bytes),
        ImageKind::Png => png_header(bytes),
        ImageKind::Heic | ImageKind::Avif => heif_header(bytes),
        ImageKind::JpegXl => jxl_header(bytes),
        ImageKind::Tiff => tiff_header(bytes),
        _ => any_header(bytes, kind),
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
    // CMYK pixels and their RGB exist together.
    let held = if frame.components == 4 { 7 } else { channels };
    // Progressive files are first collected as 16-bit coefficients.
    let coefficients = if frame.progressive { 2 * u64::from(frame.components) } else { 0 };
    Some(Header {
        width: frame.width.into(),
        height: frame.height.into(),
        bytes_per_pixel: held + coefficients,
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

/// Finds the largest size that a HEIC or AVIF file declares, without reading its structure.
fn heif_header(bytes: &[u8]) -> Option<Header> {
    let sizes = bytes[..bytes.len().min(HEIF_HEAD)].windows(16).filter(|box_| box_.starts_with(b"ispe"));
    let side = |box_: &[u8], at: usize| box_.get(at..).and_then(<[u8]>::first_chunk).map(|side| u64::from(u32::from_be_bytes(*side)));
    let largest = sizes.filter_map(|box_| Some((side(box_, 8)?, side(box_, 12)?))).max_by_key(|(width, height)| width * height);
    // Planes of 16 bits twice, RGBA three times: buffer, picture, transparency.
    largest.map(|(width, height)| Header { width, height, bytes_per_pixel: 24, sent_channels: 3, copied_file: bytes.len() as u64 })
}

/// Reads the size of a JPEG XL image, which is behind its signature or in a box.
fn jxl_header(bytes: &[u8]) -> Option<Header> {
    const CODESTREAM: &[u8] = &[0xFF, 0x0A];
    let start = bytes[..bytes.len().min(JXL_HEAD)].windows(2).position(|pair| pair == CODESTREAM)? + 2;
    let head: Vec<u8> = bytes.get(start..)?.iter().copied().chain([0; 16]).take(16).collect();
    let bits = u128::from_le_bytes(*head.first_chunk()?);
    let mut at = 0;
    let mut take = |count: u32| {
        let value = u64::try_from(bits >> at & ((1 << count) - 1)).unwrap_or(u64::MAX);
        at += count;
        value
    };
    let small = take(1) == 1;
    let side = |take: &mut dyn FnMut(u32) -> u64| {
        if small {
            return (take(5) + 1) * 8;
        }
        let selector = take(2);
        take([9, 13, 18, 30][usize::try_from(selector).unwrap_or(0)]) + 1
    };
    let height = side(&mut take);
    let width = match take(3) {
        0 => side(&mut take),
        ratio => {
            let (across, down) = [(1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)][usize::try_from(ratio).ok()? - 1];
            height * across / down
        }
    };
    // Four channels of 32-bit floats, twice, and bytes.
    Some(Header { width, height, bytes_per_pixel: 40, sent_channels: 3, copied_file: bytes.len() as u64 })
}

/// Reads a TIFF header. The samples and the pixels exist together.
fn tiff_header(bytes: &[u8]) -> Option<Header> {
    let header = any_header(bytes, ImageKind::Tiff)?;
    let needed = tiff_image::needed(bytes)?;
    Some(Header {
        bytes_per_pixel: header.bytes_per_pixel.saturating_add(needed.of_pixel),
        copied_file: header.copied_file.saturating_add(needed.of_part),
        ..header
    })
}

fn any_header(bytes: &[u8], kind: ImageKind) -> Option<Header> {
    let decoder = decode::decoder(bytes, kind, u32::MAX).ok()?;
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let channels = if colour.has_color() { 3 } else { 1 };
    let flattened = if matches!(colour, ColorType::Rgb8 | ColorType::L8) { 0 } else { channels };
    // The decoder of WebP fills a buffer before ours.
    let buffers = if kind == ImageKind::WebP { 2 } else { 1 };
    Some(Header {
        width: width.into(),
        height: height.into(),
        bytes_per_pixel: u64::from(colour.bytes_per_pixel()) * buffers + flattened,
        sent_channels: channels,
        copied_file: 0,
    })
}
