//! The words and rules of `words.txt` and `rules.txt`.

use super::fold::{fold, without_digits};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A set of categories, one bit each.
pub(super) type Categories = u128;
/// A set of rules, by their position.
pub(super) type Rules = u128;
/// The categories of a word in each language.
pub(super) type Meaning = [Categories; LANGUAGES];

/// Number of sections in `words.txt`. The words of a finding have one language.
pub(super) const LANGUAGES: usize = 9;

pub(super) const CATEGORIES: usize = Categories::BITS as usize;
/// Length of the shortest stems, in letters.
pub(super) const STEM: usize = 3;
/// Maximum number of words in a phrase.
pub(super) const PHRASE: usize = 7;

/// The words and rules of both files.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    names: HashMap<String, Categories>,
    pub words: HashMap<String, Meaning>,
    /// Words that count only in capitals.
    capitals: HashMap<String, Meaning>,
    /// Stems by their first bytes.
    stems: HashMap<String, Vec<(String, Meaning)>>,
    /// Phrases by their last word.
    pub phrases: HashMap<String, Vec<(Vec<String>, Meaning)>>,
    pub rules: Vec<Rule>,
    /// The rules that need each category, one bit each.
    by_category: Vec<Rules>,
}

/// One line of `rules.txt`.
#[derive(Debug)]
pub(super) struct Rule {
    pub gives: Categories,
    pub span: u32,
    /// Whether its words may be in two sentences.
    pub crosses: bool,
    /// Alternatives, each with whether it must follow the ones before it.
    pub needs: Vec<(Categories, bool)>,
    pub forbids: Categories,
}

pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(include_str!("words.txt"), include_str!("rules.txt")));

impl Lexicon {
    fn new(words: &str, rules: &str) -> Self {
        let mut lexicon = Self::default();
        let mut languages = 0;
        for line in words.lines().filter(|line| !line.starts_with('#')) {
            languages += usize::from(line.starts_with('['));
            let (Some((name, words)), false) = (line.split_once(' '), line.starts_with('[')) else {
                continue;
            };
            let category = lexicon.category(name);
            // Words before the first section belong to all languages.
            let is_meant = |language: usize| languages == 0 || languages == language + 1;
            let meaning = std::array::from_fn(|language| if is_meant(language) { category } else { 0 });
            words.split(", ").for_each(|word| lexicon.add(word, meaning));
        }
        for line in rules.lines().filter(|line| !line.starts_with('#')) {
            if let Some(rule) = lexicon.rule(line) {
                lexicon.rules.push(rule);
            }
        }
        let needing = |bit: usize| {
            let needs = |rule: &Rule| rule.needs.iter().any(|(alternatives, _)| alternatives & (1 << bit) != 0);
            bits(Rules::MAX).zip(&lexicon.rules).filter(|(_, rule)| needs(rule)).fold(0, |set, (at, _)| set | 1 << at)
        };
        lexicon.by_category = (0..CATEGORIES).map(needing).collect();
        lexicon
    }

    /// The rules that need one of these categories.
    pub fn rules_with(&self, categories: Categories) -> Rules {
        bits(categories).fold(0, |rules, bit| rules | self.by_category[bit])
    }

    /// The category of this name, which is new at its first use.
    fn category(&mut self, name: &str) -> Categories {
        let next = 1_u128.checked_shl(u32::try_from(self.names.len()).unwrap_or(u32::MAX)).unwrap_or(0);
        *self.names.entry(name.to_owned()).or_insert(next)
    }

    fn add(&mut self, word: &str, meaning: Meaning) {
        if let Some(stem) = word.strip_suffix('*') {
            let stem = folded(stem);
            self.stems.entry(stem.chars().take(STEM).collect()).or_default().push((stem, meaning));
        } else if word.contains(' ') {
            let mut words: Vec<String> = folded(word).split(' ').map(str::to_owned).collect();
            if let Some(last) = words.pop() {
                self.phrases.entry(last).or_default().push((words, meaning));
            }
        } else if word.len() > 1 && word.chars().all(char::is_uppercase) {
            add(self.capitals.entry(folded(word)).or_default(), &meaning);
        } else {
            add(self.words.entry(folded(word)).or_default(), &meaning);
        }
    }

