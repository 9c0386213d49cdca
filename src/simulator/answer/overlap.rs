//! Choices by the words that their values have in common with the text.

use super::field::{Field, is_other, words};
use super::writer::Writer;
use crate::simulator::reading::digest::{is_content, stem};
use crate::simulator::reading::topics;
use std::collections::{HashMap, HashSet};

/// Weights of a value's own words, and of those that the job says about it. A word that goes with
/// its subject has 1.
const OWN: f64 = 3.0;
const EXPLAINED: f64 = 1.5;
/// Weight of a word that has occurred before.
const REPEATED: f64 = 0.3;

/// Words that a value has in common with the text: its own, those that the job says about it, and
/// those that go with its subject.
pub fn scores(writer: &Writer<'_, '_>, names: &[String], field: &Field<'_>) -> Option<Vec<f64>> {
    let text = writer.reading.text;
    let named: Vec<Vec<String>> = names.iter().map(|name| words(name)).collect();
    let subjects: Vec<topics::Subjects> =
        named.iter().map(|words| words.iter().map(|word| topics::named(word)).fold(0, |all, own| all | own)).collect();
    let mut wanted: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
    for (index, own) in named.iter().enumerate() {
        for word in own {
            wanted.entry(stem(word).to_owned()).or_default().push((index, OWN));
        }
        for stem in writer.explanation(own, &named, field) {
            wanted.entry(stem).or_default().push((index, EXPLAINED));
        }
    }
    let mut scores = vec![0.0; names.len()];
    let mut seen: HashSet<&str> = HashSet::new();
    let mut at = 0;
    while at < text.words.len() {
        let word = text.lower(&text.words[at]);
        let subject = topics::of(text, &text.words[at..]);
        let named = wanted.get(stem(word)).filter(|_| is_content(word));
        if named.is_some() || subject.is_some() {
            let weight = if seen.insert(stem(word)) { 1.0 } else { REPEATED };
            for (index, own) in named.into_iter().flatten() {
                scores[*index] += weight * own;
            }
            let bits = subject.map_or(0, |(_, bits)| bits);
            for (score, own) in scores.iter_mut().zip(&subjects) {
                *score += if bits & own == 0 { 0.0 } else { weight };
            }
        }
        at += subject.map_or(1, |(length, _)| length);
    }
    for (index, words) in named.iter().enumerate() {
        // A complaint is negative, praise is positive.
        let sign: f64 = words.iter().map(|word| f64::from(writer.polarity(word))).sum();
        if sign != 0.0 {
            scores[index] += (sign.signum() * f64::from(writer.reading.feeling().score()) * 2.0).max(0.0);
        }
        if words.iter().any(|word| is_other(word)) {
            scores[index] = 0.0;
        }
    }
    scores.iter().any(|score| *score > 0.0).then_some(scores)
}
