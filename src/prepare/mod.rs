//! Stage 2: the bytes of a file become a document that can be put into prompts.
//!
//! Promises: what a document is gets decided by its content; every input ends as a [`Prepared`] or as a
//! [`Failure`] that says what the file is and why it cannot be used; a panic inside a decoder is such a failure;
//! the label of a picture is always what its bytes are, and the bytes decode.
//!
//! Never: reads files, waits, looks at a clock, starts threads, enlarges a picture.

mod chunks;
mod count;
mod decode;
mod documents;
mod encode;
mod encoding;
mod frames;
mod jpeg;
mod limits;
mod memory;
mod orders;
mod pages;
mod picture;
mod rules;
mod settings;
mod sniff;
mod split;
mod text;
mod tokens;
mod wire;

#[cfg(test)]
mod tests;

pub use count::Count;
pub use documents::{Extract, Page, PageImage, READERS, Reader, SheetChoice, is_workbook, sheet_rows};
pub use encoding::{encoding_of, undecodable, utf16_without_mark as is_utf16};
pub use limits::ImageLimits;
pub use memory::peak_memory;
pub use orders::orders;
pub use rules::Viewer;
pub use settings::{ImageSettings, PdfMode, PdfSettings, PrepareSettings, TextSettings};
pub use sniff::{BINARY, Sniffed, sniff};
pub use split::{counted, split, truncate};
pub use wire::{Greeting, LENGTH_BYTES, length as frame_length, serve};

use crate::model::{Failure, FailureCode, Prepared};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The whole preparation of one document.
///
/// A panic of a decoder comes back as [`FailureCode::Undecodable`] with the panic's text in the message. The
/// process's panic hook still sees it.
pub fn prepare(bytes: &[u8], sniffed: Sniffed, settings: &PrepareSettings, limits: &ImageLimits) -> Result<Prepared, Failure> {
    if bytes.is_empty() {
        return Err(Failure::new(FailureCode::Empty, "the file is empty (0 bytes)"));
    }
    match sniffed {
        Sniffed::Image(format) => fenced(|| picture::prepare(bytes, format, &settings.image, limits)),
        Sniffed::Text => fenced(|| text::prepare(bytes, &settings.text)),
        Sniffed::Document(reader) => prepare_extract(extract(bytes, reader, settings, limits)?, reader, bytes.len(), settings, limits),
        Sniffed::Unsupported(name) => Err(Failure::new(
            FailureCode::UnsupportedKind,
            format!("this looks like: {name}; docmill does not read that; convert the file or exclude it"),
        )),
    }
}

/// The first half of preparing a document: what is in it. May take any time and memory: see `engine::isolation`.
pub fn extract(bytes: &[u8], reader: &Reader, settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure> {
    fenced(|| (reader.read)(bytes, settings, limits))
}

/// The second half: what was in it, made ready to be sent. `size` is that of the file.
pub fn prepare_extract(
    extract: Extract,
    reader: &Reader,
    size: usize,
    settings: &PrepareSettings,
    limits: &ImageLimits,
) -> Result<Prepared, Failure> {
    fenced(|| pages::prepare(extract, reader.format, size as u64, &settings.text, limits))
}

/// Runs `work` and turns a panic into a failure: one hostile file must not end the run for all others.
fn fenced<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Nothing that `work` could leave half-changed outlives it: it owns its buffers and borrows only input.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Failure::new(
            FailureCode::Undecodable,
            format!("the decoder broke down on this file: {}; re-export the file or remove it", panic_text(&*panic)),
        ))
    })
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}
