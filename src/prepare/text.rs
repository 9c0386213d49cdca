//! Prepares texts: decodes, normalises and counts them.
//!
//! The body is valid UTF-8 with `\n` between lines. Tab and newline are its only control
//! characters. Case and punctuation are kept, because models read such texts better. `clean`
//! removes them.

use super::{TextSettings, encoding, text_tokens};
use crate::model::{Content, ContentBlock, Facts, Failure, FailureCode, Kind, Prepared, Text};
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes processed together without an early exit. A count of them must fit a byte.
pub(super) const CHUNK: usize = 192;

/// Prepares one text.
pub(super) fn prepare(bytes: &[u8], settings: &TextSettings) -> Result<Prepared, Failure> {
    if let Some(what) = encoding::undecodable(bytes) {
        let message = format!("cannot read this encoding: {what}. Save the text as UTF-8, or exclude it");
        return Err(Failure::new(FailureCode::Undecodable, message));
    }
    let decoded = encoding::decode(bytes);
    let body = tidy(&decoded.text, settings);
    let words = count_words(&body);
    if words == 0 {
        return Err(Failure::new(FailureCode::Empty, "no text in this file"));
    }
    let notes = decoded.notes();
    let Some(piece) = piece(&body) else { return Err(Failure::new(FailureCode::Empty, "no text in this file")) };
    let facts = Facts {
        kind: Kind::Text,
        bytes: bytes.len() as u64,
        format: decoded.encoding,
        pixels: None,
        sent_pixels: None,
        words: Some(words as u64),
        tokens: piece.tokens(),
        sent_tokens: None,
        parts: None,
        orders: Vec::new(),
        pages: Vec::new(),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    };
    Ok(Prepared { content: Content(vec![piece]), facts })
}

/// Normalises a text for sending, and cleans it if configured.
pub(super) fn tidy<'t>(text: &'t str, settings: &TextSettings) -> Cow<'t, str> {
    let body = normalised(text);
    if settings.clean { cleaned(&body).into() } else { body }
}

/// Builds a block with estimated tokens; `None` if the text is empty.
pub(super) fn piece(body: &str) -> Option<ContentBlock> {
    counted(body, text_tokens::about)
}

/// Builds a block with exact tokens; `None` if the text is empty.
pub(super) fn exact_piece(body: &str) -> Option<ContentBlock> {
    counted(body, text_tokens::exact)
}

fn counted(body: &str, count: fn(&str) -> u64) -> Option<ContentBlock> {
    if body.is_empty() {
        return None;
    }
    let digest = blake3::hash(body.as_bytes()).to_hex().to_string();
    let tokens = count(body);
    Some(ContentBlock::Text(Arc::new(Text { body: Arc::from(body), digest, tokens })))
}

/// Counts words, separated by white space.
///
/// It works line by line, because a faster algorithm counts ASCII lines.
pub(super) fn count_words(text: &str) -> usize {
    text.split('\n').map(|line| if line.is_ascii() { count_ascii_words(line.as_bytes()) } else { line.split_whitespace().count() }).sum()
}

fn count_ascii_words(bytes: &[u8]) -> usize {
    let Some(first) = bytes.first() else { return 0 };
    // Sums over short chunks let the compiler use vector instructions.
    let begins = |(before, byte): (&u8, &u8)| u8::from(before.is_ascii_whitespace() & !byte.is_ascii_whitespace());
    let chunks = bytes.chunks(CHUNK).zip(bytes[1..].chunks(CHUNK));
    let begun: usize = chunks.map(|(before, chunk)| usize::from(before.iter().zip(chunk).map(begins).sum::<u8>())).sum();
    begun + usize::from(!first.is_ascii_whitespace())
}

