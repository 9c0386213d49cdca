//! Finds words that together give an order to a model.
//!
//! `words.txt` puts words into categories. `rules.txt` says which categories must be close together.
//! Rules do not depend on the language, and seldom on the order of the words.

use super::lexicon::{CATEGORIES, Categories, LANGUAGES, LEXICON, Lexicon, Meaning, PHRASE, Rule, Rules, STEM, add, bits};
use super::words::{Place, each_word};
use std::ops::Range;

/// A forbidden word counts from this many words before the first word of a finding.
const NEAR: u32 = 3;
/// Number of single letters in a row that may spell words, and the gap between them.
const LETTERS: usize = 6;
const GAP: usize = 3;
/// Words of at least this many bytes may be several words without spaces.
const GLUED: usize = 24;
/// Length of the longest word that is looked for in them, in bytes.
const LONGEST: usize = 20;

/// The last word of a category.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Its number, from 1; 0 without a number.
    word: u32,
    sentence: u32,
    start: usize,
}

/// Follows a text word by word.
struct Matcher {
    lexicon: &'static Lexicon,
    /// The last word of each category in each language.
    last: Vec<[Seen; CATEGORIES]>,
    word: u32,
    recent: [String; PHRASE],
    /// Single letters in a row, and the place of the last.
    letters: String,
    letter: Place,
    built_in: BuiltIn,
    found: Vec<Range<usize>>,
}

/// Categories that depend on more than a word.
struct BuiltIn {
    alarm: Categories,
    colon: Categories,
    quote: Categories,
    number: Categories,
    /// A role and its line: `system` and `System:` at the beginning of a line.
    lines: [(Categories, Categories); 3],
}

/// The places of passages that give orders to a model.
pub(super) fn findings(text: &str) -> Vec<Range<usize>> {
    let lexicon = &*LEXICON;
    let line = |role: &str| (lexicon.name(&format!("ROLE_{role}")), lexicon.name(&format!("{role}_LINE")));
    let built_in = BuiltIn {
        alarm: lexicon.name("ALARM"),
        colon: lexicon.name("COLON"),
        quote: lexicon.name("QUOTE"),
        number: lexicon.name("NUMBER"),
        lines: [line("SYSTEM"), line("ASSISTANT"), line("USER")],
    };
    let mut matcher = Matcher {
        lexicon,
        last: vec![[Seen::default(); CATEGORIES]; LANGUAGES],
        word: 0,
        recent: Default::default(),
        letters: String::new(),
        letter: Place::default(),
        built_in,
        found: Vec::new(),
    };
    each_word(text, |word, place| matcher.word(word, place));
    matcher.end_letters();
    matcher.found
}

impl Matcher {
    fn word(&mut self, word: &str, place: Place) {
        let mut characters = word.chars();
        let is_letter = characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none();
        if !is_letter || place.gap > GAP || place.sentence != self.letter.sentence {
            self.end_letters();
        }
        if is_letter {
            let start = if self.letters.is_empty() { place.start } else { self.letter.start };
            self.letters.push_str(word);
            self.letter = Place { start, ..place };
            return;
        }
        if word.len() >= GLUED {
            self.spelled(word, place);
        }
        self.read(word, place);
    }

    /// Reads single letters in a row, and the words that they spell if they are many.
    fn end_letters(&mut self) {
        let letters = std::mem::take(&mut self.letters);
        if letters.chars().count() >= LETTERS {
            self.spelled(&letters, self.letter);
        } else {
            letters.chars().for_each(|letter| self.read(letter.encode_utf8(&mut [0; 4]), self.letter));
        }
    }

