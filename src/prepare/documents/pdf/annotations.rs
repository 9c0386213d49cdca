//! Reads notes on a page that are text by themselves (`FreeText`), and comments.
//!
//! Notes with an appearance are drawn like the rest of the page. Without one, the viewer draws their
//! contents. Comments are the contents of symbols, marked text and drawings.

use super::strings::words;
use crate::prepare::documents::xml::{self, Node};
use hayro::hayro_interpret::TransformExt;
use hayro::hayro_syntax::object::{Array, Dict, Name, Object, Rect as Area, Stream};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Point, Rect};

/// Annotation flags: hidden, or not shown on screens.
const UNSEEN: u32 = 1 << 1 | 1 << 5;
/// Annotations whose contents are comments.
const COMMENTED: [&str; 14] = [
    "Text",
    "Highlight",
    "Underline",
    "Squiggly",
    "StrikeOut",
    "Caret",
    "Stamp",
    "Line",
    "Square",
    "Circle",
    "Polygon",
    "PolyLine",
    "Ink",
    "Redact",
];
/// Text size of notes that do not name one.
const SIZE: f64 = 12.0;
/// Maximum number of notes on a page, and of struck areas.
const MOST: usize = 1000;

/// A note: its place on the upright page, its text and the size of its letters.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) place: Rect,
    pub(super) text: String,
    pub(super) size: f64,
}

/// Returns the notes of a page that have no appearance.
pub(super) fn notes(page: &Page<'_>) -> Vec<Note> {
    let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { return Vec::new() };
    let note = |annotation: Dict<'_>| {
        let is_note = annotation.get::<Name<'_>>(b"Subtype")?.as_str() == "FreeText";
        let drawn = annotation.get::<Dict<'_>>(b"AP").is_some_and(|drawings| drawings.get::<Stream<'_>>(b"N").is_some());
        if !is_note || is_unseen(&annotation) || drawn {
            return None;
        }
        let place = place(page, &annotation)?;
        let look = entry(&annotation, b"DA").unwrap_or_default();
        Some(Note { place, text: contents(&annotation)?, size: size(&look).unwrap_or(SIZE) })
    };
    annotations.iter::<Dict<'_>>().take(MOST).filter_map(note).collect()
}

/// The area of an annotation on the upright page.
pub(super) fn place(page: &Page<'_>, annotation: &Dict<'_>) -> Option<Rect> {
    let area = annotation.get::<Area>(b"Rect")?;
    let upright = page.initial_transform(true).to_kurbo();
    Some(upright.transform_rect_bbox(Rect::new(area.x0, area.y0, area.x1, area.y1)))
}

/// Returns the areas whose text is struck, each on the upright page.
pub(super) fn strikes(page: &Page<'_>) -> Vec<Rect> {
    let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { return Vec::new() };
    let upright = page.initial_transform(true).to_kurbo();
    let areas = |annotation: Dict<'_>| {
        if annotation.get::<Name<'_>>(b"Subtype")?.as_str() != "StrikeOut" || is_unseen(&annotation) {
            return None;
        }
        let corners: Vec<f64> = annotation.get::<Array<'_>>(b"QuadPoints")?.iter::<f32>().take(8 * MOST).map(f64::from).collect();
        let area = |quad: &[f64]| {
            let corners = quad.chunks_exact(2).map(|corner| Point::new(corner[0], corner[1]));
            let bounds = corners.map(|corner| Rect::from_points(corner, corner)).reduce(|a, b| a.union(b))?;
            Some(upright.transform_rect_bbox(bounds))
        };
        Some(corners.chunks_exact(8).filter_map(area).collect::<Vec<_>>())
    };
    annotations.iter::<Dict<'_>>().take(MOST).filter_map(areas).flatten().take(MOST).collect()
}

/// Returns the comments on a page, each as `author: text` on one line.
pub(super) fn comments(page: &Page<'_>) -> Vec<String> {
    let Some(annotations) = page.raw().get::<Array<'_>>(b"Annots") else { return Vec::new() };
    let comment = |annotation: Dict<'_>| {
        let is_comment = COMMENTED.contains(&annotation.get::<Name<'_>>(b"Subtype")?.as_str());
        // Reviewers mark comments as accepted or done by further comments.
        if !is_comment || is_unseen(&annotation) || annotation.contains_key(b"StateModel") {
            return None;
        }
        let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = Some(line(contents(&annotation)?)).filter(|text| !text.is_empty())?;
        let author = entry(&annotation, b"T").map(line).filter(|author| !author.is_empty());
        Some(match author {
            Some(author) => format!("{author}: {text}"),
            None => text,
        })
    };
    annotations.iter::<Dict<'_>>().take(MOST).filter_map(comment).collect()
}

pub(super) fn is_unseen(annotation: &Dict<'_>) -> bool {
    annotation.get::<u32>(b"F").unwrap_or(0) & UNSEEN != 0
}

fn entry(annotation: &Dict<'_>, key: &[u8]) -> Option<String> {
    annotation.get::<Object<'_>>(key).and_then(|text| words(&text))
}

/// The text of an annotation.
fn contents(annotation: &Dict<'_>) -> Option<String> {
    let plain = entry(annotation, b"Contents").filter(|text| !text.trim().is_empty());
    plain.or_else(|| entry(annotation, b"RC").map(|markup| without_tags(&markup)))
}

/// Reads the size from `/Helv 12 Tf 0 g`.
fn size(look: &str) -> Option<f64> {
    let words: Vec<&str> = look.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Tf")?;
    words.get(at.checked_sub(1)?)?.parse().ok().filter(|size| (1.0..200.0).contains(size))
}

/// The text of XHTML, with a line for each paragraph.
fn without_tags(markup: &str) -> String {
    let mut text = String::new();
    // Text before damage stays.
    let _damaged = xml::read(markup, |node| match node {
        Node::Text(part) => text.push_str(part),
        Node::Close("p" | "br") => text.push('\n'),
        Node::Open(_) | Node::Close(_) => {}
    });
    text
}
