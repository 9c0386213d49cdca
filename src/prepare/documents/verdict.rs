//! Failures and notes of document readers. Failures say what failed, why, and what to do.

use super::{Extract, Page};
use crate::model::{Failure, FailureCode};
use std::fmt::Display;

/// The note for text that is hidden from readers of the document. It is not sent.
pub(super) const HIDDEN: &str = "hidden text left out";
/// The note for tracked deletions. They are not sent.
pub(super) const DELETIONS: &str = "tracked deletions left out";

/// The file claims to be of its kind but cannot be read. `name` is the reader's: `a DOCX document`.
pub(super) fn damaged(name: &str, why: impl Display) -> Failure {
    let why = why.to_string();
    let why = why.trim_end_matches('.');
    Failure::new(
        FailureCode::Undecodable,
        format!("cannot read this as {name}: the file is damaged: {why}. Open it in its program and save it again, or exclude it"),
    )
}

/// The file needs a password.
pub(super) fn encrypted(name: &str) -> Failure {
    Failure::new(FailureCode::Encrypted, format!("cannot read this as {name}: it needs a password. Save it without one, or exclude it"))
}

/// The file decompresses to more than any real document holds.
pub(super) fn too_much(name: &str, what: impl Display) -> Failure {
    Failure::new(
        FailureCode::PrepareLimit,
        format!(
            "cannot read this as {name}: {what}. Split it up, or save its text \
        in another format"
        ),
    )
}

/// The extract, or a failure if it has nothing to read.
pub(super) fn readable(name: &str, extract: Extract) -> Result<Extract, Failure> {
    let mut pictures = extract.notes.iter().any(|note| note.contains("picture"));
    for page in &extract.pages {
        let Page::Text(text) = page else { return Ok(extract) };
        let mut parts = text.split("[image: ");
        let before = parts.next().unwrap_or_default();
        let words = |text: &str| text.chars().any(char::is_alphanumeric);
        // The name of a picture says little about its content.
        if words(before) || parts.any(|part| part.split_once(']').is_some_and(|(_, behind)| words(behind))) {
            return Ok(extract);
        }
        pictures |= text.contains("[image: ");
    }
    let notes = if extract.notes.is_empty() { String::new() } else { format!(" ({})", extract.notes.join(", ")) };
    Err(if pictures {
        Failure::new(
            FailureCode::NoText,
            format!("no text in {name}: it has only pictures{notes}. Save it as PDF, save its pictures as images, or exclude it"),
        )
    } else {
        Failure::new(FailureCode::Empty, format!("no text in {name}{notes}. Exclude it"))
    })
}

/// A count with its noun: `1 picture`, `2 pictures`.
pub(super) fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
