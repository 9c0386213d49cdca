//! Decides whether hyphens at line ends belong to the word.
//!
//! While pages are read, [`JOINT`] marks the place behind such a hyphen. When all pages are read,
//! the words of the document decide, then rules for compounds. All other hyphens only divide.

use super::tables::is_amount;
use std::collections::{HashMap, HashSet};

/// The mark between the hyphen of a line end and the rest of its word.
///
/// The text of a page has no private characters.
pub(super) const JOINT: char = '\u{E000}';
/// The hyphen that only divides.
pub(super) const SOFT: char = '\u{AD}';

/// Maximum bytes of a web address or an amount.
const LONGEST: usize = 2000;

/// Beginnings whose hyphen stays before any word.
const BEGINNINGS: &[&str] = &["self", "well", "quasi", "half", "cross", "vice"];
/// Beginnings whose hyphen stays before a word of [`ENDINGS`], or before a participle.
const ADJECTIVES: &[&str] = &[
    "best", "better", "big", "broad", "close", "cost", "data", "deep", "double", "easy", "end", "face", "fast", "first", "five", "four",
    "full", "good", "hard", "heavy", "high", "higher", "large", "last", "late", "left", "light", "long", "longer", "low", "lower",
    "market", "mid", "multi", "narrow", "new", "non", "old", "one", "open", "part", "peer", "point", "poor", "quick", "real", "rich",
    "right", "same", "second", "semi", "short", "side", "single", "six", "slow", "small", "soft", "so", "state", "strong", "ten", "third",
    "three", "time", "top", "triple", "two", "user", "weak", "wide", "world", "year",
];
/// Second parts of compounds.
const ENDINGS: &[&str] = &[
    "adjoint",
    "aware",
    "based",
    "called",
    "centric",
    "class",
    "date",
    "day",
    "defined",
    "dependent",
    "depth",
    "dimensional",
    "driven",
    "edge",
    "end",
    "energy",
    "face",
    "free",
    "friendly",
    "frequency",
    "fold",
    "friction",
    "grade",
    "grained",
    "half",
    "hand",
    "hour",
    "independent",
    "induced",
    "intensive",
    "income",
    "invasive",
    "known",
    "layer",
    "length",
    "level",
    "like",
    "loop",
    "made",
    "minute",
    "month",
    "off",
    "only",
    "order",
    "oriented",
    "page",
    "part",
    "party",
    "performance",
    "person",
    "phase",
    "power",
    "pressure",
    "profile",
    "quality",
    "range",
    "rate",
    "ready",
    "related",
    "resolution",
    "risk",
    "scale",
    "sensitive",
    "side",
    "sided",
    "size",
    "sized",
    "specific",
    "speed",
    "stage",
    "standing",
    "state",
    "step",
    "style",
    "temperature",
    "term",
    "tier",
    "time",
    "to",
    "tolerant",
    "trivial",
    "type",
    "up",
    "value",
    "valued",
    "week",
    "wide",
    "width",
    "world",
    "year",
    "zero",
];
/// Parts of words that are no words, so that `inter-dependent` is one word.
const FRAGMENTS: &[&str] = &[
    "anti", "auto", "counter", "hyper", "inter", "intra", "macro", "micro", "mono", "neuro", "over", "photo", "poly", "post", "pseudo",
    "super", "trans", "ultra", "under", "un", "in", "im", "de", "dis", "re", "pre", "pro", "co", "sub", "mis", "out", "fore", "thermo",
];
/// Endings of words that follow a hyphen only where it divides.
const SUFFIXES: &[&str] = &[
    "able", "al", "ance", "ed", "en", "ence", "er", "ers", "es", "est", "ful", "hood", "ible", "ic", "ing", "ings", "ion", "ish", "ism",
    "ist", "ity", "ive", "ize", "less", "ly", "ment", "ments", "ness", "ous", "ship", "sion", "tion", "tions", "ty", "ward", "wards",
];
const TENS: &[&str] = &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ONES: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "first", "second", "third", "fourth", "fifth", "sixth",
    "seventh", "eighth", "ninth",
];
/// Words after the hyphen of a part that several words share, as in `pre- and post-war`.
const SHARED: &[&str] = &["and", "or", "to", "und", "oder", "bzw", "bis", "sowie", "et", "ou", "y", "o", "e", "en", "of"];
/// Small words inside compounds, as in `state-of-the-art`.
const LINKS: &[&str] = &["of", "the", "to", "in", "on", "and", "by", "a", "an", "for", "at", "up", "or", "as", "de", "la", "le"];

/// Whether the line break after a hyphen must stay, because the hyphen ends a part of a word.
pub(super) fn is_shared(rest: &str) -> bool {
    SHARED.contains(&leading(rest).to_lowercase().as_str())
}

/// Whether a text ends in a part of a web address.
pub(super) fn is_address(text: &str) -> bool {
    let last = last_word(text);
    last.contains("://") || last.starts_with("www.")
}

/// Whether the hyphen between two lines of a cell belongs to a code, a date or a name.
///
/// A hyphen behind an amount is its sign.
pub(super) fn is_code(before: &str, after: &str) -> bool {
    let before = before.strip_suffix(is_hyphen).unwrap_or(before);
    let is_word = before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphanumeric);
    is_word && !is_shared(after) && !is_amount(last_word(before))
}

/// The last word, or its last [`LONGEST`] bytes.
fn last_word(text: &str) -> &str {
    let end = &text[text.floor_char_boundary(text.len().saturating_sub(LONGEST))..];
    end.rsplit(char::is_whitespace).next().unwrap_or_default()
}

