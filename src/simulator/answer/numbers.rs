//! Numbers in answers: those of the text, or levels on a scale.

use super::field::{Field, Intent};
use super::spoken;
use super::writer::Writer;
use crate::simulator::reading::digest::stem;
use crate::simulator::reading::text::{Text, Word};
use serde_json::{Value, json};

/// Scales up to this width are levels; wider ones are quantities.
const WIDEST_SCALE: f64 = 100.0;

/// A number for a field, and whether anything speaks for it.
pub fn number(writer: &Writer<'_, '_>, schema: &Value, field: &Field<'_>, whole: bool) -> (Value, bool) {
    let (low, high) = bounds(schema, if whole { 1.0 } else { 0.01 });
    let found = value(writer, field, low, high, whole);
    let fallback = low.unwrap_or(0.0).max(high.map_or(f64::MIN, |high| high.min(0.0)));
    (fitted(found.unwrap_or(fallback), schema, (low, high), whole), found.is_some())
}

/// A choice among numbers: the place of the nearest to what [`number`] would say.
pub fn nearest(writer: &Writer<'_, '_>, values: &[Value], field: &Field<'_>) -> (usize, bool) {
    let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    let (low, high) = (numbers.iter().copied().reduce(f64::min), numbers.iter().copied().reduce(f64::max));
    let found = value(writer, field, low, high, false);
    let target = found.unwrap_or_else(|| f64::midpoint(low.unwrap_or(0.0), high.unwrap_or(0.0)));
    let distance = |index: &usize| values[*index].as_f64().map_or(f64::MAX, |own| (own - target).abs());
    ((0..values.len()).min_by(|one, other| distance(one).total_cmp(&distance(other))).unwrap_or(0), found.is_some())
}

fn value(writer: &Writer<'_, '_>, field: &Field<'_>, low: Option<f64>, high: Option<f64>, whole: bool) -> Option<f64> {
    let within = |number: f64| low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high);
    let earlier: Vec<f64> = writer.parts.records.field(field.name).filter_map(Value::as_f64).collect();
    if !earlier.is_empty() {
        return Some(earlier.iter().sum::<f64>() / earlier.len() as f64);
    }
    let text = writer.reading.text;
    if field.intent() == Some(Intent::Counting)
        && let Some(count) = counted(text, field)
    {
        return Some(count).filter(|count| within(*count));
    }
    let scale = low.zip(high).filter(|(low, high)| high - low <= WIDEST_SCALE);
    let on_scale = |level: f64| scale.map(|(low, high)| low + (high - low) * level);
    let judged = field.asks(Intent::Sentiment) || field.asks(Intent::Confidence);
    if judged || writer.picture().is_some() {
        return writer.level(field).and_then(on_scale);
    }
    let near = near(writer, field, &within, whole);
    near.or_else(|| writer.level(field).and_then(on_scale))
}

/// The number of words, sentences, lines or questions of the text.
fn counted(text: &Text<'_>, field: &Field<'_>) -> Option<f64> {
    let asks = |what: &[&str]| field.own.iter().chain(&field.more).any(|word| what.contains(&word.as_str()));
    let count = if asks(&["words", "word", "wörter", "mots", "palabras", "parole"]) {
        text.words.len()
    } else if asks(&["sentences", "sentence", "sätze", "phrases", "frases"]) {
        text.sentences.len()
    } else if asks(&["characters", "character", "chars", "zeichen"]) {
        text.source.chars().count()
    } else if asks(&["paragraphs", "paragraph", "absätze"]) {
        text.source.split("\n\n").filter(|part| !part.trim().is_empty()).count()
    } else if asks(&["questions", "question"]) {
        text.source.matches('?').count()
    } else {
        return None;
    };
    Some(count as f64)
}

/// The number of the text that stands nearest to words of the field.
fn near(writer: &Writer<'_, '_>, field: &Field<'_>, within: &dyn Fn(f64) -> bool, whole: bool) -> Option<f64> {
    let text = writer.reading.text;
    let stems = field.stems();
    let money = field.asks(Intent::Money);
    let year = field.has(&["year", "jahr", "année", "año", "anno", "ano", "jaar", "rok"]);
    let mut best: Option<(f32, f64)> = None;
    for sentence in &text.sentences {
        let words = text.words_of(sentence);
        let numbers = words.iter().enumerate().filter_map(|(index, word)| Some((index, parsed(text, words, index, word)?)));
        let numbers: Vec<(usize, f64)> = numbers.filter(|(_, number)| within(*number) && !(whole && number.fract() != 0.0)).collect();
        if numbers.is_empty() {
            continue;
        }
        let hits: Vec<(usize, f32)> = words
            .iter()
            .enumerate()
            .filter_map(|(index, word)| {
                let own = stem(text.lower(word));
                stems.iter().find(|(stem, _)| stem == own).map(|(_, weight)| (index, *weight))
            })
            .collect();
        for (index, number) in numbers {
            let close: f32 =
                hits.iter().map(|(at, weight)| weight / (1.0 + index.abs_diff(*at) as f32 * if *at < index { 0.35 } else { 0.5 })).sum();
            let priced = money && is_priced(text, words, index);
            let dated = year && number.fract() == 0.0 && (1500.0..2200.0).contains(&number);
            // In a line of a list every number may be meant: an amount by its currency, a count without.
            let listed = if writer.line && priced == is_priced(text, words, index) { 0.2 / (1.0 + index as f32) } else { 0.0 };
            let score = close + listed + f32::from(u8::from(priced)) * 0.5 + f32::from(u8::from(dated)) * 0.5;
            if score > 0.0 && best.is_none_or(|(most, _)| score > most) {
                best = Some((score, number));
            }
        }
    }
    best.map(|(_, number)| number)
}

