//! PDF documents: the text or an image of each page.
//!
//! The extract has one page for each page of the document, in order. Empty pages are empty texts,
//! so that page numbers stay correct. Notes report omitted content. Glyphs with unknown characters
//! become U+FFFD, with a note.
//!
//! This reader does not ask for passwords, follow links or run scripts. It does not paint pages
//! whose text is used.

mod characters;
mod columns;
mod coverage;
mod damage;
mod form;
mod glyphs;
mod lines;
mod order;
mod page_image;
mod pieces;
mod row;

use super::{Extract, ImageLimits, Page, PdfMode, PrepareSettings, Reader, verdict};
use crate::model::{Failure, FailureCode};
use glyphs::{Endless, Scan};
use hayro::RenderCache;
use hayro::hayro_interpret::{InterpreterCache, InterpreterSettings};
use hayro::hayro_syntax::page::Page as Leaf;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

/// The reader of PDF documents.
pub(super) const READER: Reader = Reader { format: "pdf", name: "a PDF document", recognises, read };

/// The header of a PDF document.
///
/// Some programs write their own header first, so this one may start within `HEADER_WITHIN` bytes.
const HEADER: &[u8] = b"%PDF-";
const HEADER_WITHIN: usize = 1024;
/// Maximum number of glyphs and shapes of a document.
///
/// Each page adds `ALLOWANCE_PER_PAGE`. Dense maps draw less.
const ALLOWANCE: u64 = 5_000_000;
const ALLOWANCE_PER_PAGE: u64 = 500_000;
/// Minimum share of images on a page that counts as a picture.
///
/// Its text must also cover less than `LITTLE_TEXT`, or have fewer than `FEW_LETTERS` letters. Such
/// text is page numbers, stamps or watermarks. Slides have more text on their backgrounds.
const PICTURE: f64 = 0.2;
const LITTLE_TEXT: f64 = 0.02;
const FEW_LETTERS: usize = 40;
/// The keyword at the end of a complete document.
///
/// It is within the last `LAST_WORDS_WITHIN` bytes.
const LAST_WORDS: &[u8] = b"startxref";
const LAST_WORDS_WITHIN: usize = 2048;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let start = &bytes[..bytes.len().min(HEADER_WITHIN)];
    // A text about PDF is not a PDF.
    bytes.trim_ascii_start().starts_with(HEADER) || extension == "pdf" && start.windows(HEADER.len()).any(|window| window == HEADER)
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
    let extract = Reading { pdf: &pdf, settings, limits, interpreter: InterpreterSettings::default() }.read();
    if !cut {
        return extract;
    }
    // Pages that seem blank may be missing.
    let mut extract = extract.map_err(|failure| if failure.code == FailureCode::Empty { cut_off() } else { failure })?;
    extract.notes.push("the file breaks off: pages or parts of them may be missing".to_owned());
    Ok(extract)
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

/// The form in which a page is sent.
enum Found {
    Text(String),
    Picture,
    Nothing,
}

struct Reading<'a> {
    pdf: &'a Pdf,
    settings: &'a PrepareSettings,
    limits: &'a ImageLimits,
    interpreter: InterpreterSettings,
}

impl Reading<'_> {
    fn read(&self) -> Result<Extract, Failure> {
        let mode = self.settings.pdf.mode;
        let (texts, images) = (InterpreterCache::new(), RenderCache::new());
        let (mut glyphs, mut unknown, mut blank, mut scans) = (0, 0, 0_usize, 0_usize);
        let (mut damaged, mut unpainted) = (Vec::new(), Vec::new());
        let mut allowance = ALLOWANCE + ALLOWANCE_PER_PAGE * self.pdf.pages().len() as u64;
        let mut pages = Vec::with_capacity(self.pdf.pages().len());
        for (number, page) in (1..).zip(self.pdf.pages().iter()) {
            let scan = glyphs::scan(page, &texts, &self.interpreter, &mut allowance).map_err(|Endless| endless(number))?;
            let broken = damage::is_damaged(page);
            if broken {
                damaged.push(number);
            }
            let found = found(&scan, mode);
            let fields = form::unseen(page, if let Found::Text(text) = &found { text } else { "" });
            if matches!(found, Found::Picture) && !fields.is_empty() {
                unpainted.push(number);
            }
            pages.push(match found {
                Found::Text(text) => {
                    scans += usize::from(is_picture(&scan));
                    glyphs += scan.glyphs;
                    unknown += scan.unknown;
                    Page::Text(with_fields(text, &fields))
                }
                Found::Picture => self.picture(page, &scan, number, &images)?,
                Found::Nothing => Page::Text(with_fields(String::new(), &fields)),
            });
            blank += usize::from(!broken && matches!(pages.last(), Some(Page::Text(text)) if text.is_empty()));
        }
        if pages.iter().all(|page| matches!(page, Page::Text(text) if text.is_empty())) {
            return Err(if damaged.is_empty() { nothing(blank, mode) } else { verdict::damaged(READER.name, "no page can be read") });
        }
        let mut notes = notes(mode, (blank, scans, pages.len()), glyphs, unknown);
        notes.extend(numbered(&damaged).map(|pages| format!("{pages} damaged: only a part of the content could be read")));
        notes.extend(numbered(&unpainted).map(|pages| format!("{pages} sent as an image without all values of its form fields")));
        Ok(Extract { notes, pages, paged: true })
    }

    fn picture<'p>(&self, page: &'p Leaf<'p>, scan: &Scan, number: usize, cache: &RenderCache<'p>) -> Result<Page, Failure> {
        self.check_pixels(scan, number)?;
        let limits = self.limits.with_max_edge(self.settings.image.max_edge);
        let size = page_image::size(page, scan.sharpness, &limits);
        let painted = page_image::painted(page, cache, &self.interpreter, size);
        if self.settings.pdf.mode != PdfMode::Pages && page_image::is_white(&painted) {
            return Ok(Page::Text(String::new()));
        }
        page_image::encoded(&painted, self.settings.image.jpeg_quality, &limits).map(Page::Image)
    }

    /// Checks the size of images, which are decoded completely before shrinking.
    fn check_pixels(&self, scan: &Scan, number: usize) -> Result<(), Failure> {
        let most = self.settings.image.max_pixels_mp;
        if scan.image_pixels <= u64::from(most) * 1_000_000 {
            return Ok(());
        }
        Err(Failure::new(
            FailureCode::TooManyPixels,
            format!(
                "an image on page {number} has {} megapixels, but prepare.image.max_pixels_mp is {most}. Raise the \
                    limit, or shrink the image",
                scan.image_pixels.div_ceil(1_000_000)
            ),
        ))
    }
}

