//! Text that readers do not see: base64, tag characters, and runs of invisible characters.

use super::fold::is_invisible;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::ops::Range;

/// Shortest run of base64 that is decoded, and how much of a run is decoded, in characters.
const SHORTEST: usize = 24;
const LONGEST: usize = 64 * 1024;
/// Shortest stretch of decoded text that is examined, in bytes.
const READABLE: usize = 12;
/// Lines of base64 are at least this long, except the last.
const LINE: usize = 40;
/// Number of invisible characters in a row that are a message.
const INVISIBLE: usize = 6;
const TAGS: usize = 3;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// The texts in runs of base64, with their places.
pub(super) fn decoded(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    runs(text).flat_map(|run| {
        let letters: Vec<u8> = text[run.clone()].bytes().filter(|byte| is_base64(*byte)).map(standard).take(LONGEST).collect();
        // A word before the base64 shifts its groups of four characters.
        let bodies: Vec<String> = (0..4).filter_map(|shift| decode(letters.get(shift..)?)).collect();
        bodies.into_iter().map(move |body| (run.clone(), body))
    })
}

/// The readable stretches of the bytes that the letters stand for.
fn decode(letters: &[u8]) -> Option<String> {
    // A single letter at the end stands for less than a byte.
    let whole = if letters.len() % 4 == 1 { &letters[..letters.len() - 1] } else { letters };
    let bytes = LENIENT.decode(whole).ok()?;
    let stretches: Vec<&str> =
        bytes.utf8_chunks().flat_map(|chunk| chunk.valid().split(is_binary)).filter(|text| text.len() >= READABLE).collect();
    (!stretches.is_empty()).then(|| stretches.join("\n\n"))
}

fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The letter of the standard alphabet for one of the alphabet for addresses.
fn standard(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    }
}

/// Runs of base64. A run may have line breaks after long lines.
fn runs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let (start, mut line) = (at, at);
            while at < bytes.len() {
                let is_break = bytes[at..].starts_with(b"\r\n") || bytes[at] == b'\n';
                let skipped = if bytes[at] == b'\r' { 2 } else { 1 };
                if is_base64(bytes[at]) {
                    at += 1;
                } else if is_break && at - line >= LINE && bytes.get(at + skipped).copied().is_some_and(is_base64) {
                    at += skipped;
                    line = at;
                } else {
                    break;
                }
            }
            let run = start..at;
            at += 1;
            if run.len() >= SHORTEST {
                return Some(run);
            }
        }
        None
    })
}

/// Runs of invisible characters that are a message, and the message, as far as it can be shown.
pub(super) fn invisible(text: &str) -> Vec<(Range<usize>, String)> {
    let (mut found, mut run, mut tags) = (Vec::new(), 0, String::new());
    let (mut start, mut before) = (0, ' ');
    // A character after the end closes the last run.
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if is_invisible(c) || is_message(c) {
            if run == 0 {
                start = at;
            }
            run += usize::from(is_message(c));
            tags.extend(tag(c));
            continue;
        }
        // Flags of regions are a black flag and tag characters.
        if (tags.len() >= TAGS && before != '\u{1F3F4}') || (tags.is_empty() && run >= INVISIBLE) {
            found.push((start..at, std::mem::take(&mut tags)));
        }
        (run, before) = (0, c);
        tags.clear();
    }
    found
}

/// The ASCII character that a tag character stands for.
fn tag(c: char) -> Option<char> {
    let code = u32::from(c).checked_sub(0xE0000)?;
    char::from_u32(code).filter(|c| (' '..='~').contains(c))
}

/// Whether the character may carry a message. Joiners and marks of direction do not count, because
/// scripts need them.
fn is_message(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200C}' | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0E}' | '\u{E0000}'..='\u{E01EF}')
}