/// Replaces the marks on all pages.
pub(super) fn resolve<'t>(pages: impl Iterator<Item = &'t mut String>) {
    let mut pages: Vec<&mut String> = pages.collect();
    let mut wanted: HashMap<String, usize> = HashMap::new();
    for (first, rest) in pages.iter().flat_map(|page| joints(page)) {
        wanted.insert(format!("{first}{rest}"), 0);
        wanted.insert(format!("{first}-{rest}"), 0);
    }
    if wanted.is_empty() {
        return;
    }
    for page in &pages {
        for word in page.split(|character: char| !(character.is_alphabetic() || character == '-' || character == JOINT)) {
            if let Some(count) = wanted.get_mut(&word.trim_matches('-').to_lowercase()) {
                *count += 1;
            }
        }
    }
    let kept: HashSet<(String, String)> = (pages.iter().flat_map(|page| joints(page)))
        .filter(|(first, rest)| {
            let (whole, compound) = (wanted[&format!("{first}{rest}")], wanted[&format!("{first}-{rest}")]);
            if whole == compound { is_compound(first, rest) } else { compound > whole }
        })
        .collect();
    for page in pages.iter_mut().filter(|page| page.contains(JOINT)) {
        let mut text = String::with_capacity(page.len());
        let mut parts = page.split(JOINT).peekable();
        while let Some(part) = parts.next() {
            match parts.peek() {
                Some(next) if !kept.contains(&around(part, next)) => text.push_str(part.strip_suffix(is_hyphen).unwrap_or(part)),
                _ => text.push_str(part),
            }
        }
        **page = text;
    }
}

/// The parts of words before and after each mark, in lower case.
fn joints(page: &str) -> impl Iterator<Item = (String, String)> {
    let parts: Vec<&str> = if page.contains(JOINT) { page.split(JOINT).collect() } else { Vec::new() };
    (1..parts.len()).map(move |at| around(parts[at - 1], parts[at]))
}

fn around(before: &str, after: &str) -> (String, String) {
    let before = before.strip_suffix(is_hyphen).unwrap_or(before);
    let start =
        before.char_indices().rev().take_while(|(_, c)| c.is_alphabetic() || is_hyphen(*c)).last().map_or(before.len(), |(at, _)| at);
    (before[start..].trim_matches(is_hyphen).to_lowercase(), leading(after).to_lowercase())
}

/// The letters at the beginning.
fn leading(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len())]
}

pub(super) fn is_hyphen(character: char) -> bool {
    matches!(character, '-' | SOFT | '\u{2010}')
}

/// Whether the hyphen belongs to the word. The document has no other evidence.
fn is_compound(first: &str, rest: &str) -> bool {
    let last = first.rsplit(is_hyphen).next().unwrap_or(first);
    if SUFFIXES.contains(&rest) || FRAGMENTS.contains(&last) {
        return false;
    }
    let ends = ENDINGS.contains(&rest) || rest.len() > 4 && rest.ends_with("ed");
    match () {
        () if last.chars().count() == 1 => true,
        () if last.len() < first.len() => LINKS.contains(&last) || LINKS.contains(&rest) || ENDINGS.contains(&rest),
        () if TENS.contains(&first) => ONES.contains(&rest),
        () if BEGINNINGS.contains(&first) => rest.chars().count() > 2,
        () if ADJECTIVES.contains(&first) => ends,
        () => first.len() > 3 && ["based", "like", "driven", "oriented", "dependent", "specific", "related", "free"].contains(&rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        let mut page = text.replace('|', &JOINT.to_string());
        resolve(std::iter::once(&mut page));
        page
    }

    #[test]
    fn compounds_keep_their_hyphen_and_divided_words_lose_it() {
        for word in ["state-of-the-|art", "self-|adjoint", "well-|known", "e-|mail", "twenty-|five", "high-|quality", "rule-|based"] {
            assert_eq!(resolved(word), word.replace('|', ""));
        }
        for word in
            ["inter-|national", "un-|known", "high-|er", "some-|thing", "self-|ish", "long-estab-|lished", "twenti-|eth", "ex-|ample"]
        {
            assert_eq!(resolved(word), word.replace("-|", ""));
        }
    }

    #[test]
    fn the_words_of_the_document_decide() {
        assert_eq!(resolved("co-|operate, cooperate"), "cooperate, cooperate");
        assert_eq!(resolved("The co-|op. A co-op."), "The co-op. A co-op.");
        assert_eq!(resolved("a Self-|ish, self-ish"), "a Self-ish, self-ish");
        assert_eq!(resolved("well-|known, wellknown, Wellknown"), "wellknown, wellknown, Wellknown");
    }

    #[test]
    fn only_the_last_word_can_be_an_address() {
        assert!(is_address("See https://example.com/long-") && is_address("www.example.com/a-"));
        assert!(!is_address("See https://example.com for a well-") && !is_address("awww.example-"));
        // The work for each of many joined lines is bounded.
        assert!(!is_address(&format!("https://example.com/{}", "é-".repeat(LONGEST))));
    }

    #[test]
    fn a_hyphen_behind_an_amount_is_no_part_of_a_code() {
        assert!(is_code("AB-", "1211") && is_code("2024-", "01-11") && is_code("X 1.2-", "b"));
        assert!(!is_code("100,00-", "25,00-") && !is_code("Rent 1'100.00-", "25.00-") && !is_code("pre-", "and post-war"));
    }
}
