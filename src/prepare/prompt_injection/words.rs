//! The words of a text, with what the rules need to know about their surroundings.

use super::fold::{fold, is_invisible};
use unicode_normalization::char::is_combining_mark;

/// Maximum length of a word in bytes; the rest of longer words is skipped.
const LONGEST: usize = 80;
/// Number of characters examined beside a word.
const BESIDE: usize = 3;

/// Where a word is in its text.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Its first byte, and the one after its last.
    pub start: usize,
    pub end: usize,
    /// Number of its sentence.
    pub sentence: u32,
    /// Whether it is the first word of its line.
    pub starts_line: bool,
    /// Whether it is written in capitals.
    pub capitals: bool,
    /// Whether a colon follows.
    pub colon: bool,
    /// Whether a quotation mark precedes.
    pub quoted: bool,
    /// Number of visible characters between it and the word before.
    pub gap: usize,
}

/// Passes on the folded words of a text, in order.
pub(super) fn each_word(text: &str, mut take: impl FnMut(&str, Place)) {
    let (mut word, mut place) = (String::with_capacity(LONGEST), Place { starts_line: true, capitals: true, ..Place::default() });
    // The last character, the last visible one, and what the gap between two words says.
    let (mut before, mut mark, mut may_end, mut has_ended) = ('\n', ' ', false, false);
    for (at, c) in text.char_indices() {
        if is_invisible(c) {
            continue;
        }
        let (was_empty, was_end, mut is_letter) = (word.is_empty(), may_end, false);
        let mut length = word.len();
        fold(c, |folded| {
            if folded.is_alphanumeric() {
                is_letter = true;
                if length < LONGEST {
                    word.push(folded);
                    length += folded.len_utf8();
                }
            }
        });
        if is_letter {
            if was_empty {
                place.start = at;
                place.quoted = matches!(mark, '"' | '\'' | '„' | '“' | '”' | '‘' | '’' | '«' | '»' | '`');
                place.capitals = true;
            }
            place.capitals &= !c.is_lowercase();
            place.end = at + c.len_utf8();
            (mark, may_end, has_ended) = (c, false, false);
        } else if was_empty || !is_combining_mark(c) {
            if !was_empty {
                finish(&mut word, &mut place, text, &mut take);
            }
            // Quotation marks and brackets may stand between the end of a sentence and the space.
            may_end = matches!(c, '.' | '!' | '?') || (may_end && !c.is_whitespace());
            let ends = (was_end && c.is_whitespace()) || (before == '\n' && c == '\n') || matches!(c, '。' | ';' | '{' | '}' | '|' | '=');
            place.sentence += u32::from(ends && !has_ended);
            has_ended |= ends;
            mark = if c.is_whitespace() { mark } else { c };
            place.starts_line |= c == '\n';
            place.gap += 1;
        }
        before = c;
    }
    if !word.is_empty() {
        finish(&mut word, &mut place, text, &mut take);
    }
}

fn finish(word: &mut String, place: &mut Place, text: &str, take: &mut impl FnMut(&str, Place)) {
    let after = text[place.end..].chars().filter(|c| !is_invisible(*c)).take(BESIDE);
    place.colon = after.take_while(|c| !c.is_alphanumeric() && *c != '\n').any(|c| matches!(c, ':' | '：'));
    take(word, *place);
    word.clear();
    *place = Place { sentence: place.sentence, ..Place::default() };
}
