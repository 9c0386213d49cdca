//! Reads facts about image files that the decoders do not report.
//!
//! These facts are the number of pictures (frames or TIFF pages) and premultiplied colours of a
//! TIFF.
//!
//! Only block headers are read, and no pixels are decoded. In a damaged file, the count covers the
//! part before the damage and is at least 1. The decoder reports the damage.

use super::heif;
use super::image_kind::ImageKind;
use super::jxl;

/// Maximum number of pages to count. This ends a cyclic page list.
const MOST_PAGES: u32 = 10_000;

/// Number of pictures in this file, at least 1.
pub(super) fn count(bytes: &[u8], kind: ImageKind) -> u32 {
    let found = match kind {
        ImageKind::Gif => gif(bytes),
        ImageKind::Png => png(bytes),
        ImageKind::WebP => webp(bytes),
        ImageKind::Tiff => tiff(bytes),
        ImageKind::Heic | ImageKind::Avif => heif::pictures(bytes),
        ImageKind::JpegXl => jxl::frames(bytes),
        ImageKind::Jpeg | ImageKind::Bmp => 1,
    };
    found.max(1)
}

fn gif(bytes: &[u8]) -> u32 {
    const SCREEN: usize = 13;
    let Some(flags) = bytes.get(10) else { return 0 };
    let mut at = SCREEN + colour_table(*flags);
    let mut frames = 0;
    // A frame that breaks off counts too.
    while let Some(first) = bytes.get(at) {
        frames += u32::from(*first == b',');
        let Some(next) = gif_block(bytes, at) else { break };
        at = next;
    }
    frames
}

/// End of the block that starts at `at`.
///
/// `None` at the trailer and outside the file.
fn gif_block(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'!' => gif_data(bytes, at + 2),
        // An image has a descriptor, a colour table, one byte for the code size, and data.
        b',' => gif_data(bytes, at + 10 + colour_table(*bytes.get(at + 9)?) + 1),
        _ => None,
    }
}

/// Skips data blocks up to and including the empty one.
fn gif_data(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// Size in bytes of the colour table declared by these flags.
fn colour_table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn png(bytes: &[u8]) -> u32 {
    // The animation header precedes the first picture.
    let mut before = png_chunks(bytes).take_while(|(name, _)| name != b"IDAT");
    let header = before.find_map(|(name, data)| (&name == b"acTL").then_some(data));
    header.map_or(1, |data| data.first_chunk().map_or(0, |n| u32::from_be_bytes(*n)))
}

/// The names and data of the chunks of a PNG. The last one may be truncated.
pub(super) fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [l3, l2, l1, l0, name @ ..] = *rest.first_chunk::<8>()?;
        let length = u32::from_be_bytes([l3, l2, l1, l0]);
        let data = &rest[8..];
        rest = skipped(rest, 12, length);
        Some((name, &data[..data.len().min(length as usize)]))
    })
}

/// The EXIF data of a PNG, wherever it is. Decoders read only chunks before the pixels.
pub(super) fn png_exif(bytes: &[u8]) -> Option<&[u8]> {
    png_chunks(bytes).find_map(|(name, data)| (&name == b"eXIf").then_some(data))
}

fn webp(bytes: &[u8]) -> u32 {
    let mut rest = bytes.get(12..).unwrap_or_default();
    let mut frames = 0;
    while let Some([name @ .., l0, l1, l2, l3]) = rest.first_chunk::<8>() {
        frames += u32::from(name == b"ANMF");
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
        rest = skipped(rest, 8, length.saturating_add(length % 2));
    }
    frames
}

fn skipped(bytes: &[u8], head: usize, body: u32) -> &[u8] {
    let end = usize::try_from(body).unwrap_or(usize::MAX).saturating_add(head);
    bytes.get(end..).unwrap_or_default()
}

/// Counts the pages of a TIFF. BigTIFF counts as one page.
fn tiff(bytes: &[u8]) -> u32 {
    let Some(file) = Tiff::new(bytes) else { return 1 };
    let mut pages = 0;
    let mut page = file.first_page();
    while let Some(at) = page.filter(|at| *at != 0 && pages < MOST_PAGES) {
        pages += 1;
        page = file.number(at, 2).and_then(|entries| file.number(entries * 12 + at + 2, 4));
    }
    pages
}

