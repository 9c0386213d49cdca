//! Foretells answers without a server and a request.

use super::answer;
use super::ask::{AskBuilder, Delivery, Form, tokens};
use super::looks::Gallery;
use super::scenario::Scenario;
use crate::model::{Call, MessagePart};
use serde_json::Value;

/// The answers of a simulator to calls, without faults.
#[derive(Debug)]
pub struct AnswerPreview {
    seed: u64,
    length_spread: f64,
    gallery: Gallery,
}

/// Whether only a simulator has a model of this name.
pub fn is_simulated(model: &str) -> bool {
    model.starts_with("simulated")
}

/// The foretold answer to a call.
#[derive(Debug)]
pub struct Foretold {
    /// Its tokens, as the simulator bills them.
    pub tokens: u64,
    /// The answer; `None` if the token limit cuts it.
    pub answer: Option<Value>,
}

impl AnswerPreview {
    /// The answers of a simulator with this behaviour.
    pub fn new(scenario: &Scenario) -> Self {
        Self { seed: scenario.seed, length_spread: scenario.length_spread, gallery: Gallery::default() }
    }

    /// Input tokens of a call, as the simulator bills them. It does not count the schema.
    pub fn input_tokens(call: &Call) -> u64 {
        let texts = call.parts.iter().filter_map(|part| if let MessagePart::Text(text) = part { Some(&**text) } else { None });
        let chars: u64 = texts.chain([&*call.system]).map(|text| text.chars().count() as u64).sum();
        chars.div_ceil(4) + call.image_tokens()
    }

    /// The answer to a call. Blocks while it reads the document.
    pub fn answer(&self, call: &Call) -> Foretold {
        let (schema, max_output_tokens) = call.want.answer();
        let mut builder = AskBuilder::new(self.seed, &call.model, Form::Schema(schema), &[]);
        builder.text("system", &call.system);
        for part in &call.parts {
            match part {
                MessagePart::Text(text) => builder.text("user", text),
                MessagePart::Picture(picture) => {
                    let base64 = std::str::from_utf8(&picture.base64).unwrap_or_default();
                    builder.picture(base64, base64, picture.tokens);
                }
            }
        }
        let ask = builder.finish(u64::from(max_output_tokens), Delivery::default());
        let looks = ask.picture.and_then(|base64| self.gallery.look(base64));
        let text = answer::write(&ask, looks, self.length_spread);
        Foretold { tokens: tokens(&text).min(ask.max_tokens), answer: serde_json::from_str(&text).ok() }
    }
}
