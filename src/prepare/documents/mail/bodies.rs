//! Selects the parts of a mail that are its text.

use super::charset::PartText;
use super::html;
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use std::collections::HashSet;

/// Maximum depth of parts in parts.
const DEPTH: usize = 32;
/// Per cent of the words of the last alternative that an earlier one must have to be read instead.
const ENOUGH: usize = 80;

/// The parts of a mail by number, in order.
#[derive(Default)]
pub(super) struct Bodies {
    /// Parts that are its text.
    pub text: Vec<usize>,
    /// Attachments, pictures and attached mails.
    pub files: Vec<usize>,
    /// Whether parts are left out because they are nested too deeply.
    pub too_deep: bool,
}

impl Bodies {
    /// Divides the parts of a mail into text and files.
    ///
    /// Of several alternatives, the first with all the content is read. The last one is the richest
    /// by the standard; an earlier one may only say that a mail program is too old.
    pub fn of(message: &Message<'_>) -> Self {
        let mut bodies = Self::default();
        bodies.add(message, 0, 0, true);
        bodies
    }

    fn add(&mut self, message: &Message<'_>, id: usize, depth: usize, is_first: bool) {
        let Some(part) = message.parts.get(id) else { return };
        match &part.body {
            PartType::Multipart(_) if depth == DEPTH => self.too_deep = true,
            PartType::Multipart(children) => {
                let parts = children.iter().enumerate().map(|(at, child)| (*child as usize, at == 0));
                if part.is_content_type("multipart", "alternative") {
                    let alternatives = parts.map(|(child, _)| {
                        let mut own = Self::default();
                        own.add(message, child, depth + 1, true);
                        own
                    });
                    self.choose(message, alternatives.collect());
                } else {
                    parts.for_each(|(child, first)| self.add(message, child, depth + 1, first));
                }
            }
            PartType::Text(_) | PartType::Html(_) if id == 0 || !is_file(part, is_first) => self.text.push(id),
            _ => self.files.push(id),
        }
    }

    fn choose(&mut self, message: &Message<'_>, alternatives: Vec<Self>) {
        let words: Vec<HashSet<String>> = alternatives.iter().map(|one| words(message, &one.text)).collect();
        let chosen = words.iter().rfind(|words| !words.is_empty()).and_then(|richest| {
            let has_all = |words: &HashSet<String>| richest.intersection(words).count() * 100 >= richest.len() * ENOUGH;
            words.iter().position(has_all)
        });
        for (at, mut one) in alternatives.into_iter().enumerate() {
            self.too_deep |= one.too_deep;
            self.files.append(&mut one.files);
            if Some(at) == chosen {
                self.text.append(&mut one.text);
            }
        }
    }
}

/// Whether a text is an attachment. A named text is one, unless it comes first.
fn is_file(part: &MessagePart<'_>, is_first: bool) -> bool {
    let readable = part.content_type().is_none() || ["plain", "html", "enriched"].iter().any(|kind| part.is_content_type("text", kind));
    let disposition = part.content_disposition();
    !readable
        || disposition.is_some_and(mail_parser::ContentType::is_attachment)
        || (!is_first && part.attachment_name().is_some() && !disposition.is_some_and(mail_parser::ContentType::is_inline))
}

/// The words of some parts, as a reader sees them.
fn words(message: &Message<'_>, parts: &[usize]) -> HashSet<String> {
    let texts = parts.iter().filter_map(|id| message.parts.get(*id)).map(|part| {
        let text = PartText::of(part, &message.raw_message).text;
        if matches!(part.body, PartType::Html(_)) { without_targets(&html::markdown(&text).text) } else { text }
    });
    texts
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect::<Vec<_>>())
        .filter(|word| !word.is_empty())
        .collect()
}

/// A text without the targets of its links, which plain alternatives often lack.
fn without_targets(text: &str) -> String {
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "] " + part.split_once(')').map_or("", |(_, rest)| rest))
}