/// Whether the first page of a TIFF has premultiplied colours.
///
/// The decoder treats them as ordinary colours, so the picture would be too dark.
pub(super) fn is_premultiplied(bytes: &[u8]) -> bool {
    const EXTRA_SAMPLES: usize = 338;
    const ASSOCIATED_ALPHA: usize = 1;
    let extra = Tiff::new(bytes).and_then(|file| file.short(file.first_page()?, EXTRA_SAMPLES));
    extra == Some(ASSOCIATED_ALPHA)
}

/// A field of the first page of a TIFF whose value is a number of 16 bits or less.
pub(super) struct TiffField {
    pub value: usize,
    /// Position of its low byte in the file.
    pub low_byte: usize,
}

/// Finds a field of the first page of a TIFF. BigTIFF is not supported.
pub(super) fn tiff_field(bytes: &[u8], tag: usize) -> Option<TiffField> {
    let file = Tiff::new(bytes)?;
    let at = file.entry(file.first_page()?, tag)? + 8;
    Some(TiffField { value: file.number(at, 2)?, low_byte: at + usize::from(file.big_endian) })
}

/// The block structure of a TIFF. BigTIFF is not supported.
struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first_chunk() {
            Some(b"II*\0") => Some(Self { bytes, big_endian: false }),
            Some(b"MM\0*") => Some(Self { bytes, big_endian: true }),
            _ => None,
        }
    }

    fn first_page(&self) -> Option<usize> {
        self.number(4, 4)
    }

    /// Value of a 16-bit field that is stored in its entry.
    fn short(&self, page: usize, tag: usize) -> Option<usize> {
        self.number(self.entry(page, tag)? + 8, 2)
    }

    /// Position of the entry of a field.
    fn entry(&self, page: usize, tag: usize) -> Option<usize> {
        (0..self.number(page, 2)?).map(|entry| page + 2 + entry * 12).find(|at| self.number(*at, 2) == Some(tag))
    }

    fn number(&self, at: usize, size: usize) -> Option<usize> {
        let field = self.bytes.get(at..at.checked_add(size)?)?;
        let digit = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if self.big_endian { field.iter().fold(0, digit) } else { field.iter().rev().fold(0, digit) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&length[..], name, body, &[0; 4]].concat()
    }

    fn riff_chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short").to_le_bytes();
        [name, &length, body, &[0; 1][..body.len() % 2]].concat()
    }

    #[test]
    fn an_animated_png_announces_its_frames_before_its_pixels() {
        let head = [&b"\x89PNG\r\n\x1a\n"[..], &png_chunk(b"IHDR", &[0; 13])].concat();
        let frames = png_chunk(b"acTL", &[0, 0, 1, 2, 0, 0, 0, 0]);
        let pixels = png_chunk(b"IDAT", b"pixels");
        assert_eq!(count(&[&head[..], &frames, &pixels].concat(), ImageKind::Png), 0x102);
        assert_eq!(count(&[&head[..], &pixels, &frames].concat(), ImageKind::Png), 1);
    }

    #[test]
    fn a_frame_of_a_gif_that_breaks_off_counts() {
        let frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
        let file = [&b"GIF89a\x01\0\x01\0\0\0\0"[..], frame, &frame[..12]].concat();
        assert_eq!(count(&file, ImageKind::Gif), 2);
        assert_eq!(count(&file[..28], ImageKind::Gif), 1);
    }

    #[test]
    fn an_animated_webp_has_a_chunk_for_each_frame() {
        let head = b"RIFF\0\0\0\0WEBP".to_vec();
        let frame = riff_chunk(b"ANMF", b"odd");
        assert_eq!(count(&[&head[..], &riff_chunk(b"VP8X", b"ANMF"), &frame, &frame].concat(), ImageKind::WebP), 2);
        assert_eq!(count(&[&head[..], &riff_chunk(b"VP8L", b"even")].concat(), ImageKind::WebP), 1);
    }

    #[test]
    fn a_list_of_pages_that_loops_ends() {
        let page_that_names_itself = b"II*\0\x08\0\0\0\0\0\x08\0\0\0";
        assert_eq!(count(page_that_names_itself, ImageKind::Tiff), MOST_PAGES);
    }

    #[test]
    fn garbage_counts_as_one_picture() {
        for format in [ImageKind::Gif, ImageKind::Png, ImageKind::WebP, ImageKind::Tiff, ImageKind::Jpeg] {
            for length in 0..200 {
                assert_eq!(count(&vec![0xFF; length], format), 1, "{format:?}");
            }
        }
    }
}
