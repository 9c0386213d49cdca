//! Turns the bytes of a file into content for prompts (stage 2).
//!
//! The content decides the kind of a document. Every input ends as a [`Prepared`] or as a
//! [`Failure`] that says what the file is and why it cannot be used. A panic inside a decoder is
//! such a failure. The media type of a picture always matches its bytes, and the bytes decode.
//!
//! This module never reads files, waits, reads a clock, starts threads or enlarges a picture.

mod avif;
mod binary;
mod chunks;
mod clean_aperture;
mod colour;
mod containers;
mod decode;
mod decode_memory;
mod documents;
mod dos;
mod encode;
mod encoding;
mod flatten;
mod frames;
mod group;
mod heif;
mod image_kind;
mod image_limits;
mod image_rules;
mod image_tokens;
mod jpeg;
mod jxl;
mod pages;
mod picture;
mod program_text;
mod prompt_injection;
mod settings;
mod sniff;
mod split;
mod text;
mod text_tokens;
mod tiff_image;
mod wire;

#[cfg(test)]
mod tests;

pub use binary::BINARY;
pub use chunks::chunks;
pub use containers::{Ending, Frame, Member, Request as UnpackRequest, extension_of, is_archive_name, read_frame, serve_unpacking, unpack};
pub use decode_memory::peak_memory;
pub use documents::{Extract, Page, PageImage, READERS, Reader, SheetChoice, is_workbook, sheet_rows};
pub use encoding::{encoding_of, undecodable, utf16_without_mark as is_utf16};
pub use group::{bundle, group_kind};
pub use image_kind::ImageKind;
pub use image_limits::ImageLimits;
pub use image_rules::Viewer;
pub use image_tokens::Count;
pub use picture::SentImage;
pub use prompt_injection::prompt_injections;
pub use settings::{Apart, ImageSettings, PdfMode, PdfSettings, PrepareSettings, TextSettings};
pub use sniff::{Sniffed, misnamed, sniff};
pub use split::{Divide, counted, split, truncate};
pub use wire::{Greeting, LENGTH_BYTES, divide_request, length as frame_length, serve};

use crate::model::{Facts, Failure, FailureCode, Kind, Prepared};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Prepares one document.
///
/// A panic of a decoder becomes [`FailureCode::Undecodable`] with the panic's text in the message.
/// The process's panic hook still runs.
pub fn prepare(bytes: &[u8], sniffed: Sniffed, settings: &PrepareSettings, limits: &ImageLimits) -> Result<Prepared, Failure> {
    if bytes.is_empty() {
        return Err(Failure::new(FailureCode::Empty, "the file is empty (0 bytes)"));
    }
    match sniffed {
        Sniffed::Text => fenced(|| text::prepare(bytes, &settings.text)),
        _ => prepare_extraction(extract(bytes, sniffed, settings, limits)?, bytes, sniffed, settings, limits),
    }
}

/// What a separate process extracts from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Extraction {
    /// The content of a document.
    Document(Extract),
    /// An image, decoded and encoded as it is sent.
    Image(Box<SentImage>),
}

/// Extracts the content of a document or image: the first half of preparation.
///
/// This may take any time and memory: see `engine::isolation`.
pub fn extract(bytes: &[u8], sniffed: Sniffed, settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extraction, Failure> {
    fenced(|| match sniffed {
        Sniffed::Image(kind) => picture::extract(bytes, kind, &settings.image, limits).map(|image| Extraction::Image(Box::new(image))),
        Sniffed::Document(reader) => (reader.read)(bytes, settings, limits).map(Extraction::Document),
        Sniffed::Group => group::read(bytes, settings, limits).map(Extraction::Document),
        Sniffed::Text => Err(Failure::new(FailureCode::Internal, "a text has no separate reader")),
        Sniffed::Unsupported(name) => {
            Err(Failure::new(FailureCode::UnsupportedKind, format!("cannot read this format: {name}. Convert the file, or exclude it")))
        }
    })
}

/// Prepares extracted content for sending: the second half. `bytes` are those of the file.
pub fn prepare_extraction(
    extraction: Extraction,
    bytes: &[u8],
    sniffed: Sniffed,
    settings: &PrepareSettings,
    limits: &ImageLimits,
) -> Result<Prepared, Failure> {
    fenced(|| match (extraction, sniffed) {
        (Extraction::Image(image), Sniffed::Image(kind)) => Ok(picture::prepare(*image, bytes, kind, &settings.image, limits)),
        (Extraction::Document(extract), _) => {
            let kind = if sniffed.is_group() { group_kind(bytes) } else { Kind::Text };
            let prepared = pages::prepare(extract, sniffed.format(), bytes.len() as u64, &settings.text, limits)?;
            Ok(Prepared { facts: Facts { kind, ..prepared.facts }, ..prepared })
        }
        (Extraction::Image(_), _) => Err(Failure::new(FailureCode::Internal, "the reader returned an image for a document")),
    })
}

/// Runs `work` and turns a panic into a failure. One file cannot end the run.
fn fenced<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // `work` owns its buffers and borrows only input, so no half-changed state remains.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Failure::new(
            FailureCode::Undecodable,
            format!("the decoder failed on this file: {}. Re-export the file, or exclude it", panic_text(&*panic)),
        ))
    })
}

/// The message of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}