fn found(scan: &Scan, mode: PdfMode) -> Found {
    if mode == PdfMode::Pages {
        return Found::Picture;
    }
    let garbled = scan.unknown * 2 > scan.glyphs;
    if mode == PdfMode::Auto && (garbled || scan.glyphs == 0 && scan.painted || is_picture(scan)) {
        return Found::Picture;
    }
    if scan.unknown == scan.glyphs { Found::Nothing } else { Found::Text(order::text(scan)) }
}

fn with_fields(text: String, fields: &[String]) -> String {
    if fields.is_empty() {
        return text;
    }
    format!("{text}\n\nForm fields:\n{}", fields.join("\n")).trim_start().to_owned()
}

/// Builds the subject and verb of a note.
///
/// Examples are `page 2 is` and `3 pages (the first is page 2) are`.
fn numbered(pages: &[usize]) -> Option<String> {
    let first = pages.first()?;
    Some(if pages.len() == 1 { format!("page {first} is") } else { format!("{} (the first is page {first}) are", counted(pages.len())) })
}

/// Whether the page shows more than its text.
fn is_picture(scan: &Scan) -> bool {
    // The letters are counted only if necessary.
    let few = || scan.text.chars().filter(|c| c.is_alphanumeric()).take(FEW_LETTERS).count() < FEW_LETTERS;
    let little = || scan.written() < LITTLE_TEXT && scan.invisible < FEW_LETTERS as u64;
    scan.drawing && few() || scan.pictured() > PICTURE && (few() || little())
}

fn endless(number: usize) -> Failure {
    Failure::new(
        FailureCode::PrepareLimit,
        format!("page {number} draws more than the limit for a document. Print it to a new file, or exclude it"),
    )
}

fn nothing(pages: usize, mode: PdfMode) -> Failure {
    match mode {
        PdfMode::Text => Failure::new(
            FailureCode::NoText,
            format!(
                "none of the {} in this document has text, as in scans. Send images of them with prepare.pdf.mode = \"auto\" or \"pages\"",
                counted(pages)
            ),
        ),
        PdfMode::Auto | PdfMode::Pages => {
            Failure::new(FailureCode::Empty, format!("this document is blank ({}). Export it again, or exclude it", counted(pages)))
        }
    }
}

fn notes(mode: PdfMode, (blank, scans, pages): (usize, usize, usize), glyphs: u64, unknown: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if blank > 0 {
        let why = if mode == PdfMode::Text { "without text left out" } else { "with nothing on them left out" };
        notes.push(format!("{blank} of {} {why}", counted(pages)));
    }
    if scans > 0 {
        notes.push(format!(
            "only a little text sent of {scans} of {}: this is usual for scans, and prepare.pdf.mode = \"auto\" sends images of them",
            counted(pages)
        ));
    }
    if unknown > 0 {
        // The share is rounded up, so that it never shows as 0.
        let percent = (unknown * 100).div_ceil(glyphs.max(1));
        notes.push(format!("{percent} % of the characters are unknown: fonts in the document do not say what they stand for"));
    }
    notes
}

fn counted(pages: usize) -> String {
    if pages == 1 { "1 page".to_owned() } else { format!("{pages} pages") }
}
