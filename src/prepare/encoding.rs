//! Bytes -> text, whatever encoding it was saved in.
//!
//! The order: byte order mark, UTF-16 by its zero bytes, strict UTF-8, UTF-8 with little damage, and only then
//! detection of a legacy encoding, which always finds one. Replacing before detecting would turn every legacy text
//! into question marks.
//!
//! Promises: never fails; says which encoding it took and whether characters had to be replaced.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// Legacy encodings are told apart by this many bytes from the first one that is not ASCII.
const DETECTION_SAMPLE: usize = 256 * 1024;
/// UTF-16 without a mark is recognised by this many bytes: as many as sniffing sees, so that both agree.
const UTF16_SAMPLE: usize = 64 * 1024;

/// A decoded text.
pub(super) struct Decoded<'a> {
    pub text: Cow<'a, str>,
    /// In lower case: `utf-8`, `utf-16le`, `windows-1252`, `shift_jis`.
    pub encoding: String,
    /// Whether bytes that mean nothing in this encoding were replaced by U+FFFD.
    pub damaged: bool,
}

/// Decodes a text.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    if let Some((mark, rest)) = byte_order_mark(bytes) {
        return match mark {
            Mark::Utf8 => utf8(rest),
            Mark::Utf16(encoding) => with(encoding, rest),
            Mark::Utf32 { big_endian } => utf32(rest, big_endian),
        };
    }
    if let Some(encoding) = utf16_without_mark(bytes) {
        return with(encoding, bytes);
    }
    if is_utf8(bytes) { utf8(bytes) } else { with(legacy(bytes), bytes) }
}

/// The encoding of a text that begins with these bytes; of one with a byte order mark, whatever the mark will say.
pub fn encoding_of(sample: &[u8]) -> &'static Encoding {
    match utf16_without_mark(sample) {
        Some(encoding) => encoding,
        None if is_utf8(sample) => encoding_rs::UTF_8,
        None => legacy(sample),
    }
}

/// Whether the bytes begin by saying that they are Unicode.
pub(super) fn has_byte_order_mark(bytes: &[u8]) -> bool {
    byte_order_mark(bytes).is_some()
}

/// UTF-16 without a byte order mark, when it is unmistakable: every other byte is mostly zero, the bytes between
/// never are, and the pairs with a zero are printable characters.
pub(super) fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(UTF16_SAMPLE)];
    if !sample.contains(&0) {
        return None;
    }
    let (pairs, _) = sample.as_chunks::<2>();
    let looks_like = |high: usize| {
        let latin = pairs.iter().filter(|pair| pair[high] == 0).count();
        let printable = |low: u8| matches!(low, b'\t' | b'\n' | b'\r' | 0x0C | 0x20..=0x7E | 0xA0..);
        latin * 2 > pairs.len() && pairs.iter().all(|pair| pair[high] != 0 || printable(pair[1 - high]))
    };
    match (pairs.len() >= 2, looks_like(1), looks_like(0)) {
        (true, true, false) => Some(UTF_16LE),
        (true, false, true) => Some(UTF_16BE),
        _ => None,
    }
}

enum Mark {
    Utf8,
    Utf16(&'static Encoding),
    Utf32 { big_endian: bool },
}

fn byte_order_mark(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Some((Mark::Utf8, rest)),
        // Before UTF-16, whose mark is the first half of this one.
        [0xFF, 0xFE, 0, 0, rest @ ..] => Some((Mark::Utf32 { big_endian: false }, rest)),
        [0, 0, 0xFE, 0xFF, rest @ ..] => Some((Mark::Utf32 { big_endian: true }, rest)),
        [0xFF, 0xFE, rest @ ..] => Some((Mark::Utf16(UTF_16LE), rest)),
        [0xFE, 0xFF, rest @ ..] => Some((Mark::Utf16(UTF_16BE), rest)),
        _ => None,
    }
}

/// Whether the bytes are UTF-8, give or take little damage such as a last character that was cut off.
fn is_utf8(bytes: &[u8]) -> bool {
    let Err(error) = std::str::from_utf8(bytes) else { return true };
    let (mut sound, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        sound += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    // A legacy text has a valid sequence now and then by accident, and nearly never more of them than invalid ones.
    sound > 8 * broken || (sound > 0 && broken == 1 && error.error_len().is_none())
}

fn utf8(bytes: &[u8]) -> Decoded<'_> {
    let text = String::from_utf8_lossy(bytes);
    // Lossy conversion copies only in order to replace.
    let damaged = matches!(text, Cow::Owned(_));
    Decoded { text, encoding: "utf-8".to_owned(), damaged }
}

fn with<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Decoded<'a> {
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    Decoded { text, encoding: encoding.name().to_ascii_lowercase(), damaged }
}

fn utf32(bytes: &[u8], big_endian: bool) -> Decoded<'_> {
    let (units, rest) = bytes.as_chunks::<4>();
    let mut damaged = !rest.is_empty();
    let text: String = units
        .iter()
        .map(|unit| {
            let number = if big_endian { u32::from_be_bytes(*unit) } else { u32::from_le_bytes(*unit) };
            char::from_u32(number).unwrap_or_else(|| {
                damaged = true;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    let encoding = if big_endian { "utf-32be" } else { "utf-32le" };
    Decoded { text: text.into(), encoding: encoding.to_owned(), damaged }
}

fn legacy(bytes: &[u8]) -> &'static Encoding {
    // Two bytes before the first foreign one, which the detector takes as context.
    let start = Encoding::ascii_valid_up_to(bytes).saturating_sub(2);
    let end = bytes.len().min(start + DETECTION_SAMPLE);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[start..end], end == bytes.len());
    detector.guess(None, Utf8Detection::Deny)
}
