//! Lists in answers.

use super::evidence::Reading;
use super::field::{Field, Types, type_of};
use super::writer::{MARK, Writer};
use super::{choices, spoken, strings};
use crate::simulator::reading::text::{Sentence, Text};
use serde_json::Value;
use std::cell::{Cell, OnceCell};

/// Items of a list without an upper bound.
const ITEMS: usize = 3;

impl<'w> Writer<'w, '_> {
    pub fn array(&self, schema: &'w Value, field: &Field<'_>, depth: u32) -> (Value, bool) {
        let (least, most) = self.sizes(schema, depth);
        let items = self.resolved(&schema["items"]);
        let mut found: Vec<Value> = match (items["enum"].as_array(), type_of(items)) {
            (Some(values), _) if !values.is_empty() => {
                choices::choices(self, values, field).into_iter().map(|index| values[index].clone()).collect()
            }
            (_, Types::One("string") | Types::OrNull("string")) if items["pattern"].is_null() && items["format"].is_null() => {
                strings::strings(self, field, most).into_iter().map(|text| self.value_of(items, &text)).collect()
            }
            (_, Types::One("object")) => self.objects(items, most, depth),
            _ => Vec::new(),
        };
        found.truncate(most);
        let any = !found.is_empty();
        while found.len() < least {
            let (mut value, _) = self.value(items, field, depth + 1);
            if let Value::String(text) = &mut value
                && found.iter().any(|own| own.as_str() == Some(text))
                && items["enum"].is_null()
            {
                *text = self.say(&format!("nothing more ({})", found.len() + 1));
            }
            if schema["uniqueItems"] == true
                && let Some(other) = items["enum"].as_array().into_iter().flatten().find(|other| !found.contains(other))
                && found.contains(&value)
            {
                value = other.clone();
            }
            found.push(value);
        }
        if schema["uniqueItems"] == true {
            number_repeated(&mut found);
        }
        (Value::Array(found), any)
    }

    fn value_of(&self, schema: &Value, text: &str) -> Value {
        let mut text = self.say(text);
        let most = schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok());
        if let Some((end, _)) = most.and_then(|most| text.char_indices().nth(most)) {
            text.truncate(end);
        }
        Value::String(text)
    }

    /// One object for each sentence or line that has a number or name, answered from it alone.
    fn objects(&self, items: &'w Value, most: usize, depth: u32) -> Vec<Value> {
        if depth > 6 || self.picture().is_some() {
            return Vec::new();
        }
        let fields: Vec<Field<'_>> =
            items["properties"].as_object().into_iter().flatten().map(|(name, schema)| Field::new(name, schema)).collect();
        let stems: Vec<(String, f32)> = fields.iter().flat_map(Field::stems).collect();
        let text = self.reading.text;
        let score = |sentence: &Sentence| {
            let numbers = text.words_of(sentence).iter().filter(|word| text.lower(word).starts_with(|c: char| c.is_ascii_digit())).count();
            // A part with its own label is a field of the document, not an item.
            let labelled = text.sentence(sentence).split_once(':').is_some_and(|(label, _)| label.len() < 30);
            (self.common(sentence, &stems) + (numbers as f32).min(3.0) * 0.4) * if labelled { 0.0 } else { 1.0 }
        };
        let mut lines: Vec<(f32, &Sentence)> =
            text.sentences.iter().map(|line| (score(line), line)).filter(|(score, _)| *score > 0.0).collect();
        lines.sort_by(|one, other| other.0.total_cmp(&one.0));
        lines.truncate(most);
        lines.sort_by_key(|(_, line)| line.start);
        let object = |(_, line): (f32, &Sentence)| {
            let text = Text::new(text.sentence(line));
            let reading = Reading::new(&text);
            let narrow = Writer {
                reading: &reading,
                parts: self.parts,
                root: self.root,
                docid: self.docid,
                line: true,
                room: self.room,
                lengths: self.lengths,
                seed: self.seed,
                prompt: OnceCell::new(),
                turn: Cell::new(0),
            };
            narrow.object(items, depth + 1).0
        };
        lines.into_iter().map(object).collect()
    }

    /// Minimum and maximum number of items.
    fn sizes(&self, schema: &Value, depth: u32) -> (usize, usize) {
        let (spoken_least, spoken_most) = spoken::bounds(schema);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let count = |key: &str, spoken: Option<f64>| {
            schema[key].as_u64().and_then(|count| usize::try_from(count).ok()).or(spoken.map(|bound| bound as usize))
        };
        let least = count("minItems", spoken_least).unwrap_or(0).min(1000);
        let most = count("maxItems", spoken_most);
        let usual = if depth > 6 || self.room < 10 { least } else { least.max(ITEMS) };
        let high = most.map_or(usual, |most| if self.room < 10 { least } else { most.min(usual.max(most.min(8))) });
        (least, high.max(least).min(most.unwrap_or(usize::MAX)).max(least))
    }

    fn resolved(&self, schema: &'w Value) -> &'w Value {
        let target = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        target.map_or(schema, |target| self.root.pointer(target).unwrap_or(&Value::Null))
    }
}

/// Numbers the texts that occur before.
fn number_repeated(items: &mut [Value]) {
    for index in 1..items.len() {
        let (before, own) = items.split_at_mut(index);
        if let Value::String(text) = &mut own[0]
            && text.starts_with(MARK)
            && before.iter().any(|other| other.as_str() == Some(text))
        {
            *text = format!("{text} ({})", index + 1);
        }
    }
}
