//! Texts in answers.

use super::dates::dates;
use super::field::{Field, Intent};
use super::passages::{clock, is_email, is_link, labelled, names, phones, phrase, quoted, title, tokens};
use super::pattern;
use super::records::unmarked;
use super::writer::Writer;
use crate::simulator::reading::text::Sentence;
use serde_json::Value;

/// Sentences of a summary.
const SUMMARY: usize = 3;
const CANNOT_TRANSLATE: &str = "The built-in server cannot translate. The document begins:";
/// Questions about a word, by language: in general, about figures, about reasons.
const QUESTIONS: [[&str; 3]; 8] = [
    ["What does the text say about “{}”?", "Which figures does the text give for “{}”?", "Which reasons does the text give for “{}”?"],
    ["Was sagt der Text über „{}“?", "Welche Zahlen nennt der Text zu „{}“?", "Welche Gründe nennt der Text zu „{}“?"],
    [
        "Que dit le texte de « {} » ?",
        "Quels chiffres le texte donne-t-il pour « {} » ?",
        "Quelles raisons le texte donne-t-il pour « {} » ?",
    ],
    ["¿Qué dice el texto sobre «{}»?", "¿Qué cifras da el texto sobre «{}»?", "¿Qué razones da el texto sobre «{}»?"],
    ["Che cosa dice il testo di «{}»?", "Quali cifre dà il testo su «{}»?", "Quali ragioni dà il testo su «{}»?"],
    ["O que diz o texto sobre «{}»?", "Que números dá o texto sobre «{}»?", "Que razões dá o texto sobre «{}»?"],
    ["Wat zegt de tekst over “{}”?", "Welke cijfers geeft de tekst over “{}”?", "Welke redenen geeft de tekst voor “{}”?"],
    ["Co tekst mówi o „{}”?", "Jakie liczby podaje tekst o „{}”?", "Jakie powody podaje tekst o „{}”?"],
];
const BECAUSE: [&str; 14] = [
    "because",
    "therefore",
    "since",
    "weil",
    "daher",
    "deshalb",
    "parce",
    "donc",
    "porque",
    "perché",
    "poiché",
    "omdat",
    "daarom",
    "ponieważ",
];

/// A text for a field, and whether anything speaks for it.
pub fn string(writer: &Writer<'_, '_>, schema: &Value, field: &Field<'_>) -> (String, bool) {
    let source = writer.reading.text.source;
    if let Some(pattern) = schema["pattern"].as_str()
        && let Some((text, found)) = pattern::matching(pattern, source)
    {
        // Some wire formats have a pattern for dates instead of a format. Year 0 is no date for many readers.
        let is_date = !found && text.starts_with("0000-");
        let date = |format| formatted(writer, format).filter(|(date, _)| pattern::matches(pattern, date));
        let dated = if is_date { ["date-time", "date"].into_iter().find_map(date) } else { None };
        return dated.unwrap_or((text, found));
    }
    if let Some(found) = formatted(writer, schema["format"].as_str().unwrap_or_default()) {
        return found;
    }
    let (text, found) = content(writer, field);
    (sized(writer, &text, schema), found)
}