/// Whether normalising leaves the text unchanged.
///
/// The text must have no control byte, and no lead byte of a removed character.
#[expect(clippy::needless_bitwise_bool, reason = "without branches the compiler can vectorise")]
fn is_normal(text: &str) -> bool {
    let normal = |byte: u8| ((byte >= 0x20) | (byte == b'\t') | (byte == b'\n')) & (byte != 0x7F) & (byte != 0xC2) & (byte != 0xEF);
    text.as_bytes().chunks(CHUNK).all(|chunk| chunk.iter().fold(true, |so_far, byte| so_far & normal(*byte)))
}

/// Unifies line ends and removes control characters.
fn normalised(text: &str) -> Cow<'_, str> {
    if is_normal(text) {
        return text.into();
    }
    let mut body = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        // Lead bytes of removed characters also start other letters. Only lines with such bytes
        // take the slow path.
        let (content, end) = line.strip_suffix("\r\n").map_or((line, ""), |content| (content, "\n"));
        if is_normal(content) {
            body.push_str(content);
        } else {
            push_normalised(content, &mut body);
        }
        body.push_str(end);
    }
    body.into()
}

fn push_normalised(text: &str, body: &mut String) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                characters.next_if_eq(&'\n');
                body.push('\n');
            }
            // Vertical tab and "next line" separate lines. Without a line end, words would join.
            '\u{B}' | '\u{85}' => body.push('\n'),
            // A form feed separates pages.
            '\u{C}' => body.push_str("\n\n"),
            '\t' | '\n' => body.push(character),
            '\u{FEFF}' => {}
            _ if character.is_control() => {
                while characters.next_if(|character| is_removed(*character)).is_some() {}
                // Two numbers must not become one.
                if body.ends_with(|c: char| c.is_numeric()) && characters.peek().is_some_and(|next| next.is_numeric()) {
                    body.push(' ');
                }
            }
            _ => body.push(character),
        }
    }
}

/// Whether a character is a control character without a meaning in texts.
fn is_removed(character: char) -> bool {
    character.is_control() && !matches!(character, '\t'..='\r' | '\u{85}')
}

/// Converts to lower case without punctuation, with single spaces.
fn cleaned(text: &str) -> String {
    let bare: String = text
        .to_lowercase()
        .chars()
        // "don't" stays one word, and "well-known" becomes two.
        .filter(|c| !matches!(c, '\'' | '\u{2019}'))
        .map(|c| if is_punctuation(c) { ' ' } else { c })
        .collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character is punctuation: ASCII, Latin-1, general, CJK or full-width.
///
/// A test for non-letters would be wrong, because vowel signs of many scripts are not letters.
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(
            character,
            '\u{A1}' | '\u{A7}' | '\u{AB}' | '\u{B6}' | '\u{B7}' | '\u{BB}' | '\u{BF}'
                | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}'
                | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301F}' | '\u{30FB}'
                | '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}' | '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_keeps_two_numbers_apart() {
        assert_eq!(normalised("12\u{1D}500 a\u{1}b 1\u{0}\u{0}2 3\u{1}\n4"), "12 500 ab 1 2 3\n4");
    }

    proptest::proptest! {
        #[test]
        fn words_are_separated_by_white_space(text in "([a-zä]{0,3}[ \t\n\r]{0,2}){0,200}") {
            proptest::prop_assert_eq!(count_words(&text), text.split_whitespace().count());
        }

        #[test]
        fn normalising_by_line_equals_normalising_at_once(text in "[ -~ä\t\n\r\u{B}\u{C}\u{85}\u{A0}\u{FEFF}]{0,60}") {
            let mut at_once = String::new();
            push_normalised(&text, &mut at_once);
            proptest::prop_assert_eq!(normalised(&text), at_once);
        }

        #[test]
        fn a_normal_text_has_no_characters_to_remove(text in "[ -~\t\nä\u{7F}-\u{A0}\u{FEFF}\r\u{B}\u{C}]{0,300}") {
            if is_normal(&text) {
                let kept = |c: &char| !c.is_control() || matches!(c, '\t' | '\n');
                proptest::prop_assert_eq!(text.chars().filter(kept).collect::<String>(), text);
            }
        }
    }
}
