//! Answers to choices and yes/no questions.

use super::field::{Field, Intent, is_other, words};
use super::overlap;
use super::writer::Writer;
use crate::simulator::reading::language::Language;
use serde_json::Value;

/// Sentiment scores below this are neutral.
const NEUTRAL: f64 = 0.12;
const NEUTRALS: [&str; 10] = ["neutral", "mixed", "neutre", "neutro", "neutraal", "neutralny", "gemischt", "mixto", "objective", "factual"];
/// Steps of a scale from 0 to 1.
const SCALE: [(f64, &str); 6] = [
    (0.05, "none never minimal lowest nil"),
    (0.2, "low minor small weak mild rarely slight short easy niedrig gering faible bajo baja basso laag niski"),
    (0.5, "medium moderate normal average sometimes fair mittel moyen moyenne medio media gemiddeld średni"),
    (0.8, "high major large strong often hard long hoch élevé alto alta hoog wysoki"),
    (0.9, "severe highest urgent"),
    (1.0, "critical always"),
];
/// Answers that mean yes or no.
const YES: [&str; 8] = ["yes", "true", "ja", "oui", "sí", "si", "sim", "tak"];
const NO: [&str; 6] = ["no", "false", "nein", "non", "não", "nee"];
/// Words by which a field asks for the second best or the worst.
const SECOND: [&str; 6] = ["runner", "second", "secondary", "alternative", "next", "fallback"];
const WORST: [&str; 5] = ["worst", "least", "lowest", "weakest", "poorest"];
/// Words by which a field asks for approval.
const APPROVES: [&str; 9] = ["recommend", "recommended", "suitable", "approve", "approved", "satisfied", "happy", "accept", "fits"];

/// The place of the value that fits, and whether anything speaks for it.
pub fn choice(writer: &Writer<'_, '_>, values: &[Value], field: &Field<'_>) -> (usize, bool) {
    let names: Vec<String> = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_lowercase)).collect();
    let Some(scores) = scores(writer, &names, field) else {
        let other = names.iter().position(|name| is_other(name) || NEUTRALS.contains(&name.as_str()));
        return (other.unwrap_or_else(|| writer.any(names.len())), false);
    };
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let place = if field.has(&SECOND) {
        1
    } else if field.has(&WORST) {
        order.len() - 1
    } else {
        0
    };
    (order[place.min(order.len() - 1)], true)
}

/// The places of all values that something speaks for, the best first.
pub fn choices(writer: &Writer<'_, '_>, values: &[Value], field: &Field<'_>) -> Vec<usize> {
    let names: Vec<String> = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_lowercase)).collect();
    let Some(scores) = scores(writer, &names, field) else { return Vec::new() };
    let best = scores.iter().copied().fold(f64::MIN, f64::max);
    let mut order: Vec<usize> = (0..names.len()).filter(|index| scores[*index] > 0.0 && scores[*index] > best * 0.5).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    order
}