/// Texts for the items of a list: at most `count`.
pub fn strings(writer: &Writer<'_, '_>, field: &Field<'_>, count: usize) -> Vec<String> {
    let earlier: Vec<String> =
        writer.parts.records.field(field.name).filter_map(|value| Some(unmarked(value.as_str()?).to_owned())).collect();
    if !earlier.is_empty() {
        return distinct(earlier, count);
    }
    let intent = field.intent().or_else(|| writer.intent());
    if let Some(looks) = writer.picture() {
        let words = looks.described();
        return match intent {
            Some(Intent::Strengths | Intent::Concerns) => writer.for_and_against(intent == Some(Intent::Strengths), count),
            Some(Intent::Questions) => words.iter().take(count).map(|word| format!("Which part of the picture is {word}?")).collect(),
            _ => words.into_iter().take(count).map(str::to_owned).collect(),
        };
    }
    let text = writer.reading.text;
    let digest = writer.reading.digest();
    match intent {
        Some(Intent::Keywords) => digest.keywords(count),
        Some(Intent::Questions) => questions(writer, count),
        Some(Intent::Strengths | Intent::Concerns) => {
            let sign = if intent == Some(Intent::Strengths) { 1.0 } else { -1.0 };
            ranked(writer, count, |sentence| sign * writer.feeling_of(sentence), 0.05)
        }
        Some(Intent::Names) => distinct(names(writer), count),
        Some(Intent::Date) => dates(text).iter().take(count).map(|(date, ..)| date.to_string()).collect(),
        Some(Intent::Email) => distinct(tokens(source_of(writer), is_email), count),
        Some(Intent::Link) => distinct(tokens(source_of(writer), is_link), count),
        Some(Intent::Summary) => digest.summary(count).iter().map(|sentence| quoted(text.sentence(sentence))).collect(),
        _ => {
            let stems = field.stems();
            let found = ranked(writer, count, |sentence| writer.common(sentence, &stems), 0.0);
            if found.is_empty() { digest.summary(count).iter().map(|sentence| quoted(text.sentence(sentence))).collect() } else { found }
        }
    }
}

fn source_of<'t>(writer: &Writer<'_, 't>) -> &'t str {
    writer.reading.text.source
}

/// The words of a text without the mark, and whether anything speaks for them.
fn content(writer: &Writer<'_, '_>, field: &Field<'_>) -> (String, bool) {
    let text = writer.reading.text;
    let own = field.intent();
    if own == Some(Intent::Translation) || own.is_none() && writer.intent() == Some(Intent::Translation) {
        let first = text.sentences.first().map_or("", |sentence| text.sentence(sentence));
        return (format!("{CANNOT_TRANSLATE} {}", quoted(first)), true);
    }
    let earlier: Vec<&str> = writer.parts.records.field(field.name).filter_map(Value::as_str).map(unmarked).collect();
    if !earlier.is_empty() {
        return (earlier.into_iter().take(SUMMARY).collect::<Vec<_>>().join(" "), true);
    }
    if let Some(comparison) = writer.comparison() {
        return (comparison, true);
    }
    if writer.picture().is_some() {
        return (writer.description(), true);
    }
    if writer.line && !matches!(own, Some(Intent::Email | Intent::Link | Intent::Phone | Intent::Date)) {
        return (phrase(writer), true);
    }
    if let Some(value) = labelled(writer, field) {
        return (value, true);
    }
    let digest = writer.reading.digest();
    let one = |found: Option<String>| found.map(|found| (found, true));
    let found = match own.or_else(|| writer.intent()) {
        Some(Intent::Keywords) => {
            one(Some(digest.keywords(if field.has(&["topic", "subject", "thema", "sujet", "tema"]) { 1 } else { 5 }).join(", "))
                .filter(|found| !found.is_empty()))
        }
        Some(Intent::Questions) => one(questions(writer, 1).pop()),
        Some(Intent::Title) => one(title(writer)),
        Some(Intent::Language) => one(Some(writer.reading.language().name().to_owned()).filter(|_| !text.words.is_empty())),
        Some(Intent::Sentiment) => one(Some(writer.mood().to_owned())),
        Some(Intent::Strengths) => one(ranked(writer, 1, |sentence| writer.feeling_of(sentence), 0.05).pop()),
        Some(Intent::Concerns) => one(ranked(writer, 1, |sentence| -writer.feeling_of(sentence), 0.05).pop()),
        Some(Intent::Names) => return (names(writer).into_iter().next().unwrap_or_default(), !names(writer).is_empty()),
        Some(Intent::Email) => return first(tokens(text.source, is_email)),
        Some(Intent::Link) => return first(tokens(text.source, is_link)),
        Some(Intent::Phone) => return first(phones(text.source)),
        Some(Intent::Date) => return first(dates(text).iter().map(|(_, from, to)| text.source[from.start..to.end].to_owned()).collect()),
        Some(Intent::Summary) => None,
        _ => one(ranked(writer, 1, |sentence| writer.common(sentence, &field.stems()), 0.0).pop()),
    };
    let summary = || digest.summary(SUMMARY).iter().map(|sentence| quoted(text.sentence(sentence))).collect::<Vec<_>>().join(" ");
    let is_summary = matches!(own.or_else(|| writer.intent()), Some(Intent::Summary));
    found.unwrap_or_else(|| {
        let summary = summary();
        (
            if is_summary { summary } else { digest.summary(1).first().map_or(summary, |sentence| quoted(text.sentence(sentence))) },
            is_summary,
        )
    })
}

