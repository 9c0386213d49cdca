//! Turns the extracted content of a document into content blocks.
//!
//! Every text is normalised like a plain text ([`super::text`]). Pages keep their numbers in the
//! text and in the facts. Content blocks are never empty.

use super::documents::{Extract, Page, PageImage};
use super::{ImageLimits, TextSettings, text};
use crate::model::{Content, ContentBlock, Facts, Failure, FailureCode, Kind, PageFacts, Picture, Prepared};
use std::fmt::Write as _;
use std::mem::take;
use std::sync::Arc;

/// End of an image's label, which must stay with the image.
pub(super) const FOLLOWS: &str = ", the image that follows]";

/// Prepares extracted content.
///
/// `format` is the kind of the document. `bytes` is its size.
pub(super) fn prepare(
    extract: Extract,
    format: &str,
    bytes: u64,
    settings: &TextSettings,
    limits: &ImageLimits,
) -> Result<Prepared, Failure> {
    let Extract { pages, paged, notes } = extract;
    let numbered = paged && pages.len() > 1;
    let (mut content, mut facts, mut words) = (Vec::new(), Vec::new(), 0);
    let mut running = String::new();
    for (page, number) in pages.into_iter().zip(1..) {
        match page {
            Page::Text(raw) => {
                let body = text::tidy(&raw, settings);
                let on_page = text::count_words(&body) as u64;
                words += on_page;
                facts.push(PageFacts { page: number, words: Some(on_page), sent_pixels: None });
                if on_page > 0 {
                    add_page(&mut running, numbered.then_some(number), body.trim_matches('\n'));
                }
            }
            Page::Image(image) => {
                facts.push(PageFacts { page: number, words: None, sent_pixels: Some([image.width, image.height]) });
                content.extend(text::piece(&take(&mut running)));
                if numbered {
                    content.extend(text::piece(&format!("[page {number}{FOLLOWS}")));
                }
                content.push(ContentBlock::Picture(Arc::new(picture(image, limits))));
            }
        }
    }
    content.extend(text::piece(&running));
    if content.is_empty() {
        return Err(Failure::new(FailureCode::Empty, "the document has no text. Exclude it"));
    }
    let content = Content(content);
    let facts = Facts {
        kind: Kind::Text,
        bytes,
        format: format.to_owned(),
        pixels: None,
        sent_pixels: None,
        words: Some(words),
        tokens: content.tokens(),
        sent_tokens: None,
        parts: None,
        orders: Vec::new(),
        pages: if paged { facts } else { Vec::new() },
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    };
    Ok(Prepared { content, facts })
}

fn add_page(running: &mut String, number: Option<u32>, body: &str) {
    if !running.is_empty() {
        running.push_str("\n\n");
    }
    if let Some(number) = number {
        // Writing to a string never fails.
        let _infallible = writeln!(running, "[page {number}]");
    }
    running.push_str(body);
}

/// The JPEG of a page as a content block.
pub(super) fn picture(image: PageImage, limits: &ImageLimits) -> Picture {
    let PageImage { base64, digest, width, height } = image;
    let (tokens, most_tokens) = (limits.tokens(width, height), limits.most_tokens(width, height));
    Picture { media_type: "image/jpeg", base64: base64.into(), digest, width, height, tokens, most_tokens }
}
