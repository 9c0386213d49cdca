//! The content of a text: central words and sentences.

use super::language::{is_dull, is_stopword};
use super::text::{Sentence, Text, Word};
use std::collections::HashMap;

/// Characters of the beginning of a word that tell it from others, whatever its ending.
const STEM: usize = 6;
/// Weight of the first sentence of a text.
const LEADING: f32 = 1.6;

/// Frequencies of the words that carry content.
#[derive(Debug)]
pub struct Digest<'t, 'a> {
    text: &'t Text<'a>,
    counts: HashMap<&'t str, f32>,
}

/// The beginning of a word, without its ending.
pub fn stem(word: &str) -> &str {
    let end = word.char_indices().nth(STEM).map_or(word.len(), |(end, _)| end);
    let stem = &word[..end];
    if end == word.len() && stem.len() > 3 { stem.strip_suffix('s').unwrap_or(stem) } else { stem }
}

/// Whether a word in lower case carries content.
pub fn is_content(word: &str) -> bool {
    is_wordy(word) && !is_stopword(word)
}

fn is_wordy(word: &str) -> bool {
    word.len() > 2 && word.starts_with(char::is_alphabetic)
}

impl<'t, 'a> Digest<'t, 'a> {
    /// Counts the words. Those of headings and names count more.
    pub fn new(text: &'t Text<'a>) -> Self {
        let mut counts: HashMap<&str, f32> = HashMap::with_capacity(text.words.len());
        for (index, sentence) in text.sentences.iter().enumerate() {
            let title = if index == 0 && sentence.heading { 1.0 } else { 0.0 };
            for (place, word) in text.words_of(sentence).iter().enumerate() {
                let lower = text.lower(word);
                if is_wordy(lower) && !is_dull(lower) {
                    let name = place > 0 && text.written(word).starts_with(char::is_uppercase);
                    *counts.entry(stem(lower)).or_default() += 1.0 + title + f32::from(u8::from(name)) * 0.3;
                }
            }
        }
        Self { text, counts }
    }

    fn count(&self, word: &Word) -> f32 {
        self.counts.get(stem(self.text.lower(word))).copied().unwrap_or(0.0)
    }

    /// How much a sentence says about what the text is about.
    pub fn centrality(&self, sentence: &Sentence) -> f32 {
        let words = self.text.words_of(sentence);
        let mut seen: Vec<&str> = Vec::with_capacity(words.len());
        let mut sum = 0.0;
        for word in words {
            let stem = stem(self.text.lower(word));
            if let Some(count) = self.counts.get(stem).filter(|_| !seen.contains(&stem)) {
                seen.push(stem);
                sum += (count - 0.5).max(0.0);
            }
        }
        sum / (words.len() as f32 + 6.0).sqrt()
    }

    /// The leading sentence and the most central others, in their order. Headings only if there is
    /// nothing else.
    pub fn summary(&self, count: usize) -> Vec<Sentence> {
        let full = |sentence: &&Sentence| !sentence.heading && sentence.words.1 - sentence.words.0 > 3;
        let mut sentences: Vec<&Sentence> = self.text.sentences.iter().filter(full).collect();
        if sentences.is_empty() {
            sentences = self.text.sentences.iter().collect();
        }
        let leading = |index: usize| if index == 0 { f32::MAX } else { LEADING / (index as f32).sqrt().max(1.0) };
        let mut ranked: Vec<(f32, &Sentence)> =
            sentences.iter().enumerate().map(|(index, sentence)| (self.centrality(sentence) + leading(index), *sentence)).collect();
        ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut best: Vec<Sentence> = ranked.into_iter().take(count).map(|(_, sentence)| *sentence).collect();
        best.sort_by_key(|sentence| sentence.start);
        best
    }

    /// The most frequent words and phrases, as written.
    pub fn keywords(&self, count: usize) -> Vec<String> {
        let words = &self.text.words;
        let mut found: Vec<(f32, usize, usize)> = Vec::new();
        let mut pairs: HashMap<(&str, &str), (f32, usize)> = HashMap::new();
        let mut singles: HashMap<&str, usize> = HashMap::new();
        for (index, word) in words.iter().enumerate() {
            if self.count(word) == 0.0 {
                continue;
            }
            let own = stem(self.text.lower(word));
            singles.entry(own).or_insert(index);
            if let Some(next) = words.get(index + 1).filter(|next| !next.after_break && self.count(next) > 0.0) {
                let pair = pairs.entry((own, stem(self.text.lower(next)))).or_insert((0.0, index));
                pair.0 += 1.0;
            }
        }
        let repeated = pairs.into_values().filter(|(count, _)| *count > 1.0);
        found.extend(repeated.map(|(count, index)| (count * 1.9, index, index + 1)));
        found.extend(singles.into_values().map(|index| {
            let length = words[index].end - words[index].start;
            (self.count(&words[index]) + (length as f32).min(12.0) * 0.04, index, index)
        }));
        found.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut chosen: Vec<String> = Vec::new();
        let mut used: Vec<&str> = Vec::new();
        for (_, first, last) in found {
            let stems = [first, last].map(|index| stem(self.text.lower(&words[index])));
            if chosen.len() < count && !stems.iter().any(|stem| used.contains(stem)) {
                used.extend(stems);
                chosen.push(self.text.source[words[first].start..words[last].end].to_owned());
            }
        }
        chosen
    }
}
