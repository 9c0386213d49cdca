//! What an error says about the form of its request: which fields it does not take.
//!
//! Only an error that names a field as unknown is a complaint. One that merely mentions a field, beside the length of a
//! document or a failed sampler, is not: it is about that document.

use super::error_text::{ErrorText, has};
use super::errors::Meaning;
use serde::Deserialize;
use std::sync::LazyLock;

/// A part of the form, as complaints tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormPart {
    /// The name of the token limit.
    Limit,
    /// The usage of streams.
    StreamUsage,
    /// The prompt cache.
    Cache,
    /// That nothing is stored.
    Store,
    /// The detail of images.
    Detail,
    /// How hard to think.
    Effort,
    /// The schema of the answer.
    Schema,
    /// The role of the instructions.
    Role,
    /// That the schema is strict.
    Strict,
    /// That no stream is wanted.
    NoStream,
    /// Content in blocks.
    Blocks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    unknown: Vec<String>,
    document: Vec<String>,
    codes: Vec<String>,
    part: Vec<MessagePart>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagePart {
    #[serde(rename = "part")]
    about: FormPart,
    names: Vec<String>,
    #[serde(default)]
    phrases: Vec<String>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| toml::from_str(include_str!("complaint.toml")).unwrap_or_default());

/// What an error says about the form of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Sentences that call a field unknown, and the fields that the error points at.
    sentences: Vec<String>,
    /// Parts of the form that the wording is about as a whole.
    parts: Vec<FormPart>,
    wording: String,
}

impl Complaint {
    /// The complaint of an error, if it is one.
    pub(super) fn of(error: &ErrorText, meaning: Meaning) -> Option<Self> {
        let about_form = match meaning {
            Meaning::Rejected | Meaning::Denied => true,
            Meaning::Model | Meaning::Server => matches!(error.outer, 400 | 404 | 422 | 500),
            _ => false,
        };
        if !about_form {
            return None;
        }
        let any = |text: &str, words: &[String]| words.iter().any(|word| has(text, word));
        let about_document = |sentence: &str| any(sentence, &WORDS.document);
        let sentences = error.wording.split(['\n', ';', '|', '!']).flat_map(|line| line.split(". "));
        let mut sentences: Vec<String> =
            sentences.filter(|sentence| any(sentence, &WORDS.unknown) && !about_document(sentence)).map(ToOwned::to_owned).collect();
        // The field that an error points at is named, wherever its code or its wording call it unknown.
        if error.codes.iter().any(|code| WORDS.codes.contains(code)) || !sentences.is_empty() {
            sentences.extend(error.fields.iter().cloned());
        }
        let strong = WORDS.part.iter().filter(|part| any(&error.wording, &part.phrases) && !is_sampling(&error.wording));
        let parts: Vec<FormPart> = strong.map(|part| part.about).collect();
        // A server that failed may fail for other reasons: it has to say more.
        if meaning == Meaning::Server && parts.is_empty() {
            sentences.retain(|sentence| WORDS.part.iter().any(|part| part.about == FormPart::Schema && any(sentence, &part.names)));
        }
        let complains = !sentences.is_empty() || !parts.is_empty();
        complains.then(|| Self { sentences, parts, wording: error.wording.clone() })
    }

    /// Whether it is about a part of the form.
    pub(super) fn is_about(&self, part: FormPart) -> bool {
        let named = || WORDS.part.iter().filter(|row| row.about == part).flat_map(|row| &row.names).any(|name| self.names(name));
        self.parts.contains(&part) || named()
    }

    /// Whether it calls a field unknown.
    pub(super) fn names(&self, field: &str) -> bool {
        self.sentences.iter().any(|sentence| has(sentence, field))
    }

    /// Whether its wording holds this anywhere.
    pub(super) fn mentions(&self, phrase: &str) -> bool {
        has(&self.wording, phrase)
    }
}

/// Whether a grammar was taken and failed in use.
fn is_sampling(wording: &str) -> bool {
    ["sampler", "sampling", "this prompt", "this document", "this input", "fsm", "advance"].iter().any(|word| has(wording, word))
}
