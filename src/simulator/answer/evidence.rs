//! What a request holds: instructions, a document, data of earlier answers, and pictures.

use super::records::Records;
use crate::simulator::ask::Ask;
use crate::simulator::looks::Looks;
use crate::simulator::reading::digest::Digest;
use crate::simulator::reading::language::Language;
use crate::simulator::reading::sentiment::{self, Feeling};
use crate::simulator::reading::text::Text;
use std::borrow::Cow;
use std::cell::OnceCell;

/// What stands for a picture that cannot be looked at. Otherwise the instructions would count as the
/// document.
const UNSEEN: &str = "The picture is too small, or its format is unknown.";

/// The parts of a request.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The instructions, without the document.
    pub prompt: Cow<'a, str>,
    /// The document; empty if the request holds only pictures.
    pub document: Cow<'a, str>,
    /// Data in the instructions or in the document.
    pub records: Records,
    pub looks: Option<Looks>,
}

impl<'a> Parts<'a> {
    /// Divides the texts of the user. The document is what stands between document marks; without
    /// marks it is the longest text, unless there are pictures.
    pub fn of(ask: &'a Ask<'_>, looks: Option<Looks>) -> Self {
        let all = ask.user_text.as_str();
        if let Some((prompt, document)) = fenced(all) {
            let records = Records::whole(&document);
            return Self { prompt: prompt.into(), document, records, looks };
        }
        let records = Records::within(all);
        let (prompt, document) = if !records.is_empty() {
            (all, Cow::Owned(records.text()))
        } else if looks.is_some() {
            (all, Cow::Borrowed(""))
        } else if ask.picture.is_some() {
            (all, Cow::Borrowed(UNSEEN))
        } else {
            (all, Cow::Borrowed(ask.document()))
        };
        Self { prompt: prompt.into(), document, records, looks }
    }
}

/// The text outside and inside of document marks.
fn fenced(text: &str) -> Option<(String, Cow<'_, str>)> {
    const OPENS: &str = "<document-";
    let mut prompt = String::new();
    let mut inside: Option<Cow<'_, str>> = None;
    let mut rest = text;
    while let Some(start) = rest.find(OPENS) {
        let Some((mark, body)) = rest[start + OPENS.len()..].split_once('>') else { break };
        let Some((body, after)) = body.split_once(&format!("</document-{mark}>")) else { break };
        prompt.push_str(&rest[..start]);
        inside = Some(match inside {
            None => body.trim().into(),
            Some(before) => format!("{before}\n\n{}", body.trim()).into(),
        });
        rest = after;
    }
    prompt.push_str(rest);
    inside.map(|inside| (prompt, inside))
}

/// A text with what is known about it. Everything is found when it is needed.
#[derive(Debug)]
pub struct Reading<'t> {
    pub text: &'t Text<'t>,
    language: OnceCell<Language>,
    feeling: OnceCell<Feeling>,
    digest: OnceCell<Digest<'t, 't>>,
}

impl<'t> Reading<'t> {
    pub fn new(text: &'t Text<'t>) -> Self {
        Self { text, language: OnceCell::new(), feeling: OnceCell::new(), digest: OnceCell::new() }
    }

    pub fn language(&self) -> Language {
        *self.language.get_or_init(|| sentiment::language(self.text))
    }

    pub fn feeling(&self) -> Feeling {
        *self.feeling.get_or_init(|| sentiment::of(self.text, self.language()))
    }

    pub fn digest(&self) -> &Digest<'t, 't> {
        self.digest.get_or_init(|| Digest::new(self.text))
    }
}
