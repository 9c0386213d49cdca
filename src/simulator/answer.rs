//! Generates answers from schemas.
//!
//! The same request always gets the same answer. The answer satisfies the schema: types, `enum`,
//! `const`, bounds, `anyOf`, `$ref` within the schema, lengths and the common string formats. It
//! ignores `pattern`, `allOf` and `not`. If an answer exceeds the token limit, a terse one replaces
//! it. Generation never fails.

use super::ask::{Ask, Form, tokens};
use super::spoken;
use super::words::Speaker;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

const MAX_DEPTH: u32 = 24;

/// Writes the text of the answer.
pub(super) fn write(ask: &Ask<'_>, spread: f64) -> String {
    let text = compose(ask, spread, false);
    if tokens(&text) <= ask.max_tokens { text } else { compose(ask, spread, true) }
}

fn compose(ask: &Ask<'_>, spread: f64, terse: bool) -> String {
    let (seed, _) = ask.hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    let mut speaker = Speaker::new(u64::from_le_bytes(*seed), ask.document(), ask.docid());
    // Without a spread no number is drawn, so that existing answers do not change.
    let talkative = if spread > 0.0 { (spread * normal(&mut speaker.rng)).exp() } else { 1.0 };
    let mut writer = Writer { speaker, root: &Value::Null, terse, talkative };
    match ask.form {
        Form::Text => writer.say(24..=40),
        Form::Json => json!({ "answer": writer.say(12..=25) }).to_string(),
        Form::Schema(schema) => {
            writer.root = schema;
            writer.value(schema, "", false, 0).to_string()
        }
    }
}

/// Breaks an answer: its first field is missing or has a wrong type. Without a schema, the text is
/// empty.
pub(super) fn spoil(ask: &Ask<'_>, text: &str) -> String {
    let Form::Schema(schema) = ask.form else { return String::new() };
    let mut answer: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(fields) = answer.as_object_mut() else {
        return json!({ "simulated": "an object instead of the answer" }).to_string();
    };
    let Some(name) = fields.keys().next().cloned() else { return "[]".to_owned() };
    let required = schema["required"].as_array().is_some_and(|names| names.iter().any(|own| *own == name));
    let drop_it = ask.hash[8] & 1 == 0;
    if required && drop_it {
        fields.shift_remove(&name);
    } else if let Some(field) = fields.get_mut(&name) {
        let wrong = if field.is_object() { json!("wrong type") } else { json!({ "wrong": "type" }) };
        *field = wrong;
    }
    answer.to_string()
}

struct Writer<'a> {
    speaker: Speaker<'a>,
    root: &'a Value,
    terse: bool,
    /// Factor for the number of words.
    talkative: f64,
}