/// Whether a currency stands beside a number.
fn is_priced(text: &Text<'_>, words: &[Word], index: usize) -> bool {
    const CURRENCIES: [&str; 14] =
        ["eur", "euro", "euros", "usd", "dollar", "dollars", "gbp", "pounds", "chf", "pln", "zł", "brl", "reais", "francs"];
    let word = &words[index];
    let beside = [index.checked_sub(1), Some(index + 1)].into_iter().flatten().filter_map(|index| words.get(index));
    let sign = |c: char| matches!(c, '€' | '$' | '£' | '¥');
    beside.into_iter().any(|word| CURRENCIES.contains(&text.lower(word)))
        || text.source[..word.start].trim_end().ends_with(sign)
        || text.source[word.end..].trim_start().starts_with(sign)
}

/// The number that a word is, times the million after it.
fn parsed(text: &Text<'_>, words: &[Word], index: usize, word: &Word) -> Option<f64> {
    let written = text.written(word);
    if !written.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let next = words.get(index + 1).map_or("", |next| text.lower(next));
    let factor = match next {
        "million" | "millions" | "mio" | "millionen" | "millones" | "milioni" | "milhões" | "miljoen" | "mln" => 1e6,
        "thousand" | "tausend" | "mille" | "mil" | "mila" | "duizend" | "tys" => 1e3,
        "billion" | "milliarden" | "mrd" | "milliards" | "miliardi" | "miljard" => 1e9,
        _ => 1.0,
    };
    let negative =
        text.source[..word.start].ends_with(['-', '−']) && !text.source[..word.start.saturating_sub(1)].ends_with(char::is_alphanumeric);
    plain(written).map(|number| number * factor * if negative { -1.0 } else { 1.0 })
}

/// A number in English or continental notation: `2,000.50`, `2.000,50`, `31`. `31st` is not a number.
fn plain(written: &str) -> Option<f64> {
    let last = written.rfind(['.', ',']);
    let groups = |separator: char| written.split(separator).skip(1).all(|group| group.len() == 3);
    let mixed = written.contains('.') && written.contains(',');
    let decimal =
        last.filter(|at| mixed || (written.starts_with("0.") || written.starts_with("0,") || !groups(char::from(written.as_bytes()[*at]))));
    let digits: String = written
        .char_indices()
        .filter_map(|(at, c)| match c {
            '.' | ',' if Some(at) == decimal => Some('.'),
            '.' | ',' => None,
            c => Some(c),
        })
        .collect();
    digits.parse().ok()
}

/// Lowest and highest value, by keywords or words. An exclusive bound is moved by `nudge`.
pub fn bounds(schema: &Value, nudge: f64) -> (Option<f64>, Option<f64>) {
    let bound = |inclusive: &str, exclusive: &str, nudge: f64| {
        let exclusive = schema[exclusive].as_f64().map(|bound| bound + nudge);
        schema[inclusive].as_f64().or(exclusive)
    };
    let (spoken_low, spoken_high) = spoken::bounds(schema);
    (bound("minimum", "exclusiveMinimum", nudge).or(spoken_low), bound("maximum", "exclusiveMaximum", -nudge).or(spoken_high))
}

/// A number within the bounds and a multiple of the step.
fn fitted(number: f64, schema: &Value, (low, high): (Option<f64>, Option<f64>), whole: bool) -> Value {
    let (low, high) = (low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX));
    let number = number.clamp(low, high.max(low));
    let step = schema["multipleOf"].as_f64().filter(|step| *step > 0.0);
    let stepped = |step: f64| {
        let (least, most) = ((low / step).ceil(), (high / step).floor());
        (number / step).round().clamp(least, most.max(least)) * step
    };
    match (step, whole) {
        (Some(step), false) => json!(stepped(step)),
        (step, true) => json!(integer(stepped(step.unwrap_or(1.0).max(1.0)))),
        (None, false) => json!(((number * 100.0).round() / 100.0).clamp(low, high.max(low))),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what a huge bound should do")]
fn integer(value: f64) -> i64 {
    value as i64
}