/// Scores of the values. `None` if nothing speaks for any.
fn scores(writer: &Writer<'_, '_>, names: &[String], field: &Field<'_>) -> Option<Vec<f64>> {
    if names.is_empty() {
        return None;
    }
    earlier(writer, names, field)
        .or_else(|| writer.parts.records.ratings(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        .or_else(|| languages(writer, names))
        .or_else(|| answers(writer, names, field))
        .or_else(|| feelings(writer, names, field))
        .or_else(|| steps(writer, names, field))
        .or_else(|| pictured(writer, names))
        .or_else(|| overlap::scores(writer, names, field))
}

/// How often earlier answers to the same field gave each value.
fn earlier(writer: &Writer<'_, '_>, names: &[String], field: &Field<'_>) -> Option<Vec<f64>> {
    let mut counts = vec![0.0; names.len()];
    for value in writer.parts.records.field(field.name) {
        let given = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
        if let Some(index) = names.iter().position(|name| *name == given) {
            counts[index] += 1.0;
        }
    }
    counts.iter().any(|count| *count > 0.0).then_some(counts)
}

/// For names or codes of languages: the language of the text.
fn languages(writer: &Writer<'_, '_>, names: &[String]) -> Option<Vec<f64>> {
    let known: Vec<Option<Language>> = names.iter().map(|name| Language::named(name)).collect();
    let found = known.iter().flatten().count();
    let own = writer.reading.language();
    (found > 1 && found * 2 >= names.len()).then(|| known.iter().map(|language| f64::from(u8::from(*language == Some(own)))).collect())
}

/// For yes and no: the answer to the question.
fn answers(writer: &Writer<'_, '_>, names: &[String], field: &Field<'_>) -> Option<Vec<f64>> {
    let place = |words: &[&str]| names.iter().position(|name| words.contains(&name.as_str()));
    let (yes, no) = (place(&YES)?, place(&NO)?);
    let (answer, _) = yes_or_no(writer, field);
    Some((0..names.len()).map(|index| f64::from(u8::from(index == if answer { yes } else { no }))).collect())
}

/// For kinds of sentiment: the nearest to that of the text.
fn feelings(writer: &Writer<'_, '_>, names: &[String], field: &Field<'_>) -> Option<Vec<f64>> {
    let level = |name: &String| {
        let words = words(name);
        let sign: i32 = words.iter().map(|word| i32::from(writer.polarity(word))).sum();
        let strong =
            words.iter().any(|word| matches!(word.as_str(), "very" | "strongly" | "extremely" | "sehr" | "très" | "muy" | "molto"));
        let weak = words.iter().any(|word| matches!(word.as_str(), "slightly" | "somewhat" | "mostly" | "rather" | "eher" | "plutôt"));
        f64::from(sign.signum())
            * if strong {
                1.0
            } else if weak {
                0.3
            } else {
                0.55
            }
    };
    let levels: Vec<f64> = names.iter().map(level).collect();
    let asked = field.asks(Intent::Sentiment) || writer.prompt_asks(Intent::Sentiment);
    let closed = names.iter().zip(&levels).all(|(name, level)| *level != 0.0 || NEUTRALS.contains(&name.as_str()) || is_other(name));
    let signs = levels.iter().any(|level| *level > 0.0) && levels.iter().any(|level| *level < 0.0);
    if !signs || !(asked || closed) || writer.reading.text.words.is_empty() {
        return None;
    }
    let score = f64::from(writer.reading.feeling().score());
    let target = if score.abs() < NEUTRAL { 0.0 } else { score.signum() * (0.35 + 0.65 * score.abs()) };
    let feeling = writer.reading.feeling();
    let torn = feeling.positive.min(feeling.negative) > 2.0 && score.abs() < 0.2;
    let fit = |(name, level): (&String, &f64)| {
        let other = is_other(name);
        1.0 - (level - target).abs()
            - if other {
                0.3
            } else if name == "mixed" && !torn {
                0.1
            } else {
                0.0
            }
            + if name == "mixed" && torn { 0.6 } else { 0.0 }
    };
    Some(names.iter().zip(&levels).map(fit).collect())
}

/// For the steps of a scale: the nearest to the level of the field.
fn steps(writer: &Writer<'_, '_>, names: &[String], field: &Field<'_>) -> Option<Vec<f64>> {
    let step = |name: &String| {
        words(name).iter().find_map(|word| SCALE.iter().find(|(_, own)| own.split(' ').any(|own| own == word)).map(|(level, _)| *level))
    };
    let steps: Vec<Option<f64>> = names.iter().map(step).collect();
    let found = steps.iter().flatten().count();
    if found < 2 || found + 1 < names.len() {
        return None;
    }
    let level = writer.level(field).unwrap_or(0.4);
    Some(steps.iter().map(|step| 1.0 - (step.unwrap_or(2.0) - level).abs()).collect())
}

/// For what a picture can show: how well it looks like it.
fn pictured(writer: &Writer<'_, '_>, names: &[String]) -> Option<Vec<f64>> {
    let looks = writer.picture()?;
    let shows = |name: &String| {
        words(name)
            .iter()
            .filter_map(|word| looks.shows(word))
            .fold(None, |best: Option<f32>, own| Some(best.map_or(own, |best| best.max(own))))
    };
    let shown: Vec<Option<f32>> = names.iter().map(shows).collect();
    shown.iter().any(Option::is_some).then(|| shown.iter().map(|own| f64::from(own.unwrap_or(0.05))).collect())
}

/// The answer to a yes/no question, and whether anything speaks for it.
pub fn yes_or_no(writer: &Writer<'_, '_>, field: &Field<'_>) -> (bool, bool) {
    let (mut yes, mut no) = (0, 0);
    for value in writer.parts.records.field(field.name) {
        match value.as_bool() {
            Some(true) => yes += 1,
            Some(false) => no += 1,
            None => {}
        }
    }
    if yes + no > 0 {
        return (yes > no, true);
    }
    if writer.picture().is_some() {
        let level = writer.level(field);
        return (level.is_some_and(|level| level >= 0.5), level.is_some());
    }
    let score = f64::from(writer.reading.feeling().score());
    let sign: i32 = field.own.iter().map(|word| i32::from(writer.polarity(word))).sum();
    let denied = field.has(&["not", "no", "without", "non"]);
    if field.has(&APPROVES) {
        return ((score > NEUTRAL) != denied, true);
    }
    let level = writer.mentioned(field);
    // A field such as `is_angry` may be true without the word.
    let felt = sign != 0 && score * f64::from(sign) > 2.0 * NEUTRAL;
    ((level >= 0.5 || felt) != denied, level > 0.0 || felt)
}
