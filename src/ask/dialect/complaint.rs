//! Complaints: errors about the form of a request.
//!
//! An error is a complaint only if it calls a field unknown. If it mentions a field together with a
//! document's length or a failed sampler, the document is the cause.

use super::error_text::{ErrorText, has};
use super::form::FormPart;
use super::meaning::Meaning;
use serde::Deserialize;
use std::sync::LazyLock;

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

/// A complaint about the form of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Sentences that call a field unknown, and separately named fields.
    sentences: Vec<String>,
    /// Parts of the form that the whole text names.
    parts: Vec<FormPart>,
    wording: String,
}

impl Complaint {
    /// Reads an error as a complaint; `None` for other errors.
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
        // A field that the error names separately counts if a code or a sentence calls a field
        // unknown.
        if error.codes.iter().any(|code| WORDS.codes.contains(code)) || !sentences.is_empty() {
            sentences.extend(error.fields.iter().cloned());
        }
        let strong = WORDS.part.iter().filter(|part| any(&error.wording, &part.phrases) && !is_sampling(&error.wording));
        let parts: Vec<FormPart> = strong.map(|part| part.about).collect();
        // A server error counts only if its text is clear, because servers fail for many reasons.
        if meaning == Meaning::Server && parts.is_empty() {
            sentences.retain(|sentence| WORDS.part.iter().any(|part| part.about == FormPart::Schema && any(sentence, &part.names)));
        }
        let complains = !sentences.is_empty() || !parts.is_empty();
        complains.then(|| Self { sentences, parts, wording: error.wording.clone() })
    }

    /// Whether the complaint is about a part of the form.
    pub(super) fn is_about(&self, part: FormPart) -> bool {
        let named = || WORDS.part.iter().filter(|row| row.about == part).flat_map(|row| &row.names).any(|name| self.names(name));
        self.parts.contains(&part) || named()
    }

    /// Whether the complaint calls a field unknown.
    pub(super) fn names(&self, field: &str) -> bool {
        self.sentences.iter().any(|sentence| has(sentence, field))
    }

    /// Whether the wording contains a phrase.
    pub(super) fn mentions(&self, phrase: &str) -> bool {
        has(&self.wording, phrase)
    }
}

/// Whether the server accepted a grammar and failed while sampling with it.
fn is_sampling(wording: &str) -> bool {
    ["sampler", "sampling", "this prompt", "this document", "this input", "fsm", "advance"].iter().any(|word| has(wording, word))
}
