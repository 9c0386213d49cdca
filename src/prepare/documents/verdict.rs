//! Failures and notes of document readers.

use super::{Extract, Page};
use crate::model::{Failure, FailureCode};
use std::fmt::Display;

/// The note for omitted text that readers of the document cannot see.
pub(super) const HIDDEN: &str = "hidden text left out";
/// The note for omitted tracked deletions.
pub(super) const DELETIONS: &str = "tracked deletions left out";

/// The note for a file that was cut.
pub(super) const CUT: &str = "the file breaks off before its end; parts of it may be missing";

/// The failure of a file that is damaged.
///
/// `name` is the reader's name for people: `a DOCX document`.
pub(super) fn damaged(name: &str, why: impl Display) -> Failure {
    let why = why.to_string();
    let why = why.trim_end_matches('.');
    Failure::new(
        FailureCode::Undecodable,
        format!("cannot read this as {name}: the file is damaged: {why}. Open it in its program and save it again, or exclude it"),
    )
}

/// The failure of a file that needs a password.
pub(super) fn encrypted(name: &str) -> Failure {
    Failure::new(FailureCode::Encrypted, format!("cannot read this as {name}: it needs a password. Save it without one, or exclude it"))
}

/// The failure of a file that decompresses to too much.
///
/// No real document contains that much.
pub(super) fn too_much(name: &str, what: impl Display) -> Failure {
    Failure::new(
        FailureCode::PrepareLimit,
        format!(
            "cannot read this as {name}: {what}. Split it up, or save its text \
        in another format"
        ),
    )
}

/// Returns the extract, or a failure if it has no text.
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
    if extract.notes.iter().any(|note| note == CUT) {
        return Err(damaged(name, "it breaks off before its end, and no text is left"));
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

/// Formats a count with its noun: `1 picture`, `2 pictures`.
pub(super) fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
