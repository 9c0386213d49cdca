//! The language of a text, by its frequent words.

use super::lexicon::{Lexicon, sections};
use super::text::{Text, Word};
use std::sync::LazyLock;

/// Number of known languages.
pub const COUNT: usize = 8;

/// A known language, as an index. 0 is English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language(usize);

const LIST: &str = include_str!("stopwords.txt");
const NAMES: [(&str, &str); COUNT] = [
    ("en", "English"),
    ("de", "German"),
    ("fr", "French"),
    ("es", "Spanish"),
    ("it", "Italian"),
    ("pt", "Portuguese"),
    ("nl", "Dutch"),
    ("pl", "Polish"),
];
/// Words by which a language is told.
const READ: usize = 100;
/// Letters that point to a language.
const LETTERS: [(&str, usize); 6] = [("äöüß", 1), ("êèëœç", 2), ("ñ¿¡", 3), ("ìòù", 4), ("ãõ", 5), ("ąćęłńśźż", 7)];

/// Bit of the words that say little by themselves.
const DULL: u16 = 1 << COUNT;

/// The languages, as bits, in which a word carries no content.
static STOPWORDS: LazyLock<Lexicon<u16>> = LazyLock::new(|| {
    let mut bits = std::collections::BTreeMap::<&str, u16>::new();
    for (heading, lines) in sections(LIST) {
        let bit = NAMES.iter().position(|(code, _)| *code == heading).map_or(DULL, |index| 1 << index);
        for word in lines.iter().flat_map(|line| line.split(' ')) {
            *bits.entry(word).or_default() |= bit;
        }
    }
    Lexicon::new(bits)
});

impl Language {
    /// The language with the most frequent words in a text. `hint` gives further evidence for each
    /// language. English without any evidence.
    pub fn of(text: &Text<'_>, hint: impl Fn(&Word) -> [u8; COUNT]) -> Self {
        let mut points = [0_usize; COUNT];
        for word in text.words.iter().take(READ) {
            let bits = STOPWORDS.get(text.lower(word)).unwrap_or(0);
            let hints = hint(word);
            for (index, points) in points.iter_mut().enumerate() {
                *points += 3 * usize::from(bits >> index & 1) + usize::from(hints[index]);
            }
            if !text.lower(word).is_ascii() {
                for (letters, index) in LETTERS {
                    points[index] += 2 * usize::from(text.lower(word).contains(|c| letters.contains(c)));
                }
            }
        }
        let best = (0..COUNT).rev().max_by_key(|index| points[*index]).unwrap_or(0);
        Self(best)
    }

    /// Place in lists by language.
    pub fn index(self) -> usize {
        self.0
    }

    /// The ISO 639 code.
    pub fn code(self) -> &'static str {
        NAMES[self.0].0
    }

    /// The English name.
    pub fn name(self) -> &'static str {
        NAMES[self.0].1
    }

    /// The language with a code or English name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|(code, own)| own.eq_ignore_ascii_case(name) || code.eq_ignore_ascii_case(name)).map(Self)
    }
}

/// Whether a word in lower case carries no content, or says little by itself, such as a number.
pub fn is_dull(word: &str) -> bool {
    STOPWORDS.get(word).is_some()
}

/// Whether a word in lower case carries no content in any known language.
pub fn is_stopword(word: &str) -> bool {
    STOPWORDS.get(word).is_some_and(|bits| bits != DULL)
}
