//! Sentiment of a text, by words with a strength, negations and intensifiers.

use super::language::{COUNT, Language};
use super::lexicon::{Lexicon, sections};
use super::text::{Sentence, Text, Word};
use std::sync::LazyLock;

const LIST: &str = include_str!("sentiment.txt");
const CODES: [&str; COUNT] = ["en", "de", "fr", "es", "it", "pt", "nl", "pl"];

/// What a word does to the sentiment of its sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Feels(f32),
    Negates,
    Scales(f32),
    Contrasts,
    Joins,
}

static WORDS: LazyLock<Vec<Lexicon<Role>>> = LazyLock::new(|| {
    let all: Vec<(&str, Vec<&str>)> = sections(LIST).collect();
    let of = |code: &str| {
        let lines = all.iter().filter(|(heading, _)| *heading == code || *heading == "any").flat_map(|(_, lines)| lines);
        Lexicon::new(lines.filter_map(|line| line.split_once(' ')).flat_map(|(role, words)| {
            let role = match role {
                "not" => Role::Negates,
                "very" => Role::Scales(1.5),
                "little" => Role::Scales(0.6),
                "but" => Role::Contrasts,
                "and" => Role::Joins,
                weight => Role::Feels(weight.parse().unwrap_or(0.0)),
            };
            words.split(' ').map(move |word| (word, role))
        }))
    };
    CODES.iter().map(|code| of(code)).collect()
});

/// How far a negation reaches, in words.
const REACH: usize = 4;
/// Strength of a denial.
const DENIAL: f32 = 0.8;

/// Positive and negative strength.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Feeling {
    pub positive: f32,
    pub negative: f32,
    /// Negations that turn no word with a strength: `it does not work`.
    pub denials: f32,
    pub words: usize,
    pub sentences: usize,
}

impl Feeling {
    /// From -1 (negative) to 1 (positive). Few words with a strength in a long text are near 0.
    pub fn score(self) -> f32 {
        // One denial in a short text says more than many in a long one.
        let negative = self.negative + DENIAL * self.denials / (self.sentences as f32).sqrt().max(1.0);
        (self.positive - negative) / (self.positive + negative + 1.2 + self.words.saturating_sub(10) as f32 / 5.0)
    }
}

/// The language of a text. Words with a strength are evidence too.
pub fn language(text: &Text<'_>) -> Language {
    Language::of(text, |word| std::array::from_fn(|index| u8::from(WORDS[index].get(text.lower(word)).is_some())))
}

/// The sentiment of a whole text.
pub fn of(text: &Text<'_>, language: Language) -> Feeling {
    text.sentences.iter().map(|sentence| of_sentence(text, sentence, language)).fold(Feeling::default(), |sum, one| Feeling {
        positive: sum.positive + one.positive,
        negative: sum.negative + one.negative,
        denials: sum.denials + one.denials,
        words: sum.words + one.words,
        sentences: sum.sentences + one.sentences,
    })
}

/// The polarity of a single word in English or another language: -1, 0 or 1.
pub fn polarity(word: &str, language: Language) -> i8 {
    let strength = [0, language.index()].into_iter().find_map(|index| match WORDS[index].get(word) {
        Some(Role::Feels(strength)) => Some(strength),
        _ => None,
    });
    strength.map_or(0, |strength| if strength > 0.0 { 1 } else { -1 })
}

/// The sentiment of a sentence.
pub fn of_sentence(text: &Text<'_>, sentence: &Sentence, language: Language) -> Feeling {
    let mut hits: Vec<(usize, f32)> = Vec::new();
    let (mut negations, mut joints): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut contrast, mut scale) = (None, 1.0_f32);
    let words = text.words_of(sentence);
    let mut at = 0;
    while at < words.len() {
        let (length, role) = role(text, &words[at..], language);
        match role {
            Some(Role::Feels(strength)) => {
                hits.push((at, strength * scale));
                scale = 1.0;
            }
            Some(Role::Negates) => negations.push(at),
            Some(Role::Joins) => joints.push(at),
            Some(Role::Scales(factor)) => scale = factor,
            Some(Role::Contrasts) if at > 0 => contrast = Some(at),
            _ => scale = 1.0,
        }
        at += length;
    }
    let mut feeling = Feeling { words: words.len(), sentences: 1, ..Feeling::default() };
    let mut turned = vec![false; hits.len()];
    for negation in negations {
        let reaches = |from: usize, to: usize| {
            let broken = words[from + 1..=to].iter().any(|word| word.after_break) || joints.iter().any(|at| (from..to).contains(at));
            to - from <= REACH && !broken
        };
        let next = hits.iter().position(|(at, _)| *at > negation && reaches(negation, *at));
        let ends_clause = words.get(negation + 1).is_none_or(|word| word.after_break);
        let before = || hits.iter().rposition(|(at, _)| *at < negation && reaches(*at, negation)).filter(|_| ends_clause);
        let found = next.or_else(before);
        match found {
            // A second negation of the same word says the same: `no ... nada`.
            Some(found) => turned[found] = true,
            None => feeling.denials += weight(negation, contrast),
        }
    }
    for ((at, strength), turned) in hits.into_iter().zip(turned) {
        let strength = strength * weight(at, contrast);
        let strength = match (turned, strength > 0.0) {
            (false, _) => strength,
            (true, true) => -0.8 * strength,
            (true, false) => -0.6 * strength,
        };
        if strength > 0.0 { feeling.positive += strength } else { feeling.negative -= strength }
    }
    feeling
}

/// What follows a `but` weighs more than what comes before.
fn weight(at: usize, contrast: Option<usize>) -> f32 {
    contrast.map_or(1.0, |contrast| if at < contrast { 0.5 } else { 1.5 })
}

fn role(text: &Text<'_>, words: &[Word], language: Language) -> (usize, Option<Role>) {
    match WORDS[language.index()].at(text, words) {
        Some((length, role)) => (length, Some(role)),
        None if words.first().is_some_and(|word| text.lower(word).ends_with("n't")) => (1, Some(Role::Negates)),
        None => (1, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentences were written before the word lists.
    #[test]
    fn the_sentiment_of_sentences_in_eight_languages_is_right() {
        let (mut right, mut spoken, mut count) = (0, 0, 0);
        for line in include_str!("sentences.tsv").lines() {
            let [code, label, sentence] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let text = Text::new(sentence);
            let language = language(&text);
            let score = of(&text, language).score();
            let found = if score > 0.12 {
                "positive"
            } else if score < -0.12 {
                "negative"
            } else {
                "neutral"
            };
            count += 1;
            right += usize::from(found == label);
            spoken += usize::from(language.code() == code);
        }
        assert_eq!(count, 200);
        assert!(right >= 190 && spoken >= 190, "{right} right, {spoken} languages");
    }

    #[test]
    fn negations_turn_and_contrasts_weigh() {
        let score = |text: &str| {
            let text = Text::new(text);
            of(&text, language(&text)).score()
        };
        assert!(score("The soup was good.") > score("The soup was not good."));
        assert!(score("The soup was very good.") > score("The soup was good."));
        assert!(score("The room was small, but the soup was good.") > 0.0);
        assert!(score("The soup was good, but the room was dirty.") < 0.0);
    }
}
