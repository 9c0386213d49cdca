//! PDF documents: the text or an image of each page.
//!
//! The extract has one page for each page of the document, in order. Empty pages are empty texts,
//! so that page numbers stay correct. Notes report omitted content. Glyphs with unknown characters
//! become U+FFFD, with a note.
//!
//! This reader does not ask for passwords, follow links or run scripts. It does not paint pages
//! whose text is used.

mod annotations;
mod attachments;
mod boxes;
mod canvas;
mod characters;
mod charset;
mod columns;
mod coverage;
mod damage;
mod form;
mod fractions;
mod glyphs;
mod hyphens;
mod ink;
mod lines;
mod marks;
mod notes;
mod order;
mod page_image;
mod pieces;
mod reading;
mod row;
mod runs;
mod scan;
mod skew;
mod stops;
mod strikes;
mod strings;
mod structure;
mod tables;
mod turned;

use super::{Attachment, Extract, ImageLimits, PrepareSettings, Reader, verdict};
use crate::model::{Failure, FailureCode};
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use reading::Reading;

/// The reader of PDF documents.
pub(super) const READER: Reader = Reader { format: "pdf", name: "a PDF document", recognises, read };

/// The header of a PDF document.
///
/// Some programs write their own header first, so this one may start within `HEADER_WITHIN` bytes.
const HEADER: &[u8] = b"%PDF-";
const HEADER_WITHIN: usize = 1024;
/// The header that PostScript programs write before that of PDF.
const POSTSCRIPT: &[u8] = b"%!PS-Adobe-";
/// The end of an object in a document without a header.
const END_OF_OBJECT: &[u8] = b"endobj";
/// The keyword at the end of a complete document.
///
/// It is within the last `LAST_WORDS_WITHIN` bytes.
const LAST_WORDS: &[u8] = b"startxref";
const LAST_WORDS_WITHIN: usize = 2048;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let start = &bytes[..bytes.len().min(HEADER_WITHIN)];
    let trimmed = start.trim_ascii_start();
    let contains = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    // A text about PDF is not a PDF.
    let is_pdf = extension == "pdf" && contains(start, HEADER) || trimmed.starts_with(POSTSCRIPT) && contains(start, b" PDF-");
    // The header may be missing or damaged. Then the document starts with an object.
    let has_objects = || starts_with_object(trimmed) || extension == "pdf" && contains(start, b" obj");
    trimmed.starts_with(HEADER) || is_pdf || has_objects() && contains(bytes, END_OF_OBJECT) && (has_end(bytes) || extension == "pdf")
}

/// Whether the text is `12 0 obj`, perhaps behind comments.
fn starts_with_object(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).skip_while(|line| line.is_empty() || line.starts_with(b"%"));
    let words = lines.next().unwrap_or_default();
    let mut words = words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut number = || words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    number() && number() && words.next().is_some_and(|word| word.starts_with(b"obj"))
}

fn read(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure> {
    let pdf = Pdf::new(bytes.to_vec()).map_err(unopened)?;
    let count = pdf.pages().len();
    let cut = !has_end(bytes);
    if count == 0 {
        return Err(if cut {
            cut_off()
        } else {
            Failure::new(FailureCode::Empty, "this PDF document has no pages. Export it again, or exclude it")
        });
    }
    let most = settings.pdf.max_pages;
    if most > 0 && count > most as usize {
        return Err(Failure::new(
            FailureCode::TooLong,
            format!("the document has {count} pages, but prepare.pdf.max_pages is {most}. Raise it, or split the document"),
        ));
    }
    if form::is_dynamic(&pdf) {
        return Err(Failure::new(
            FailureCode::NoText,
            "this PDF document is a dynamic form (XFA), which only Adobe's programs can show. Print it to a new \
             PDF document there, or exclude it",
        ));
    }
    let extract = Reading::new(&pdf, settings, limits).read();
    if !cut {
        return extract;
    }
    // Pages that seem blank may be missing.
    let mut extract = extract.map_err(|failure| if failure.code == FailureCode::Empty { cut_off() } else { failure })?;
    extract.notes.push("the file breaks off: pages or parts of them may be missing".to_owned());
    Ok(extract)
}

/// The attached files.
pub(super) fn attachments(bytes: &[u8]) -> Vec<Attachment> {
    Pdf::new(bytes.to_vec()).map_or_else(|_| Vec::new(), |pdf| attachments::contents(&pdf))
}

/// Whether the end of the document is present.
///
/// Mailers and web servers may append a few bytes.
fn has_end(bytes: &[u8]) -> bool {
    // Storage in blocks may append zeros.
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let end = &bytes[length.saturating_sub(LAST_WORDS_WITHIN)..length];
    end.windows(LAST_WORDS.len()).any(|window| window == LAST_WORDS)
}

fn cut_off() -> Failure {
    verdict::damaged(READER.name, "it breaks off before its end, and no page can be read")
}

fn unopened(error: LoadPdfError) -> Failure {
    let (code, message) = match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => {
            (FailureCode::Encrypted, "this PDF document opens only with a password. Save a copy without one")
        }
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => {
            (FailureCode::Encrypted, "this PDF document has an unsupported encryption. Save a copy without encryption")
        }
        LoadPdfError::Decryption(_) => (
            FailureCode::Undecodable,
            "the encryption of this PDF document is damaged. Save a copy without encryption, or get the file again",
        ),
        LoadPdfError::Invalid => {
            (FailureCode::Undecodable, "this PDF document is damaged: it has no readable pages. Get the file again, or export it again")
        }
    };
    Failure::new(code, message)
}
