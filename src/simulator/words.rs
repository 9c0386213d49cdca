//! The prose of the simulator.
//!
//! Every text starts with [`MARK`] and carries the document's `docid:` token if it has one. It
//! mixes a small vocabulary with words of the document, so that an answer can be traced to its
//! document. The text makes no claims.

use std::ops::RangeInclusive;

/// The start of every simulated text.
pub(super) const MARK: &str = "[simulated]";

const VOCABULARY: [&str; 64] = [
    "about", "account", "amber", "answer", "autumn", "balance", "before", "bridge", "careful", "carries", "centre", "clear", "coast",
    "common", "detail", "early", "evening", "every", "field", "figure", "follows", "garden", "gentle", "ground", "harbour", "here",
    "island", "known", "lantern", "later", "letter", "light", "little", "many", "margin", "matter", "meadow", "measure", "morning",
    "north", "notes", "number", "paper", "pattern", "plain", "quiet", "reason", "river", "round", "several", "shows", "silver", "simple",
    "slow", "small", "spring", "stone", "story", "summer", "toward", "usual", "valley", "window", "winter",
];

/// Generates texts about one document.
#[derive(Debug)]
pub(super) struct Speaker<'a> {
    pub(super) rng: fastrand::Rng,
    document: &'a str,
    docid: Option<&'a str>,
}

impl<'a> Speaker<'a> {
    pub(super) fn new(seed: u64, document: &'a str, docid: Option<&'a str>) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), document, docid }
    }

    /// A marked text of about this many words. From 8 words on it is a sentence.
    pub(super) fn say(&mut self, words: RangeInclusive<usize>) -> String {
        let count = self.rng.usize(words);
        let mut text = String::with_capacity(16 + count * 8);
        text.push_str(MARK);
        if let Some(docid) = self.docid {
            text.push(' ');
            text.push_str(docid);
        }
        for index in 0..count {
            text.push(' ');
            let start = text.len();
            // One word in four comes from the document, starting with the second.
            let quoted = if index % 4 == 1 { self.quote() } else { None };
            text.push_str(quoted.unwrap_or_else(|| VOCABULARY[self.rng.usize(..VOCABULARY.len())]));
            if index == 0
                && let Some(first) = text.get_mut(start..=start)
            {
                first.make_ascii_uppercase();
            }
        }
        if count >= 8 {
            text.push('.');
        }
        text
    }

    /// A plain word from the document, found without reading all of it.
    fn quote(&mut self) -> Option<&'a str> {
        if self.document.len() < 8 {
            return None;
        }
        for _ in 0..8 {
            let mut at = self.rng.usize(..self.document.len());
            while !self.document.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = self.document.len().min(at + 160); // scripts without spaces have no end of word
            while !self.document.is_char_boundary(end) {
                end -= 1;
            }
            let mut words = self.document[at..end].split_ascii_whitespace();
            words.next(); // most likely the end of a word
            let Some(word) = words.next() else { continue };
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            if (4..=24).contains(&word.len()) && word.chars().all(char::is_alphabetic) {
                return Some(word);
            }
        }
        None
    }
}
