//! Documents that consist of several files (`input.group`), such as a photo with its note.
//!
//! The files come as one run of bytes: for each file the length of its name, the name, the length of
//! its content, and the content. Each file is read by its own kind. Its name stands before it. A file
//! that cannot be read fails the document.

use super::documents::{Extract, Page};
use super::sniff::{Sniffed, sniff};
use super::{ImageLimits, PrepareSettings, encoding, pages, picture};
use crate::model::{Failure, FailureCode, Kind};
use std::path::Path;

/// The files with their names as one run of bytes.
pub fn bundle(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(files.iter().map(|(name, file)| name.len() + file.len() + 16).sum());
    for part in files.iter().flat_map(|(name, file)| [name.as_bytes(), file]) {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    bytes
}

/// The names and contents in a bundle.
fn members(mut bytes: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut part = move || {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        bytes = rest;
        Some(part)
    };
    std::iter::from_fn(move || Some((std::str::from_utf8(part()?).ok()?, part()?)))
}

fn sniffed(name: &str, bytes: &[u8]) -> Sniffed {
    let extension = Path::new(name).extension().map(|extension| extension.to_string_lossy().to_lowercase());
    sniff(bytes, &extension.unwrap_or_default())
}

/// The kind of a group: an image if it has one, because only jobs for images can read that.
pub fn group_kind(bytes: &[u8]) -> Kind {
    let has_image = members(bytes).any(|(name, file)| sniffed(name, file).kind() == Some(Kind::Image));
    if has_image { Kind::Image } else { Kind::Text }
}

/// Reads all files of a document.
pub(super) fn read(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure> {
    let mut whole = Extract::default();
    for (name, file) in members(bytes) {
        if file.is_empty() {
            whole.notes.push(format!("{name}: the file is empty"));
            continue;
        }
        let part = one(name, file, settings, limits);
        let part = part.map_err(|failure| Failure { message: format!("{name}: {}", failure.message), ..failure })?;
        whole.pages.extend(part.pages);
        whole.notes.extend(part.notes.into_iter().map(|note| format!("{name}: {note}")));
    }
    Ok(whole)
}

/// The content of one file, with its name.
fn one(name: &str, file: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure> {
    let extract = match sniffed(name, file) {
        Sniffed::Image(kind) => {
            let (image, note) = picture::page(file, kind, &settings.image, limits)?;
            let pages = vec![Page::Text(format!("[file: {name}{}", pages::FOLLOWS)), Page::Image(image)];
            return Ok(Extract { pages, paged: false, notes: note.into_iter().collect() });
        }
        Sniffed::Document(reader) => (reader.read)(file, settings, limits)?,
        Sniffed::Text => {
            if let Some(what) = encoding::undecodable(file) {
                let message = format!("cannot read this encoding: {what}. Save the text as UTF-8, or exclude it");
                return Err(Failure::new(FailureCode::Undecodable, message));
            }
            let decoded = encoding::decode(file);
            Extract { notes: decoded.notes(), ..Extract::text(decoded.text.into_owned()) }
        }
        Sniffed::Group => return Err(Failure::new(FailureCode::Internal, "a file cannot be a group")),
        Sniffed::Unsupported(what) => {
            let message = format!("cannot read this format: {what}. Convert the file, or exclude it");
            return Err(Failure::new(FailureCode::UnsupportedKind, message));
        }
    };
    let numbered = extract.paged && extract.pages.len() > 1;
    let mut content = vec![Page::Text(format!("[file: {name}]"))];
    for (page, number) in extract.pages.into_iter().zip(1..) {
        match page {
            Page::Text(text) if numbered => content.push(Page::Text(format!("[page {number}]\n{}", text.trim_matches('\n')))),
            Page::Image(image) => {
                content.push(Page::Text(format!("[page {number}{}", pages::FOLLOWS)));
                content.push(Page::Image(image));
            }
            text @ Page::Text(_) => content.push(text),
        }
    }
    Ok(Extract { pages: content, paged: false, notes: extract.notes })
}
