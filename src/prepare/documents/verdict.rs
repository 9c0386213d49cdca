//! How readers of documents say that they cannot read one: what happened, why, and what to do next.

use super::{Extract, Page};
use crate::model::{Failure, FailureCode};
use std::fmt::Display;

/// The note of text that nobody sees who reads the document, and that is not sent.
pub(super) const HIDDEN: &str = "hidden text left out";
/// The note of text that was deleted while changes were tracked, and that is not sent.
pub(super) const DELETIONS: &str = "tracked deletions left out";

/// The file says what it is, and then is not. `name` is the reader's: `a DOCX document`.
pub(super) fn damaged(name: &str, why: impl Display) -> Failure {
    let why = why.to_string();
    let why = why.trim_end_matches('.');
    Failure::new(
        FailureCode::Undecodable,
        format!("this is {name}, and it is damaged: {why}; open it in the program it comes from and save it again, or exclude it"),
    )
}

/// Only a password opens the file.
pub(super) fn encrypted(name: &str) -> Failure {
    Failure::new(FailureCode::Encrypted, format!("this is {name} that opens only with a password; save it without one, or exclude it"))
}

/// More comes out of the file than any honest document holds.
pub(super) fn too_much(name: &str, what: impl Display) -> Failure {
    Failure::new(FailureCode::PrepareLimit, format!("this is {name}, and {what}; split it up or save its text in another format"))
}

/// The extract, unless there is nothing to read in it.
pub(super) fn readable(name: &str, extract: Extract) -> Result<Extract, Failure> {
    let mut pictures = extract.notes.iter().any(|note| note.contains("picture"));
    for page in &extract.pages {
        let Page::Text(text) = page else { return Ok(extract) };
        let mut parts = text.split("[image: ");
        let before = parts.next().unwrap_or_default();
        let words = |text: &str| text.chars().any(char::is_alphanumeric);
        // What a picture is called says little of what it shows.
        if words(before) || parts.any(|part| part.split_once(']').is_some_and(|(_, behind)| words(behind))) {
            return Ok(extract);
        }
        pictures |= text.contains("[image: ");
    }
    let notes = if extract.notes.is_empty() { String::new() } else { format!(" ({})", extract.notes.join(", ")) };
    Err(if pictures {
        Failure::new(
            FailureCode::NoText,
            format!("this is {name} that shows pictures and has no text{notes}; save it as PDF, or its pictures as images, or exclude it"),
        )
    } else {
        Failure::new(FailureCode::Empty, format!("this is {name} without any text{notes}; exclude it"))
    })
}

/// `1 picture`, `2 pictures`.
pub(super) fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
