//! Word lists with values.
//!
//! An entry is a word, a stem (`excellent*`) or a phrase (`waste_of`). A stem matches words that
//! begin with it. The longest entry wins.

use super::text::{Text, Word};

const BUCKETS: usize = 4096;

/// A word list. Looking up a word takes some tens of nanoseconds.
#[derive(Debug)]
pub struct Lexicon<T> {
    /// Entries by the first bytes of their first word.
    buckets: Vec<Vec<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    first: Pattern,
    /// The other words of a phrase.
    rest: Vec<Pattern>,
    value: T,
}

#[derive(Debug)]
struct Pattern {
    stem: &'static str,
    open: bool,
}

impl Pattern {
    fn new(word: &'static str) -> Self {
        word.strip_suffix('*').map_or(Self { stem: word, open: false }, |stem| Self { stem, open: true })
    }

    fn matches(&self, word: &str) -> bool {
        if self.open { word.starts_with(self.stem) } else { word == self.stem }
    }
}

/// The bucket of a beginning of 3 bytes, or of 2.
fn bucket(word: &[u8], length: usize) -> usize {
    word.iter().take(length).fold(length, |sum, byte| (sum * 31 + usize::from(*byte)) % BUCKETS)
}

impl<T: Copy> Lexicon<T> {
    /// Builds a list. Stems have at least two bytes.
    pub fn new(entries: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let mut buckets: Vec<Vec<Entry<T>>> = (0..BUCKETS).map(|_| Vec::new()).collect();
        for (entry, value) in entries {
            let mut words = entry.split('_').map(Pattern::new);
            if let Some(first) = words.next() {
                let stem = first.stem.as_bytes();
                buckets[bucket(stem, if stem.len() < 3 { 2 } else { 3 })].push(Entry { first, rest: words.collect(), value });
            }
        }
        for bucket in &mut buckets {
            bucket.sort_by_key(|entry| std::cmp::Reverse((entry.rest.len(), entry.first.stem.len())));
        }
        Self { buckets }
    }

    /// The entries that may match a word: those with long stems first.
    fn near(&self, word: &str) -> impl Iterator<Item = &Entry<T>> {
        let word = word.as_bytes();
        self.buckets[bucket(word, 3)].iter().chain(&self.buckets[bucket(word, 2)])
    }

    /// The longest entry at the beginning of `words`: its number of words and its value.
    pub fn at(&self, text: &Text<'_>, words: &[Word]) -> Option<(usize, T)> {
        let (first, after) = words.split_first()?;
        let first = text.lower(first);
        let fits = |entry: &&Entry<T>| {
            entry.first.matches(first)
                && entry.rest.len() <= after.len()
                && entry.rest.iter().zip(after).all(|(pattern, word)| pattern.matches(text.lower(word)))
        };
        self.near(first).find(fits).map(|entry| (1 + entry.rest.len(), entry.value))
    }

    /// The longest entry for one word in lower case.
    pub fn get(&self, word: &str) -> Option<T> {
        self.near(word).find(|entry| entry.rest.is_empty() && entry.first.matches(word)).map(|entry| entry.value)
    }
}

/// The sections of a list: heading and lines. Comments and empty lines are left out.
pub fn sections(list: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    list.split("\n[").skip(1).filter_map(|section| {
        let (heading, lines) = section.split_once(']')?;
        Some((heading, lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()))
    })
}
