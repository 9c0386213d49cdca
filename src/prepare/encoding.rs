//! Decodes text of any common encoding.
//!
//! Encodings are tried in this order:
//!
//! 1. a byte order mark
//! 2. UTF-16 without a mark, by its zero bytes
//! 3. ISO-2022-JP, by its escapes
//! 4. UTF-8
//! 5. UTF-8 with little damage
//! 6. a detected legacy encoding; detection always finds one
//!
//! Some encodings cannot be distinguished from more frequent ones:
//!
//! - ISO-8859-3, -10, -14 and -16, and Mac Cyrillic
//! - ISO-8859-15, if the text has a euro sign
//! - UTF-16 without a mark, if the text has no space and no line end
//!
//! UTF-32 needs its mark.
//!
//! [`undecodable`] detects EBCDIC and code pages of MS-DOS, so that callers can refuse them.
//!
//! Decoding never fails. It reports the encoding and whether characters were replaced.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, MACINTOSH, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::Utf8Error;

const UTF_8: &str = "utf-8";
/// Maximum bytes for detecting legacy encodings, from the first non-ASCII byte.
const DETECTION_SAMPLE: usize = 256 * 1024;
/// Maximum bytes for detecting UTF-16 without a mark.
///
/// Sniffing uses the same number, so that both agree.
const UTF16_SAMPLE: usize = 64 * 1024;

/// A decoded text.
pub(super) struct Decoded<'a> {
    pub text: Cow<'a, str>,
    /// Name in lower case: `utf-8`, `utf-16le`, `windows-1252`, `shift_jis`.
    pub encoding: String,
    /// Whether invalid bytes were replaced by U+FFFD.
    pub damaged: bool,
    /// Whether the encoding was detected by the frequencies of characters.
    pub guessed: bool,
}

/// The note about replaced bytes.
pub(super) const REPLACED: &str = "docmill replaced some bytes by U+FFFD, because they are not valid in this encoding";

impl Decoded<'_> {
    /// Notes for people.
    pub(super) fn notes(&self) -> Vec<String> {
        let guessed = self.guessed.then(|| format!("the encoding is not declared; docmill detected {}", self.encoding));
        guessed.into_iter().chain(self.damaged.then(|| REPLACED.to_owned())).collect()
    }
}

/// Decodes a text.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    if let Some((mark, rest)) = byte_order_mark(bytes) {
        return match mark {
            Mark::Utf8 => utf8(rest),
            Mark::Utf16(encoding) => decode_as(encoding, rest),
            Mark::Utf32 { big_endian } => utf32(rest, big_endian),
        };
    }
    if let Some(encoding) = utf16_without_mark(bytes) {
        return Decoded { guessed: true, ..decode_as(encoding, bytes) };
    }
    if is_iso_2022_jp(bytes) {
        return Decoded { guessed: true, ..decode_as(ISO_2022_JP, bytes) };
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded { text: text.into(), encoding: UTF_8.to_owned(), damaged: false, guessed: false },
        Err(error) if is_nearly_utf8(bytes, error) => utf8(bytes),
        Err(_) => Decoded { guessed: true, ..without_controls(decode_as(legacy(bytes), bytes)) },
    }
}

/// Decodes a text by its declared encoding, or by a detected one if the declared one does not fit.
/// Also returns whether the encoding was detected.
///
/// A few invalid characters are damage, and no reason to believe in another encoding.
pub(super) fn decode_declared<'b>(bytes: &'b [u8], declared: &'static Encoding) -> (Decoded<'b>, bool) {
    let (text, _, damaged) = declared.decode(bytes);
    let written = text.chars().filter(|c| !c.is_ascii()).count();
    if damaged && text.matches(char::REPLACEMENT_CHARACTER).count() * 10 > written {
        let found = decode(bytes);
        if !found.damaged {
            return (found, true);
        }
    }
    (Decoded { text, encoding: declared.name().to_ascii_lowercase(), damaged, guessed: false }, false)
}

/// Names an encoding that is detected but cannot be decoded.
pub fn undecodable(bytes: &[u8]) -> Option<&'static str> {
    if byte_order_mark(bytes).is_some() || utf16_without_mark(bytes).is_some() {
        return None;
    }
    let error = std::str::from_utf8(bytes).err()?;
    let sample = &bytes[..bytes.len().min(DETECTION_SAMPLE)];
    if is_ebcdic(sample) {
        return Some("EBCDIC (of mainframes)");
    }
    let start = Encoding::ascii_valid_up_to(bytes).saturating_sub(2);
    let sample = &bytes[start..bytes.len().min(start + DETECTION_SAMPLE)];
    (!is_nearly_utf8(bytes, error) && is_dos(sample, legacy(bytes))).then_some("a code page of MS-DOS (437 or 850)")
}

