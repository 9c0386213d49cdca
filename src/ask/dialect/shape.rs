//! How requests to one account differ from the usual form of its dialect.
//!
//! Servers that speak the same dialect differ in what they take. What the settings do not say is learned from the first
//! refusals: a field that a server names as unknown is left out or called otherwise from then on.

use super::Dialect;
use crate::ask::fault::{Class, Fault};
use crate::model::FailureCode;
use serde_json::{Map, Value};

/// The form of requests to one account.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "parts of the form that have nothing to do with each other")]
pub struct Shape {
    /// The limit for the answer is called `max_completion_tokens` and not `max_tokens`.
    pub completion_tokens: bool,
    /// Instructions have the role `developer` and not `system`.
    pub developer: bool,
    /// How the form of the answer is said.
    pub schema: SchemaStyle,
    /// Whether it is said how hard to think.
    pub effort: bool,
    /// Whether fields about the prompt cache are sent.
    pub cache: bool,
    /// Whether streams are asked for their usage.
    pub stream_usage: bool,
    /// Further fields, which win over ours.
    pub body: Map<String, Value>,
}

/// How the form of the answer is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaStyle {
    /// In the dialect's own field.
    Native,
    /// That it is JSON, in the dialect's own field; its schema, in the prompt.
    Json,
    /// All of it in the prompt.
    Prompt,
}

/// Words by which a server says that it does not know something.
const UNKNOWN: [&str; 10] = [
    "unsupported",
    "not support",
    "unknown",
    "unrecognized",
    "unexpected",
    "not permitted",
    "not allowed",
    "does not exist",
    "invalid",
    "extra",
];

/// A part of the form that is either so or so.
type Flag = fn(&mut Shape) -> &mut bool;

/// Names by which a refusal speaks of a part of the form; how that part is from then on, and in words.
const FLAGS: [(&[&str], Flag, bool, &str); 6] = [
    (&["max_completion_tokens"], |shape| &mut shape.completion_tokens, false, "the token limit is called max_tokens"),
    (&["max_tokens"], |shape| &mut shape.completion_tokens, true, "the token limit is called max_completion_tokens"),
    (&["effort", "reasoning", "thinkinglevel"], |shape| &mut shape.effort, false, "llm.effort is left out"),
    (&["prompt_cache", "cache_control"], |shape| &mut shape.cache, false, "the prompt cache is not used"),
    (&["stream_options"], |shape| &mut shape.stream_usage, false, "streams are not asked for their usage"),
    (&["developer"], |shape| &mut shape.developer, false, "instructions have the role system"),
];

impl Shape {
    /// The usual form, with further fields from the settings.
    pub fn new(dialect: Dialect, model: &str, body: Map<String, Value>) -> Self {
        let openai = matches!(dialect, Dialect::OpenAi | Dialect::Responses);
        Self {
            completion_tokens: openai,
            developer: openai,
            schema: SchemaStyle::Native,
            effort: true,
            // Older models refuse these fields.
            cache: dialect == Dialect::Anthropic || (openai && ["gpt-5.6", "gpt-6"].iter().any(|new| model.starts_with(new))),
            stream_usage: true,
            body,
        }
    }

    /// Changes the form so that a request refused like this may be taken, and says what was changed. `None` if there is
    /// nothing in it that the refusal speaks of.
    pub fn correct(&mut self, fault: &Fault) -> Option<String> {
        let about_form = fault.class == Class::Permanent && fault.code == FailureCode::Rejected;
        let message = fault.message.to_ascii_lowercase();
        if !about_form || !UNKNOWN.iter().any(|word| message.contains(word)) {
            return None;
        }
        let names = |field: &str| message.contains(field);
        // Another tier has another price: that is not for us to change.
        let free = |field: &&String| !field.to_ascii_lowercase().replace('_', "").contains("servicetier");
        if let Some(field) = self.body.keys().filter(free).find(|field| names(&field.to_ascii_lowercase())).cloned() {
            self.body.remove(&field);
            return Some(format!("{field} (llm.body) is left out"));
        }
        for (fields, flag, wanted, said) in FLAGS {
            if fields.iter().any(|field| names(field)) && *flag(self) != wanted {
                *flag(self) = wanted;
                return Some(said.to_owned());
            }
        }
        if ["response_format", "json_schema", "json_object", "output_config.format", "responsejsonschema", "structured output"]
            .iter()
            .any(|f| names(f))
        {
            let (next, said) = match self.schema {
                SchemaStyle::Native => (SchemaStyle::Json, "the schema is told in the prompt"),
                SchemaStyle::Json => (SchemaStyle::Prompt, "the schema is told in the prompt alone"),
                SchemaStyle::Prompt => return None,
            };
            self.schema = next;
            return Some(said.to_owned());
        }
        None
    }

    /// What the prompt has to say about the form of the answer.
    pub(super) fn instruction(&self, schema: &Value) -> Option<String> {
        (self.schema != SchemaStyle::Native)
            .then(|| format!("Answer with one JSON object and nothing else. It must satisfy this JSON schema:\n{schema}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &str) -> Fault {
        Fault::new(Class::Permanent, FailureCode::Rejected, message)
    }

    #[test]
    fn what_a_server_does_not_know_is_left_out_once() {
        let body = [("temperature".to_owned(), Value::from(0.2))].into_iter().collect();
        let mut shape = Shape::new(Dialect::OpenAi, "gpt-6-luna", body);
        for (message, changed) in [
            ("Unsupported parameter: 'temperature' is not supported with this model", Some("temperature")),
            ("Unsupported parameter: 'temperature' is not supported with this model", None),
            ("Unknown field max_completion_tokens", Some("max_tokens")),
            ("extra fields not permitted: prompt_cache_options", Some("prompt cache")),
            ("response_format json_schema is not supported", Some("in the prompt")),
            ("response_format is not supported", Some("prompt alone")),
            ("response_format is not supported", None),
            ("Invalid role: developer", Some("role system")),
            ("the image could not be decoded", None),
        ] {
            let said = shape.correct(&refusal(message));
            assert_eq!(said.is_some(), changed.is_some(), "{message}: {said:?}");
            assert!(said.is_none_or(|said| said.contains(changed.unwrap_or_default())));
        }
    }

    #[test]
    fn the_two_names_of_the_token_limit_do_not_go_round_in_circles() {
        let mut shape = Shape::new(Dialect::Compatible, "m", Map::new());
        assert!(shape.correct(&refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")).is_some());
        assert!(shape.completion_tokens);
    }
}
