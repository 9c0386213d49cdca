//! Judgements that several kinds of fields share.

use super::field::{Field, Intent, is_formal};
use super::writer::Writer;
use crate::simulator::looks::Looks;
use crate::simulator::reading::digest::{is_content, stem};
use crate::simulator::reading::sentiment;
use crate::simulator::reading::text::Sentence;
use serde_json::Value;

impl Writer<'_, '_> {
    /// The level that a field asks for, from 0 to 1. `None` if nothing speaks for any.
    pub fn level(&self, field: &Field<'_>) -> Option<f64> {
        if field.asks(Intent::Confidence) {
            return Some(self.confidence());
        }
        if let Some(looks) = self.picture() {
            return self.shown(&looks, field).map(f64::from);
        }
        let feeling = self.reading.feeling();
        let level = || (f64::from(feeling.score()) * 0.65 + 0.5).clamp(0.0, 1.0);
        if field.asks(Intent::Sentiment) {
            return Some(level());
        }
        let mentioned = self.mentioned(field);
        if mentioned > 0.0 {
            return Some(mentioned);
        }
        self.prompt_asks(Intent::Sentiment).then(level)
    }

    /// How well the picture looks like what the field names, or else the instructions.
    fn shown(&self, looks: &Looks, field: &Field<'_>) -> Option<f32> {
        let named = |words: &[String]| words.iter().filter_map(|word| looks.shows(word)).reduce(f32::max);
        if let Some(shown) = named(&field.own) {
            return Some(shown);
        }
        self.material().and_then(|word| looks.shows(word)).or_else(|| named(&field.more))
    }

    /// The material that the instructions name most often.
    fn material(&self) -> Option<&str> {
        let prompt = self.prompt();
        let count = |word: &str| prompt.iter().filter(|own| *own == word).count();
        let materials = prompt.iter().filter(|word| Looks::is_material(word));
        materials.rev().max_by_key(|word| count(word)).map(String::as_str)
    }

    /// How clear the evidence is, from 0 to 1.
    fn confidence(&self) -> f64 {
        if let Some((_, ratings)) = self.rated() {
            let mut sorted: Vec<f64> = ratings.into_iter().filter(|rating| *rating > f64::MIN).collect();
            sorted.sort_by(|one, other| other.total_cmp(one));
            let (best, next, worst) = (sorted[0], sorted[1], sorted[sorted.len() - 1]);
            return if best > worst { ((best - next) / (best - worst) * 1.6).min(1.0) } else { 0.0 };
        }
        if self.picture().is_some() {
            return 0.5;
        }
        f64::from(self.reading.feeling().score().abs()).clamp(0.2, 0.9)
    }

    /// The first choice of the schema whose values earlier answers rate, and the ratings.
    fn rated(&self) -> Option<(Vec<&str>, Vec<f64>)> {
        let fields = self.root["properties"].as_object()?;
        fields.values().find_map(|field| {
            let values: Vec<&str> = field["enum"].as_array()?.iter().filter_map(Value::as_str).collect();
            let ratings = self.parts.records.ratings(&values)?;
            Some((values, ratings))
        })
    }

    /// Compares what earlier answers rate best.
    pub fn comparison(&self) -> Option<String> {
        let (values, ratings) = self.rated()?;
        let mut order: Vec<(f64, &str)> = ratings.into_iter().zip(values).filter(|(rating, _)| *rating > f64::MIN).collect();
        order.sort_by(|one, other| other.0.total_cmp(&one.0));
        let [(best, first), (next, second), others @ ..] = &order[..] else { return None };
        let shown = |rating: &f64| (((rating - 0.005) * 10.0).round() / 10.0).to_string();
        let rest: Vec<String> = others.iter().map(|(rating, name)| format!("{name} {}", shown(rating))).collect();
        let ahead = if best - next < 0.5 { "hardly ahead of" } else { "ahead of" };
        let tail = if rest.is_empty() { String::new() } else { format!(" The others: {}.", rest.join(", ")) };
        let reason = |name: &&str| self.parts.records.first_text(name).map_or_else(String::new, |text| format!(" On {name}: {text}."));
        let reasons = [first, second].map(reason).concat();
        Some(format!("The answers rate {first} {}, {ahead} {second} {}.{reasons}{tail}", shown(best), shown(next)))
    }