/// Detects the encoding of a table without a byte order mark.
///
/// The table is UTF-8 if at least as many characters are valid as damaged. Rows are decoded one by
/// one, so damage stays in its row.
pub fn encoding_of(sample: &[u8]) -> &'static Encoding {
    if let Some(encoding) = utf16_without_mark(sample) {
        return encoding;
    }
    if is_iso_2022_jp(sample) {
        return ISO_2022_JP;
    }
    let (sound, broken) = sound_and_broken(sample);
    if broken == 0 || (sound > 0 && sound >= broken) {
        return encoding_rs::UTF_8;
    }
    let not_utf8 = sample.split_inclusive(|byte| *byte == b'\n').filter(|line| std::str::from_utf8(line).is_err());
    legacy(&not_utf8.collect::<Vec<_>>().concat())
}

/// Whether the bytes begin with a Unicode byte order mark.
pub(super) fn has_byte_order_mark(bytes: &[u8]) -> bool {
    byte_order_mark(bytes).is_some()
}

/// Detects UTF-16 without a byte order mark.
///
/// In one byte order, the sample must be text of a living script. That order must also give more
/// ASCII characters than the other one.
pub fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(UTF16_SAMPLE)];
    // Nearly all texts return here, and each text comes here several times.
    if !sample.contains(&0) {
        return None;
    }
    let (pairs, _) = sample.as_chunks::<2>();
    let zeros = sample.split(|byte| *byte == 0).count() - 1;
    // Single-byte text with a few zero bytes is not UTF-16.
    let plain = |byte: &u8| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | 0x20..=0x7E);
    let stray = zeros * 4 < sample.len() && sample.iter().all(plain);
    if pairs.len() < 2 || stray {
        return None;
    }
    let little = ascii_of_text(pairs.iter().map(|pair| u16::from_le_bytes(*pair)));
    let big = ascii_of_text(pairs.iter().map(|pair| u16::from_be_bytes(*pair)));
    match little.cmp(&big) {
        Ordering::Greater => Some(UTF_16LE),
        Ordering::Less => Some(UTF_16BE),
        Ordering::Equal => None,
    }
}

/// Number of ASCII characters; 0 if the units are not text.
///
/// Units with control characters are not text. Nor are units with too many characters outside the
/// usual scripts. Text must also contain white space, or be mostly ASCII.
fn ascii_of_text(units: impl Iterator<Item = u16>) -> usize {
    let (mut white, mut ascii, mut written, mut all) = (0, 0, 0, 0);
    for unit in units {
        match unit {
            0x09 | 0x0A | 0x0C | 0x0D | 0x20 => white += 1,
            0x21..=0x7E => ascii += 1,
            0x00..=0x1F | 0x7F..=0x9F => return 0,
            // Latin to Arabic, Indic and Thai, Vietnamese and polytonic Greek, signs, kana, Han,
            // Hangul, emoji, full-width forms.
            0xA0..=0x6FF | 0x900..=0xE7F | 0x1E00..=0x22FF | 0x3000..=0x30FF | 0x4E00..=0x9FFF | 0xAC00..=0xDFFF | 0xFF00..=0xFFEF => {
                written += 1;
            }
            _ => {}
        }
        all += 1;
    }
    let mostly_written = (white + ascii + written) * 8 >= all * 7;
    if mostly_written && (white > 0 || ascii * 2 > all) { white + ascii } else { 0 }
}

/// Whether this is Japanese mail: ASCII bytes with certain escapes.
///
/// Terminals do not use these escapes.
fn is_iso_2022_jp(bytes: &[u8]) -> bool {
    const ESCAPE: u8 = 0x1B;
    bytes.contains(&ESCAPE)
        && bytes.windows(3).any(|three| matches!(three, [ESCAPE, b'$', b'@' | b'B']))
        && ISO_2022_JP.decode_without_bom_handling_and_without_replacement(bytes).is_some()
}

enum Mark {
    Utf8,
    Utf16(&'static Encoding),
    Utf32 { big_endian: bool },
}

fn byte_order_mark(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Some((Mark::Utf8, rest)),
        // This must precede UTF-16, whose mark is the first half of this one.
        [0xFF, 0xFE, 0, 0, rest @ ..] => Some((Mark::Utf32 { big_endian: false }, rest)),
        [0, 0, 0xFE, 0xFF, rest @ ..] => Some((Mark::Utf32 { big_endian: true }, rest)),
        [0xFF, 0xFE, rest @ ..] => Some((Mark::Utf16(UTF_16LE), rest)),
        [0xFE, 0xFF, rest @ ..] => Some((Mark::Utf16(UTF_16BE), rest)),
        _ => None,
    }
}

