//! Reads the structure of JPEG files, and decodes them at reduced size.
//!
//! The general decoder converts CMYK to RGB silently, and fills the missing part of a truncated
//! file with grey. docmill must detect both, because providers misread CMYK, and half a picture
//! must not be sent. The general decoder also decodes at full size, which is most of the work for a
//! photograph.
//!
//! The marker functions never fail and never read outside the file.

use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// The frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub width: u32,
    pub height: u32,
    /// 1 = grey, 3 = colour, 4 = CMYK or YCCK.
    pub components: u8,
    /// Whether the decoder must hold the coefficients of the whole image.
    pub progressive: bool,
    /// Whether a later component has more samples than the first.
    pub first_is_coarser: bool,
}

/// Decodes at 1/2, 1/4 or 1/8 of the size. The result is not smaller than `least`.
///
/// `None` if this decoder finds anything wrong or unusual. The general decoder is more lenient and
/// has better error messages.
pub(super) fn reduced(bytes: &[u8], least: (u32, u32)) -> Option<DynamicImage> {
    let mut decoder = Decoder::new(bytes);
    decoder.scale(least.0.try_into().ok()?, least.1.try_into().ok()?).ok()?;
    let pixels = decoder.decode().ok()?;
    let info = decoder.info()?;
    let (width, height) = (info.width.into(), info.height.into());
    match info.pixel_format {
        PixelFormat::L8 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        PixelFormat::RGB24 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        _ => None,
    }
}

/// The amounts of the four inks of a CMYK or YCCK image, 255 for full ink, with width and height.
///
/// They are read as inverted, as Adobe writes them.
pub(super) fn inks(bytes: &[u8]) -> Option<(Vec<u8>, (u32, u32))> {
    let mut decoder = Decoder::new(bytes);
    let inks = decoder.decode().ok()?;
    let info = decoder.info().filter(|info| info.pixel_format == PixelFormat::CMYK32)?;
    Some((inks, (info.width.into(), info.height.into())))
}

/// The frame header before the pixels.
pub(super) fn frame(bytes: &[u8]) -> Option<Frame> {
    let (marker, header) = segments(bytes).take_while(|(marker, _)| *marker != START_OF_SCAN).find(|(marker, _)| is_frame(*marker))?;
    let [_precision, h1, h0, w1, w0, components, ref specifications @ ..] = *header else { return None };
    let samples = |specification: &[u8; 3]| (specification[1] >> 4) * (specification[1] & 15);
    let (specifications, _) = specifications.as_chunks::<3>();
    let first = specifications.first().map_or(0, samples);
    Some(Frame {
        width: u32::from(u16::from_be_bytes([w1, w0])),
        height: u32::from(u16::from_be_bytes([h1, h0])),
        components,
        progressive: marker & 0b11 == 0b10,
        first_is_coarser: specifications.iter().any(|other| samples(other) > first),
    })
}

/// Memory to decode the largest JPEG image anywhere in these bytes.
///
/// Progressive images are first collected as 16-bit coefficients.
pub(super) fn largest_frame(bytes: &[u8]) -> u64 {
    /// Pixels by which blocks may exceed each side.
    const BEYOND: u64 = 32;
    let side = |high: u8, low: u8| u64::from(u16::from_be_bytes([high, low])) + BEYOND;
    let needed = |at: usize| match *bytes.get(at..at + 10)? {
        [_, marker @ 0xC0..=0xC2, 0, length, _, h1, h0, w1, w0, components] if usize::from(length) == 8 + 3 * usize::from(components) => {
            let of_sample = if marker == 0xC2 { 3 } else { 1 };
            Some(side(h1, h0) * side(w1, w0) * u64::from(components) * of_sample)
        }
        _ => None,
    };
    memchr::memchr_iter(0xFF, bytes).filter_map(needed).max().unwrap_or(0)
}

/// Number of scans of a progressive image; 1 for others. Each may visit all pixels.
pub(super) fn scans(bytes: &[u8]) -> u64 {
    let is_progressive = frame(bytes).is_some_and(|frame| frame.progressive);
    if is_progressive { segments(bytes).filter(|(marker, _)| *marker == START_OF_SCAN).count() as u64 } else { 1 }
}

/// Whether the file reaches its end-of-image marker. Otherwise it is truncated.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    // Nearly every file ends with the marker, or with zeros after it. Others have a trailer (a
    // second picture, maker data) and need the walk through the pixel data.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].ends_with(&[0xFF, END_OF_IMAGE]) || segments(bytes).any(|(marker, _)| marker == END_OF_IMAGE)
}

fn is_frame(marker: u8) -> bool {
    // C4, C8 and CC are in this range but mark tables.
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

/// All markers with their payloads. Pixel data and garbage between segments are skipped.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (marker, after) = next_marker(rest)?;
        let has_payload = !matches!(marker, 0x01 | 0xD0..=0xD9);
        let length = if has_payload { usize::from(u16::from_be_bytes(*after.first_chunk()?)) } else { 0 };
        let segment = after.get(..length)?;
        rest = &after[length..];
        Some((marker, segment.get(2..).unwrap_or_default()))
    })
}

/// The next marker and the bytes after it. Skips stuffed FF00, fill FFFF and restarts FFD0 to FFD7.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let at = bytes.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF | 0xD0..=0xD7))?;
    Some((bytes[at + 1], &bytes[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, an application segment with a thumbnail's end marker, frame, scan, pixel data.
    const HEAD: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xE1, 0, 6, 0xFF, 0xD9, 0xFF, 0xD9, 0xFF, 0xC2, 0, 11, 8, 0x01, 0x02, 0x03, 0x04, 4, 0, 0, 0, 0xFF, 0xDA, 0, 2,
        0x12, 0xFF, 0x00, 0xFF, 0xD0, 0x34,
    ];

    #[test]
    fn the_frame_header_is_found_behind_other_segments() {
        let expected = Frame { width: 0x304, height: 0x102, components: 4, progressive: true, first_is_coarser: false };
        assert_eq!(frame(HEAD), Some(expected));
    }

    #[test]
    fn scans_of_progressive_files_are_counted() {
        assert_eq!(scans(HEAD), 1);
        let scan = [0xFF, 0xDA, 0, 2, 0x12, 0xFF, 0x00];
        assert_eq!(scans(&[HEAD, &scan.repeat(20), &[0xFF, 0xD9]].concat()), 21);
    }

    #[test]
    fn a_thumbnails_end_marker_does_not_make_a_cut_file_complete() {
        assert!(!is_complete(HEAD));
    }

    #[test]
    fn a_file_is_complete_with_its_end_marker_also_before_zeros_or_a_trailer() {
        for tail in [&[0xFF, 0xD9][..], &[0xFF, 0xD9, 0, 0, 0], &[0xFF, 0xD9, b'M', b'P', b'F']] {
            assert!(is_complete(&[HEAD, tail].concat()), "{tail:?}");
        }
    }

    #[test]
    fn no_prefix_and_no_garbage_makes_the_walk_fail() {
        for end in 0..HEAD.len() {
            frame(&HEAD[..end]);
            assert!(!is_complete(&HEAD[..end]) || HEAD[..end].ends_with(&[0xFF, 0xD9]));
        }
        assert_eq!(frame(&[0xFF; 100]), None);
        assert_eq!(frame(&[0xFF, 0xD8, 0xFF, 0xE0, 0, 0]), None);
    }
}