    /// Reads the known words in a row of letters without spaces, the longest first.
    fn spelled(&mut self, letters: &str, place: Place) {
        let mut at = 0;
        while at < letters.len() {
            let known = |end: &usize| {
                let word = letters.get(at..*end);
                word.is_some_and(|word| self.lexicon.words.contains_key(word) || self.lexicon.stems_of(word).any(|(stem, _)| stem == word))
            };
            let end = (at + STEM..=letters.len().min(at + LONGEST)).rev().find(known);
            if let Some(end) = end {
                self.read(&letters[at..end], place);
            }
            at = end.unwrap_or(at + letters[at..].chars().next().map_or(1, char::len_utf8));
        }
    }

    fn read(&mut self, word: &str, place: Place) {
        self.word += 1;
        let mut meaning = self.lexicon.of(word, place.capitals);
        self.add_phrases(word, &mut meaning);
        self.recent.rotate_left(1);
        self.recent[PHRASE - 1].clear();
        self.recent[PHRASE - 1].push_str(word);
        let around = self.around(word, place);
        for (language, categories) in meaning.into_iter().enumerate() {
            let lines = self.built_in.lines.iter().filter(|(role, _)| place.starts_line && place.colon && categories & role != 0);
            let categories = lines.fold(categories | around, |all, (_, line)| all | line);
            if categories != 0 {
                self.apply(language, categories, place);
            }
        }
    }

    /// The categories that the surroundings of a word give it.
    fn around(&self, word: &str, place: Place) -> Categories {
        let BuiltIn { colon, quote, number, .. } = &self.built_in;
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let given = [(place.colon, colon), (place.quoted, quote), (is_number, number)];
        given.iter().fold(0, |all, (applies, category)| if *applies { all | *category } else { all })
    }

    /// Adds the meanings of the phrases that end with this word.
    fn add_phrases(&self, last: &str, meaning: &mut Meaning) {
        for (words, more) in self.lexicon.phrases.get(last).into_iter().flatten() {
            if words.iter().rev().zip(self.recent.iter().rev()).all(|(one, other)| one == other) {
                add(meaning, more);
            }
        }
    }

    /// Applies the rules to the current word.
    fn apply(&mut self, language: usize, categories: Categories, place: Place) {
        self.see(language, categories, place);
        let mut left = self.lexicon.rules_with(categories);
        while let Some(at) = bits(left).next() {
            let rule = &self.lexicon.rules[at];
            left &= left - 1;
            let Some(start) = self.start(language, rule, place) else { continue };
            if rule.gives != self.built_in.alarm {
                // Only later rules may need the category.
                left |= self.lexicon.rules_with(rule.gives) & Rules::MAX << at;
                self.see(language, rule.gives, Place { start, ..place });
            } else if self.found.last().is_none_or(|last| last.end <= start) {
                self.found.push(start..place.end);
            }
        }
    }

    fn see(&mut self, language: usize, categories: Categories, place: Place) {
        let seen = Seen { word: self.word, sentence: place.sentence, start: place.start };
        bits(categories).for_each(|bit| self.last[language][bit] = seen);
    }

    /// The last word of these categories.
    fn last_of(&self, language: usize, categories: Categories) -> Seen {
        bits(categories).map(|bit| self.last[language][bit]).max_by_key(|seen| seen.word).unwrap_or_default()
    }

    /// The start of the passage that a rule matches at the current word.
    fn start(&self, language: usize, rule: &Rule, place: Place) -> Option<usize> {
        let sentences = u32::from(rule.crosses);
        let near = |seen: &Seen, span: u32| seen.word > 0 && seen.word + span > self.word && seen.sentence + sentences >= place.sentence;
        let (mut first, mut before) = (Seen { word: u32::MAX, ..Seen::default() }, 0);
        for (need, follows) in &rule.needs {
            let seen = self.last_of(language, *need);
            if !near(&seen, rule.span) || (*follows && seen.word <= before) {
                return None;
            }
            before = seen.word;
            if seen.word < first.word {
                first = seen;
            }
        }
        let forbidden = self.last_of(language, rule.forbids);
        (!near(&forbidden, self.word - first.word + NEAR + 1)).then_some(first.start)
    }
}