/// An approximately normal random number: the sum of twelve uniform ones.
fn normal(rng: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

impl<'a> Writer<'a> {
    fn say(&mut self, words: RangeInclusive<usize>) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of words")]
        let of = |words: usize| ((words as f64 * self.talkative).round() as usize).max(1);
        self.speaker.say(if self.terse { 2..=4 } else { of(*words.start())..=of(*words.end()) })
    }

    fn value(&mut self, schema: &'a Value, name: &str, in_array: bool, depth: u32) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null; // only a recursive schema gets here
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            let target = self.root.pointer(target).unwrap_or(&Value::Null);
            return self.value(target, name, in_array, depth + 1);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return values[self.speaker.rng.usize(..values.len())].clone();
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[keyword].as_array().filter(|choices| !choices.is_empty()) {
                let choice = self.choose(choices, |choice| choice["type"] == "null");
                return self.value(choice, name, in_array, depth + 1);
            }
        }
        let type_name = match &schema["type"] {
            Value::String(own) => own.as_str(),
            Value::Array(types) if !types.is_empty() => self.choose(types, |own| own == "null").as_str().unwrap_or("null"),
            _ if schema["properties"].is_object() => "object",
            _ if schema["items"].is_object() => "array",
            _ => "string",
        };
        match type_name {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => self.integer(schema),
            "number" => self.number(schema),
            "boolean" => Value::Bool(self.speaker.rng.bool()),
            "null" => Value::Null,
            _ => Value::String(self.string(schema, name, in_array)),
        }
    }

    /// Picks one of the choices; null, if present, with a probability of one in eight.
    fn choose(&mut self, choices: &'a [Value], is_null: impl Fn(&Value) -> bool) -> &'a Value {
        let (nulls, others): (Vec<_>, Vec<_>) = choices.iter().partition(|choice| is_null(choice));
        match (nulls.first(), others.is_empty()) {
            (Some(null), true) => null,
            (Some(null), false) if self.speaker.rng.u8(..) < 32 => null,
            _ => others[self.speaker.rng.usize(..others.len())],
        }
    }

    fn object(&mut self, schema: &'a Value, depth: u32) -> Value {
        let mut fields = Map::new();
        for (name, nested) in schema["properties"].as_object().into_iter().flatten() {
            // Leaving out optional fields ends the recursion of a recursive schema.
            if depth > 4 && !schema["required"].as_array().is_some_and(|all| all.iter().any(|own| own == name)) {
                continue;
            }
            let value = self.value(nested, name, false, depth + 1);
            fields.insert(name.clone(), value);
        }
        Value::Object(fields)
    }

    fn array(&mut self, schema: &'a Value, name: &str, depth: u32) -> Value {
        let (spoken_least, spoken_most) = spoken::bounds(schema);
        let count = |bound: f64| u64::try_from(whole(bound)).ok();
        let least = schema["minItems"].as_u64().or(spoken_least.and_then(count));
        let most = schema["maxItems"].as_u64().or(spoken_most.and_then(count));
        let low = least.unwrap_or_else(|| most.map_or(2, |most| most.min(2))).min(1000);
        let high = most.unwrap_or_else(|| low.max(3)).clamp(low, low + 8);
        let count = if depth > 6 { least.unwrap_or(0) } else { self.speaker.rng.u64(low..=high) };
        Value::Array((0..count).map(|_| self.value(&schema["items"], name, true, depth + 1)).collect())
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let (low, high) = bounds(schema, 1.0);
        let step = schema["multipleOf"].as_f64().filter(|step| *step >= 1.0).unwrap_or(1.0);
        let (low, high) = (whole((low / step).ceil()), whole((high / step).floor()));
        json!(self.speaker.rng.i64(low..=high.max(low)).saturating_mul(whole(step)))
    }

    fn number(&mut self, schema: &Value) -> Value {
        let (low, high) = bounds(schema, 0.01);
        if let Some(step) = schema["multipleOf"].as_f64().filter(|step| *step > 0.0) {
            let (low, high) = (whole((low / step).ceil()), whole((high / step).floor()));
            return json!(self.speaker.rng.i64(low..=high.max(low)) as f64 * step);
        }
        let value = low + (high - low) * self.speaker.rng.f64();
        json!(((value * 100.0).round() / 100.0).clamp(low, high.max(low)))
    }

    fn string(&mut self, schema: &Value, name: &str, in_array: bool) -> String {
        if let Some(text) = self.formatted(schema["format"].as_str().unwrap_or_default()) {
            return text;
        }
        let mut text = self.say(match name {
            _ if in_array => 2..=4,
            "title" | "headline" | "name" | "label" | "topic" | "category" => 4..=7,
            _ => 12..=25,
        });
        let length = |key: &str| schema[key].as_u64().and_then(|length| usize::try_from(length).ok());
        let least = length("minLength").unwrap_or(0).min(100_000);
        while text.chars().count() < least {
            text.push_str(" and so on");
        }
        if let Some((end, _)) = length("maxLength").and_then(|most| text.char_indices().nth(most)) {
            text.truncate(end);
        }
        text
    }

    /// A value of a string format. These values cannot carry the mark.
    fn formatted(&mut self, format: &str) -> Option<String> {
        let rng = &mut self.speaker.rng;
        let (month, day, id) = (rng.u8(1..=12), rng.u8(1..=28), rng.u32(..));
        Some(match format {
            "date" => format!("2026-{month:02}-{day:02}"),
            "time" => format!("{:02}:{day:02}:00Z", month + 6),
            "date-time" => format!("2026-{month:02}-{day:02}T12:00:00Z"),
            "duration" => format!("P{day}D"),
            "email" => format!("simulated-{id:08x}@example.com"),
            "hostname" => format!("simulated-{id:08x}.example.com"),
            "uri" => format!("https://example.com/simulated/{id:08x}"),
            "ipv4" => format!("192.0.2.{day}"),
            "ipv6" => format!("2001:db8::{day}"),
            "uuid" => format!("{id:08x}-0000-4000-8000-000000000000"),
            _ => return None,
        })
    }
}

/// Lowest and highest value. An exclusive bound is moved by `nudge`.
fn bounds(schema: &Value, nudge: f64) -> (f64, f64) {
    let bound = |inclusive: &str, exclusive: &str, nudge: f64| {
        let exclusive = schema[exclusive].as_f64().map(|bound| bound + nudge);
        schema[inclusive].as_f64().or(exclusive)
    };
    let (spoken_low, spoken_high) = spoken::bounds(schema);
    let low = bound("minimum", "exclusiveMinimum", nudge).or(spoken_low);
    let high = bound("maximum", "exclusiveMaximum", -nudge).or(spoken_high);
    match (low, high) {
        (None, None) => (0.0, 100.0),
        (Some(low), None) => (low, low + 100.0),
        (None, Some(high)) => (if high >= 0.0 { 0.0 } else { high - 100.0 }, high),
        (Some(low), Some(high)) => (low, high),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what a huge bound should do")]
fn whole(value: f64) -> i64 {
    value as i64
}