/// Whether the bytes are UTF-8 with little damage.
///
/// An example of such damage is a truncated last character.
fn is_nearly_utf8(bytes: &[u8], error: Utf8Error) -> bool {
    let (sound, broken) = sound_and_broken(bytes);
    // Legacy texts rarely have more valid UTF-8 sequences than invalid ones.
    sound > 2 * broken || (sound > 0 && broken == 1 && error.error_len().is_none())
}

/// Number of valid non-ASCII UTF-8 characters, and of invalid places.
fn sound_and_broken(bytes: &[u8]) -> (usize, usize) {
    bytes.utf8_chunks().fold((0, 0), |(sound, broken), chunk| {
        let characters = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        (sound + characters, broken + usize::from(!chunk.invalid().is_empty()))
    })
}

fn utf8(bytes: &[u8]) -> Decoded<'_> {
    let text = String::from_utf8_lossy(bytes);
    // The lossy conversion copies only if it replaces something.
    let damaged = matches!(text, Cow::Owned(_));
    Decoded { text, encoding: UTF_8.to_owned(), damaged, guessed: false }
}

fn decode_as<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Decoded<'a> {
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    Decoded { text, encoding: encoding.name().to_ascii_lowercase(), damaged, guessed: false }
}

/// Replaces control characters that texts do not use. They count as damage.
fn without_controls(mut decoded: Decoded<'_>) -> Decoded<'_> {
    let strange = |c| matches!(c, '\u{80}'..='\u{84}' | '\u{86}'..='\u{9F}');
    if decoded.text.contains(strange) {
        decoded.text = decoded.text.replace(strange, "\u{FFFD}").into();
        decoded.damaged = true;
    }
    decoded
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
    Decoded { text: text.into(), encoding: encoding.to_owned(), damaged, guessed: false }
}

fn legacy(bytes: &[u8]) -> &'static Encoding {
    // The detector uses two bytes before the first non-ASCII byte as context.
    let start = Encoding::ascii_valid_up_to(bytes).saturating_sub(2);
    let end = bytes.len().min(start + DETECTION_SAMPLE);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[start..end], end == bytes.len());
    let guess = detector.guess(None, Utf8Detection::Deny);
    if is_macintosh(&bytes[start..end], guess) {
        MACINTOSH
    } else if is_western(&bytes[start..end], guess) {
        WINDOWS_1252
    } else {
        guess
    }
}

/// Whether this is Mac OS Roman, which the detector does not know.
///
/// The test uses bytes between two lower-case letters. In Mac OS Roman they are lower-case letters.
/// In the guessed encoding they are signs and capitals.
fn is_macintosh(sample: &[u8], guess: &'static Encoding) -> bool {
    let strange = |encoding: &'static Encoding| {
        let fits = |byte: u8| {
            let (letter, _) = encoding.decode_without_bom_handling(std::slice::from_ref(&byte));
            letter.chars().all(|c| c.is_lowercase() || matches!(c, '\u{2010}'..='\u{2027}'))
        };
        inside_words(sample).filter(|byte| !fits(*byte)).count()
    };
    let all = inside_words(sample).count();
    guess.is_single_byte() && strange(guess) * 8 > all && strange(MACINTOSH) * 20 <= all
}

/// Whether this is as likely windows-1252 as the rarer Baltic encoding that was guessed.
///
/// Few letters are weak evidence. Signs such as quotes are the same in these encodings.
fn is_western(sample: &[u8], guess: &'static Encoding) -> bool {
    const FEW: usize = 4;
    let baltic = [encoding_rs::WINDOWS_1257, encoding_rs::ISO_8859_4];
    let letters = || sample.windows(3).filter(|w| w[1] >= 0xC0).map(|w| (w[0], w[1]));
    // A small letter of a Western European language, at the start of a word or behind a small letter.
    let is_fine = |(before, byte): (u8, u8)| {
        byte >= 0xE0 && !matches!(byte, 0xF0 | 0xF7 | 0xFD | 0xFE) && (before.is_ascii_lowercase() || !before.is_ascii_alphanumeric())
    };
    baltic.contains(&guess)
        && (1..FEW).contains(&letters().count())
        && letters().all(is_fine)
        && sample.iter().all(|byte| {
            *byte < 0x80
                || *byte >= 0xC0
                || matches!(byte, 0x80 | 0x82..=0x85 | 0x8B | 0x91..=0x99 | 0x9B | 0xA0 | 0xA7 | 0xA9 | 0xAB | 0xAE | 0xB0 | 0xB7 | 0xBB)
        })
}

