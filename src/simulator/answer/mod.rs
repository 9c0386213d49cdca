//! Answers from what a request holds, without a model.
//!
//! The same request always gets the same answer. The answer satisfies the schema: types, `enum`,
//! `const`, bounds, `anyOf`, `$ref` within the schema, lengths, `pattern` and the common string
//! formats. It ignores `allOf` and `not`. If an answer exceeds the token limit, a shorter one
//! replaces it. Generation never fails.
//!
//! Texts come from the document (`reading`), judgements about pictures from their colours and
//! surfaces (`looks`). Where nothing in the request speaks for an answer, a nullable field is null,
//! an optional one is left out, and another gets its first possible or an arbitrary value.

mod choices;
mod dates;
mod evidence;
mod field;
mod judge;
mod lists;
mod numbers;
mod overlap;
mod passages;
mod pattern;
mod records;
mod spoken;
mod strings;
mod walk;
mod writer;

use crate::simulator::ask::{Ask, Form, tokens};
use crate::simulator::looks::Looks;
use crate::simulator::reading::text::Text;
use evidence::{Parts, Reading};
use field::Field;
use serde_json::{Value, json};
use std::cell::{Cell, OnceCell, RefCell};
use writer::{Lengths, Writer};

/// Maximum number of words of a text: usually, and if the answer exceeds the token limit.
const ROOMS: [usize; 3] = [120, 12, 3];

/// Writes the text of the answer. `looks` are those of the first picture.
pub(super) fn write(ask: &Ask<'_>, looks: Option<Looks>, spread: f64) -> String {
    let parts = Parts::of(ask, looks);
    let text = Text::new(&parts.document);
    let reading = Reading::new(&text);
    let mut answer = String::new();
    for room in ROOMS {
        answer = compose(ask, &parts, &reading, spread, room);
        if tokens(&answer) <= ask.max_tokens {
            break;
        }
    }
    answer
}

fn compose(ask: &Ask<'_>, parts: &Parts<'_>, reading: &Reading<'_>, spread: f64, room: usize) -> String {
    let (seed, _) = ask.hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    let seed = u64::from_le_bytes(*seed);
    let lengths = (spread > 0.0).then(|| Spread::new(spread, seed));
    let writer = Writer {
        parts,
        reading,
        root: if let Form::Schema(schema) = ask.form { schema } else { &Value::Null },
        docid: ask.docid(),
        line: false,
        room,
        lengths: lengths.as_ref().map(|lengths| lengths as &dyn Lengths),
        seed,
        prompt: OnceCell::new(),
        turn: Cell::new(0),
    };
    let plain = || strings::string(&writer, &Value::Null, &Field::new("", &Value::Null)).0;
    match ask.form {
        Form::Text => plain(),
        Form::Vectors(_) => String::new(), // vectors have no words
        Form::Json => json!({ "answer": plain() }).to_string(),
        Form::Schema(schema) => writer.value(schema, &Field::new("", schema), 0).0.to_string(),
    }
}

/// Lengths of texts with a log-normal spread.
#[derive(Debug)]
struct Spread {
    factor: f64,
    rng: RefCell<fastrand::Rng>,
}

impl Spread {
    fn new(spread: f64, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // Approximately normal: the sum of twelve uniform numbers.
        let normal = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
        Self { factor: (spread * normal).exp(), rng: RefCell::new(rng) }
    }
}

impl Lengths for Spread {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of words")]
    fn draw(&self) -> usize {
        ((self.rng.borrow_mut().usize(12..=25) as f64 * self.factor).round() as usize).max(1)
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

#[cfg(test)]
mod tests;