fn first(found: Vec<String>) -> (String, bool) {
    found.into_iter().next().map_or_else(|| ("not in the document".to_owned(), false), |first| (first, true))
}

fn questions(writer: &Writer<'_, '_>, count: usize) -> Vec<String> {
    let text = writer.reading.text;
    let forms = QUESTIONS[writer.reading.language().index()];
    let question = |keyword: String| {
        let about = |sentence: &&Sentence| text.sentence(sentence).contains(&keyword);
        let words = || text.sentences.iter().filter(about).flat_map(|sentence| text.words_of(sentence)).map(|word| text.lower(word));
        let reasons = words().any(|word| BECAUSE.contains(&word));
        let figures = words().any(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        forms[if reasons { 2 } else { usize::from(figures) }].replace("{}", &keyword)
    };
    writer.reading.digest().keywords(count).into_iter().map(question).collect()
}

/// The sentences with the highest scores above `least`, in their order.
fn ranked(writer: &Writer<'_, '_>, count: usize, score: impl Fn(&Sentence) -> f32, least: f32) -> Vec<String> {
    let text = writer.reading.text;
    let mut found: Vec<(f32, &Sentence)> =
        text.sentences.iter().map(|sentence| (score(sentence), sentence)).filter(|(score, _)| *score > least).collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.truncate(count);
    found.sort_by_key(|(_, sentence)| sentence.start);
    found.into_iter().map(|(_, sentence)| quoted(text.sentence(sentence))).collect()
}

fn distinct(texts: Vec<String>, count: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        if found.len() < count && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// A marked text within the lengths of the schema.
fn sized(writer: &Writer<'_, '_>, text: &str, schema: &Value) -> String {
    let length = |key: &str| schema[key].as_u64().and_then(|length| usize::try_from(length).ok());
    let mut text = writer.say(text);
    let least = length("minLength").unwrap_or(0).min(100_000);
    while text.chars().count() < least {
        text.push_str(" and so on");
    }
    if let Some((end, _)) = length("maxLength").and_then(|most| text.char_indices().nth(most)) {
        text.truncate(end);
    }
    text
}

/// A value of a string format, from the text if it has one. Such a value cannot carry the mark.
fn formatted(writer: &Writer<'_, '_>, format: &str) -> Option<(String, bool)> {
    let text = writer.reading.text;
    let date = || dates(text).first().map(|(date, ..)| date.to_string());
    let time = || clock(text.source).unwrap_or_else(|| "00:00:00".to_owned());
    let or = |found: Option<String>, otherwise: &str| (found.clone().unwrap_or_else(|| otherwise.to_owned()), found.is_some());
    Some(match format {
        "date" => or(date(), "1970-01-01"),
        "time" => or(clock(text.source).map(|time| format!("{time}Z")), "00:00:00Z"),
        "date-time" => or(date().map(|date| format!("{date}T{}Z", time())), "1970-01-01T00:00:00Z"),
        "duration" => or(None, "P0D"),
        "email" | "idn-email" => or(tokens(text.source, is_email).into_iter().next(), "simulated@example.com"),
        "hostname" => or(None, "simulated.example.com"),
        "uri" | "url" | "iri" | "uri-reference" => {
            let link = tokens(text.source, is_link).into_iter().find(|link| link.starts_with("http") && link.is_ascii());
            or(link, "https://example.com/simulated")
        }
        "ipv4" => or(None, "192.0.2.1"),
        "ipv6" => or(None, "2001:db8::1"),
        "uuid" => or(None, "00000000-0000-4000-8000-000000000000"),
        _ => return None,
    })
}
