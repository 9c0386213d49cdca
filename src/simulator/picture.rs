//! Just enough about images: what the first bytes say they are, and how large.
//!
//! Promises: looks at the first few thousand characters of the base64 text only. Never decodes pixels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Tokens of an image whose size cannot be found cheaply.
pub(super) const FLAT_TOKENS: u64 = 1500;

/// Far enough for the size in a JPEG without large metadata; a multiple of 4.
const HEAD_CHARS: usize = 4096;

/// What the head of an image tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture {
    /// `image/jpeg` and so on.
    pub(super) media_type: &'static str,
    /// Width and height in pixels, if found.
    pub(super) size: Option<(u32, u32)>,
}

/// Reads the head of base64 data. `None`: not base64, or not one of JPEG, PNG, GIF and WebP.
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
        return Some(Picture { media_type: "image/webp", size: None });
    }
    None
}

/// A big-endian number of `length` bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
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
    /// Tokens for square patches with this side, at most `most`.
    pub(super) fn tokens(&self, side: u32, most: u64) -> u64 {
        let Some((width, height)) = self.size else { return FLAT_TOKENS };
        let patches = u64::from(width.div_ceil(side)) * u64::from(height.div_ceil(side));
        patches.clamp(1, most)
    }
}
