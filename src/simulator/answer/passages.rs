//! Passages of a document that fields ask for: values behind labels, titles, names, addresses.

use super::field::Field;
use super::writer::Writer;
use crate::simulator::reading::digest::{is_content, stem};
use crate::simulator::reading::text::Word;

/// A value behind a label that has the words of the field: `Invoice number: 4711`.
pub fn labelled(writer: &Writer<'_, '_>, field: &Field<'_>) -> Option<String> {
    let own: Vec<&str> = field.own.iter().filter(|word| word.len() > 1).map(|word| stem(word)).collect();
    writer
        .reading
        .text
        .source
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(label, value)| label.len() < 60 && !value.trim().is_empty())
        .find_map(|(label, value)| {
            let label = super::field::words(label);
            let common = own.iter().filter(|word| label.iter().any(|own| stem(own) == **word)).count();
            (common > 0 && common * 2 >= own.len().max(label.len()))
                .then(|| quoted(value.trim().trim_end_matches([',', ';']).trim_matches('"')))
        })
}

/// The longest run of words of a line without numbers and punctuation.
pub fn phrase(writer: &Writer<'_, '_>) -> String {
    let text = writer.reading.text;
    let is_number = |word: &&Word| text.lower(word).starts_with(|c: char| c.is_ascii_digit());
    let words = &text.words;
    let mut best = (0, 0);
    let mut first = 0;
    for index in 0..=words.len() {
        let ends = words.get(index).is_none_or(|word| is_number(&word) || word.after_break);
        if ends {
            if index - first > best.1 - best.0 {
                best = (first, index);
            }
            first = if words.get(index).is_some_and(|word| is_number(&word)) { index + 1 } else { index };
        }
    }
    if best.1 == best.0 { quoted(text.source) } else { text.source[words[best.0].start..words[best.1 - 1].end].to_owned() }
}

/// The first heading, or the beginning of the leading sentence.
pub fn title(writer: &Writer<'_, '_>) -> Option<String> {
    let text = writer.reading.text;
    let heading = text.sentences.first().filter(|sentence| sentence.heading && sentence.end - sentence.start < 120);
    let sentence = heading.copied().or_else(|| writer.reading.digest().summary(1).first().copied())?;
    let quoted = quoted(text.sentence(&sentence));
    let own = quoted.split_once(": ").filter(|(label, _)| label.len() < 12 && !label.contains(' ')).map_or(quoted.as_str(), |(_, own)| own);
    Some(own.split(' ').take(12).collect::<Vec<_>>().join(" ").trim_end_matches(['.', ',', ':']).to_owned())
}

/// Runs of capitalised words inside of sentences.
pub fn names(writer: &Writer<'_, '_>) -> Vec<String> {
    let text = writer.reading.text;
    let german = writer.reading.language().code() == "de";
    let mut found = Vec::new();
    for sentence in &text.sentences {
        let words = text.words_of(sentence);
        let capital = |index: usize| {
            let word = &words[index];
            text.written(word).starts_with(char::is_uppercase) && (is_content(text.lower(word)) || text.written(word).len() < 3)
        };
        let mut index = 0;
        while index < words.len() {
            let run = (index..words.len()).take_while(|at| capital(*at) && (*at == index || !words[*at].after_break)).count();
            // A single capitalised word at the beginning, or in German, is more likely no name.
            if run > 1 || run == 1 && index > 0 && !german && !words[index].after_break {
                found.push(text.source[words[index].start..words[index + run - 1].end].to_owned());
            }
            index += run.max(1);
        }
    }
    found
}

pub fn tokens(text: &str, is: impl Fn(&str) -> bool) -> Vec<String> {
    let trimmed = |token: &str| token.trim_matches(|c: char| !c.is_alphanumeric() && c != '/').to_owned();
    text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',')).map(trimmed).filter(|token| is(token)).collect()
}

pub fn is_email(token: &str) -> bool {
    token.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@')) && token.is_ascii()
}

pub fn is_link(token: &str) -> bool {
    token.starts_with("http://") || token.starts_with("https://") || token.starts_with("www.")
}

pub fn phones(text: &str) -> Vec<String> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | '-' | '/' | ' ');
    let runs = text.split(|c: char| !part(c)).map(|run| run.trim_matches(|c: char| !c.is_ascii_digit() && c != '+' && c != '('));
    let digits = |run: &str| run.chars().filter(char::is_ascii_digit).count();
    runs.filter(|run| (7..=15).contains(&digits(run)) && run.starts_with(['+', '0', '(']) && !run.contains("  "))
        .map(str::to_owned)
        .collect()
}

/// A passage in one line, without the marks of Markdown.
pub fn quoted(passage: &str) -> String {
    let words = passage.split_whitespace().map(|word| word.trim_matches(['*', '`', '_', '#', '|'])).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The first time of day of a text.
pub fn clock(text: &str) -> Option<String> {
    let mut tokens = text.split(|c: char| !(c.is_ascii_digit() || c == ':'));
    tokens.find_map(|token| {
        let (hours, minutes) = token.split_once(':').filter(|(hours, minutes)| hours.len() <= 2 && minutes.len() == 2)?;
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then(|| format!("{hours:02}:{minutes:02}:00"))
    })
}
