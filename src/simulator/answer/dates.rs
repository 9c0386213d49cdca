//! Dates in a text.

use crate::simulator::reading::lexicon::Lexicon;
use crate::simulator::reading::text::{Text, Word};
use std::sync::LazyLock;

/// Names of the months in the known languages.
const MONTHS: [&str; 12] = [
    "jan januar* janeir* janvier enero ene gennaio styczn*",
    "feb februar* fevereir* févr* febrero febbraio lut*",
    "mar march märz mars marzo março maart marzec marca",
    "apr april* avril abril aprile kwie*",
    "may mai mayo maio maggio mei maj maja",
    "jun june juni juin junio junho giugno czerw*",
    "jul july juli juillet julio julho luglio lipiec lipca",
    "aug august* août agosto sierp*",
    "sep sept september* septem* setembr* settembre wrze*",
    "oct okt octob* oktober outubro ottobre paźdz*",
    "nov novem* listopad*",
    "dec dez decem* dezem* déc* diciembre dicembre grud*",
];

static NAMES: LazyLock<Lexicon<u32>> =
    LazyLock::new(|| Lexicon::new((1..).zip(MONTHS).flat_map(|(number, names)| names.split(' ').map(move |name| (name, number)))));

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: u32,
    pub month: u32,
    pub day: u32,
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The dates of a text with their first and last words. A date without a year has that of another
/// date or number of the text.
pub fn dates(text: &Text<'_>) -> Vec<(Date, Word, Word)> {
    let words = &text.words;
    let year = words.iter().find_map(|word| year(text.lower(word)));
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let at = |offset: usize| words.get(index + offset).map_or("", |word| text.lower(word));
        let joined = |offset: usize, sign: &str| {
            words
                .get(index + offset)
                .zip(words.get(index + offset + 1))
                .is_some_and(|(one, next)| text.source.get(one.end..next.start) == Some(sign))
        };
        let number = |offset: usize| at(offset).trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse::<u32>().ok();
        let mut add = |year: Option<u32>, month: Option<u32>, day: Option<u32>, length: usize| {
            if let (Some(year), Some(month @ 1..=12), Some(day)) = (year, month, day)
                && (1..=length_of(year, month)).contains(&day)
            {
                found.push((Date { year, month, day }, *word, words[(index + length - 1).min(words.len() - 1)]));
            }
        };
        if joined(0, "-") && joined(1, "-") && self::year(at(0)).is_some() {
            add(self::year(at(0)), number(1), number(2), 3);
        } else if joined(0, "/") && joined(1, "/") {
            let (first, second) = (number(0), number(1));
            let (day, month) = if second > Some(12) { (second, first) } else { (first, second) };
            add(self::year(at(2)), month, day, 3);
        } else if at(0).split('.').count() == 3 {
            let mut parts = at(0).split('.');
            let (day, month) = (parts.next().and_then(|part| part.parse().ok()), parts.next().and_then(|part| part.parse().ok()));
            add(parts.next().and_then(self::year), month, day, 1);
        } else if let Some(own) = month(at(0)) {
            // March 2, 2024
            let next = self::year(at(2));
            add(next.or(year), Some(own), number(1).filter(|day| *day <= 31), if next.is_some() { 3 } else { 2 });
        } else if number(0).is_some_and(|day| day <= 31) {
            // 2 March 2024, 2 de marzo de 2024
            let gap = usize::from(at(1) == "de" || at(1) == "di");
            let after = 2 + gap + usize::from(at(2 + gap) == "de");
            let next = self::year(at(after));
            add(next.or(year), month(at(1 + gap)), number(0), if next.is_some() { after + 1 } else { 2 + gap });
        }
    }
    found
}

fn year(word: &str) -> Option<u32> {
    (word.len() == 4).then(|| word.parse().ok()).flatten().filter(|year| (1500..2200).contains(year))
}

fn month(word: &str) -> Option<u32> {
    NAMES.get(word)
}

fn length_of(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}