/// The non-ASCII bytes between two lower-case letters.
fn inside_words(sample: &[u8]) -> impl Iterator<Item = u8> {
    sample.windows(3).filter(|w| w[0].is_ascii_lowercase() && !w[1].is_ascii() && w[2].is_ascii_lowercase()).map(|w| w[1])
}

/// Whether this is a Western European code page of MS-DOS.
///
/// The test uses bytes inside words. In the code page they are lower-case letters. In the guessed
/// encoding they are neither letters nor characters that join words.
fn is_dos(sample: &[u8], guess: &'static Encoding) -> bool {
    let small = |byte: u8| matches!(byte, 0x81..=0x8D | 0x91 | 0x93..=0x98 | 0x9B | 0xA0..=0xA4 | 0xC6 | 0xE1 | 0xE4 | 0xEC);
    let strange = |byte: u8| {
        let (letter, _) = guess.decode_without_bom_handling(std::slice::from_ref(&byte));
        let joins = |c| matches!(c, '\u{A0}' | '\u{AD}' | '–' | '—' | '‘' | '’' | '…');
        !letter.chars().all(|c| c.is_lowercase() || joins(c))
    };
    let all = inside_words(sample).count();
    if guess.is_single_byte() && has_letters_of_dos(sample, guess) {
        return true;
    }
    guess.is_single_byte()
        && inside_words(sample).any(|byte| byte < 0xA0)
        && inside_words(sample).filter(|byte| strange(*byte)).count() * 8 > all
        && inside_words(sample).filter(|byte| !small(*byte)).count() * 20 <= all
}

/// Whether a text without long words, such as a table, has letters of MS-DOS: `K”ln`, `Jos‚`.
///
/// The test uses bytes between or behind letters that are signs in the guessed encoding, but do not
/// stand there. No byte may be a letter that words of MS-DOS do not have.
fn has_letters_of_dos(sample: &[u8], guess: &'static Encoding) -> bool {
    let is_sign = |byte: u8| {
        let (letter, _) = guess.decode_without_bom_handling(std::slice::from_ref(&byte));
        !letter.chars().all(char::is_alphabetic)
    };
    let at = |at: Option<usize>| at.and_then(|at| sample.get(at)).copied().unwrap_or(b' ');
    let (mut found, mut against) = (0, 0);
    for (place, byte) in sample.iter().copied().enumerate().filter(|(_, byte)| !byte.is_ascii()) {
        let (before, behind) = (at(place.checked_sub(1)), at(place.checked_add(1)));
        let [follows, precedes] = [before, behind].map(|byte| byte.is_ascii_alphabetic());
        let is_inside_or_last = precedes || !behind.is_ascii_punctuation() || matches!(behind, b';' | b',' | b'.');
        let is_letter = match byte {
            // No sign at all in the code page of Windows.
            0x81 | 0x8D => follows || precedes,
            // Quotes, per mille and other signs, which do not follow a letter in a text of Windows.
            0x82 | 0x84 | 0x88 => follows && is_inside_or_last,
            // Per mille follows symbols, such as those of isotopes.
            0x89 => before.is_ascii_lowercase() && is_inside_or_last,
            0x86 | 0x87 | 0x8B | 0x94 | 0xA1..=0xA4 => follows && precedes,
            _ => false,
        };
        let is_quote = matches!(byte, 0x91..=0x94) && follows != precedes;
        let is_of_windows = matches!(byte, 0xC0..=0xFF) && !matches!(byte, 0xC6 | 0xE1 | 0xE4 | 0xEC) && (follows || precedes);
        // Letters of other scripts stand side by side.
        let is_other_script = byte >= 0xE0 && before >= 0xE0;
        found += usize::from(is_letter && is_sign(byte));
        against += usize::from(is_quote || is_of_windows || is_other_script);
    }
    found > 0 && against == 0
}

/// Whether this is EBCDIC text of a mainframe.
///
/// In such text, spaces appear as `@`. Nearly all other bytes are EBCDIC letters, digits,
/// punctuation and line ends.
fn is_ebcdic(sample: &[u8]) -> bool {
    let spaces = sample.split(|byte| *byte == 0x40).count() - 1;
    let written = |byte: &&u8| {
        matches!(byte, 0x0D | 0x15 | 0x25 | 0x40 | 0x4B | 0x6B | 0x81..=0x89 | 0x91..=0x99 | 0xA2..=0xA9 | 0xC1..=0xC9 | 0xD1..=0xD9)
            || matches!(byte, 0xE2..=0xE9 | 0xF0..=0xF9)
    };
    spaces * 20 > sample.len() && !sample.contains(&b' ') && sample.iter().filter(written).count() * 10 > sample.len() * 9
}
