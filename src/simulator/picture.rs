//! Reads format and size from the first bytes of images.
//!
//! It reads only the first few thousand characters of the base64 text, and never decodes pixels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Tokens of an image whose size is not found.
pub(super) const FLAT_TOKENS: u64 = 1500;

/// Long enough for the size in a JPEG without large metadata; a multiple of 4.
const HEAD_CHARS: usize = 4096;

/// Format and size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture {
    /// `image/jpeg` and so on.
    pub(super) media_type: &'static str,
    /// Width and height in pixels, if found.
    pub(super) size: Option<(u32, u32)>,
}

/// Reads the head of base64 data. Returns `None` for data that is not base64, or not JPEG, PNG, GIF
/// or WebP.
pub(super) fn look(data: &str) -> Option<Picture> {
    let data = data.as_bytes();
    let mut head = data.get(..HEAD_CHARS).unwrap_or(data);
    if head.len() % 4 != 0 {
        head = &head[..head.len() / 4 * 4]; // a sloppy end: judge what is whole
    }
    let bytes = STANDARD.decode(head).ok()?;
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Some(Picture { media_type: "image/jpeg", size: jpeg_size(&bytes) });
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        let size = number(&bytes, 16, 4).zip(number(&bytes, 20, 4));
        return Some(Picture { media_type: "image/png", size });
    }
    if bytes.starts_with(b"GIF8") {
        let side = |at: usize| Some(u32::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
        return Some(Picture { media_type: "image/gif", size: side(6).zip(side(8)) });
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some(Picture { media_type: "image/webp", size: webp_size(&bytes) });
    }
    None
}

/// A big-endian number of `length` bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// The size of a lossy, lossless or extended WebP file, from its first chunk.
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let little = |at: usize, length: usize| -> Option<u32> {
        let bytes = bytes.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    };
    match bytes.get(12..16)? {
        b"VP8 " => Some((little(26, 2)? & 0x3FFF, little(28, 2)? & 0x3FFF)),
        b"VP8L" => little(21, 4).map(|bits| ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)),
        b"VP8X" => Some((little(24, 3)? + 1, little(27, 3)? + 1)),
        _ => None,
    }
}

/// Follows the segments to the frame header.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        if bytes[at] != 0xFF {
            return None;
        }
        let is_frame = matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
        if is_frame {
            return number(bytes, at + 7, 2).zip(number(bytes, at + 5, 2));
        }
        at += 2 + usize::try_from(number(bytes, at + 2, 2)?).ok()?;
    }
}

impl Picture {
    /// Tokens at one per square patch with this side, at most `most`.
    pub(super) fn tokens(&self, side: u32, most: u64) -> u64 {
        let Some((width, height)) = self.size else { return FLAT_TOKENS };
        let patches = u64::from(width.div_ceil(side)) * u64::from(height.div_ceil(side));
        patches.clamp(1, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat};

    fn size(bytes: &[u8]) -> Option<(u32, u32)> {
        look(&STANDARD.encode(bytes)).unwrap().size
    }

    #[test]
    fn sizes_are_read_from_the_heads_of_all_formats() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
            let mut bytes = std::io::Cursor::new(Vec::new());
            DynamicImage::new_rgb8(300, 17).write_to(&mut bytes, format).unwrap();
            assert_eq!(size(bytes.get_ref()), Some((300, 17)), "{format:?}");
        }
        // Heads as the WebP container specification describes them.
        let lossy = [b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a".as_slice(), &[0x2C, 0x41, 0x11, 0x00]].concat();
        let extended = [b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".as_slice(), &[0x2B, 0x01, 0x00, 0x10, 0x00, 0x00]].concat();
        assert_eq!((size(&lossy), size(&extended)), (Some((300, 17)), Some((300, 17))));
        assert_eq!(size(b"RIFF\0\0\0\0WEBP"), None);
    }
}