    /// A sentence about the picture.
    pub fn description(&self) -> String {
        let Some(looks) = self.picture() else { return String::new() };
        let words = looks.described();
        format!("The subject of the picture is {}. It looks most like {}.", words.join(", "), looks.material())
    }

    /// What in the picture speaks for or against the material in question.
    pub fn for_and_against(&self, speaks_for: bool, count: usize) -> Vec<String> {
        let Some(looks) = self.picture() else { return Vec::new() };
        let name = self.material().unwrap_or("it");
        let reasons = looks.reasons(name, speaks_for);
        let verb = if speaks_for { "as expected of" } else { "not typical of" };
        reasons.into_iter().take(count).map(|reason| format!("{reason}, {verb} {name}")).collect()
    }

    /// Share of the words of the name that the text mentions and does not deny, from 0 to 1. If it
    /// mentions none, half the share of the words of the description.
    pub fn mentioned(&self, field: &Field<'_>) -> f64 {
        let text = self.reading.text;
        let share = |words: &[String]| {
            let own: Vec<&str> = words.iter().filter(|word| is_content(word) && !is_formal(word)).map(|word| stem(word)).collect();
            let said = |wanted: &&&str| text.words.iter().any(|word| matches(text.lower(word), wanted));
            own.iter().filter(said).count() as f64 / own.len().max(1) as f64
        };
        let own = share(&field.own);
        if own > 0.0 { own } else { share(&field.more) * 0.6 }
    }

    /// Weight of the words that a sentence has in common with a field.
    pub fn common(&self, sentence: &Sentence, stems: &[(String, f32)]) -> f32 {
        let text = self.reading.text;
        let words = text.words_of(sentence);
        stems.iter().filter(|(stem, _)| words.iter().any(|word| matches(text.lower(word), stem))).map(|(_, weight)| weight).sum()
    }

    pub fn feeling_of(&self, sentence: &Sentence) -> f32 {
        sentiment::of_sentence(self.reading.text, sentence, self.reading.language()).score()
    }

    /// The polarity of a word of a field or value: -1, 0 or 1.
    pub fn polarity(&self, word: &str) -> i8 {
        if is_formal(word) { 0 } else { sentiment::polarity(word, self.reading.language()) }
    }

    /// The sentiment of the text in a word.
    pub fn mood(&self) -> &'static str {
        let score = self.reading.feeling().score();
        if score > 0.12 {
            "positive"
        } else if score < -0.12 {
            "negative"
        } else {
            "neutral"
        }
    }

    /// Stems of the words that the description or the instructions say about one of several values:
    /// what follows its name up to the next name or the end of the sentence.
    pub fn explanation(&self, own: &[String], all: &[Vec<String>], field: &Field<'_>) -> Vec<String> {
        const FOLLOWING: usize = 14;
        let [single] = own else { return Vec::new() };
        let is_name = |word: &String| all.iter().any(|name| name.contains(word));
        let mut found = Vec::new();
        for words in [&field.more[..], self.prompt()] {
            for (index, _) in words.iter().enumerate().filter(|(_, word)| *word == single) {
                let after = words[index + 1..].iter().take(FOLLOWING).take_while(|word| !is_name(word));
                found.extend(after.filter(|word| is_content(word)).map(|word| stem(word).to_owned()));
            }
        }
        found
    }
}

/// Whether a word in lower case has this stem.
fn matches(word: &str, stem: &str) -> bool {
    word.starts_with(stem) && crate::simulator::reading::digest::stem(word) == stem
}