    fn rule(&mut self, line: &str) -> Option<Rule> {
        let (head, body) = line.split_once(": ")?;
        let (name, span) = head.split_once(' ')?;
        let (number, crosses) = span.strip_suffix('+').map_or((span, false), |number| (number, true));
        let (mut needs, mut forbids, mut follows) = (Vec::new(), 0, false);
        for part in body.split(' ') {
            if part == ">" {
                follows = true;
                continue;
            }
            let alternatives = part.trim_start_matches('!').split('|').fold(0, |all, name| all | self.category(name));
            if part.starts_with('!') {
                forbids |= alternatives;
            } else {
                needs.push((alternatives, std::mem::take(&mut follows)));
            }
        }
        Some(Rule { gives: self.category(name), span: number.parse().ok()?, crosses, needs, forbids })
    }

    /// The meaning of a word.
    pub fn of(&self, word: &str, capitals: bool) -> Meaning {
        let mut meaning = self.plain(word);
        if capitals && let Some(more) = self.capitals.get(word) {
            add(&mut meaning, more);
        }
        if meaning == Meaning::default() {
            meaning = without_digits(word).map_or(meaning, |word| self.plain(&word));
        }
        meaning
    }

    fn plain(&self, word: &str) -> Meaning {
        let mut meaning = self.words.get(word).copied().unwrap_or_default();
        for (_, more) in self.stems_of(word).filter(|(stem, _)| word.starts_with(stem)) {
            add(&mut meaning, more);
        }
        meaning
    }

    /// The stems with the same first letters.
    pub fn stems_of(&self, word: &str) -> impl Iterator<Item = &(String, Meaning)> {
        let first = word.char_indices().nth(STEM).map_or(word, |(end, _)| &word[..end]);
        self.stems.get(first).into_iter().flatten()
    }

    /// The category of this name; none if the files do not use it.
    pub fn name(&self, name: &str) -> Categories {
        self.names.get(name).copied().unwrap_or(0)
    }
}

pub(super) fn add(meaning: &mut Meaning, more: &Meaning) {
    meaning.iter_mut().zip(more).for_each(|(categories, more)| *categories |= more);
}

/// The positions of a set, in order.
pub(super) fn bits(mut set: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        (bit < CATEGORIES).then_some(bit)
    })
}

fn folded(text: &str) -> String {
    let mut plain = String::new();
    text.chars().for_each(|c| fold(c, |c| plain.push(c)));
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_both_files_is_used() {
        let rules = include_str!("rules.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(LEXICON.rules.len(), rules.count());
        assert!(LEXICON.rules.len() <= Rules::BITS as usize);
        assert!(LEXICON.names.len() <= CATEGORIES, "{} categories", LEXICON.names.len());
        let built_in = ["COLON", "QUOTE", "NUMBER", "SYSTEM_LINE", "ASSISTANT_LINE", "USER_LINE"];
        let given = LEXICON.rules.iter().fold(0, |all, rule| all | rule.gives);
        let words =
            LEXICON.words.values().chain(LEXICON.capitals.values()).chain(LEXICON.stems.values().flatten().map(|(_, meaning)| meaning));
        let phrases = LEXICON.phrases.values().flatten().map(|(_, meaning)| meaning);
        let known = words.chain(phrases).flatten().fold(given, |all, one| all | one);
        let needed = |rule: &Rule| rule.needs.iter().fold(rule.forbids, |all, (alternatives, _)| all | alternatives);
        let used = LEXICON.rules.iter().fold(0, |all, rule| all | needed(rule));
        for (name, category) in &LEXICON.names {
            assert!(known & category != 0 || built_in.contains(&&**name), "no word has the category {name}");
            assert!(used & category != 0 || name == "ALARM" || name.starts_with("ROLE_"), "no rule uses the category {name}");
        }
        assert_eq!(include_str!("words.txt").lines().filter(|line| line.starts_with('[')).count(), LANGUAGES);
        assert!(LEXICON.phrases.values().flatten().all(|(words, _)| words.len() <= PHRASE));
    }
}
