//! Notes about content that was left out or could not be read.

use super::super::{PdfMode, verdict};
use super::scan::Scan;
use crate::model::{Failure, FailureCode};

/// Maximum number of attachments that a note names.
const NAMED: usize = 5;

/// Share of images on a text page that are content. Logos are smaller, and backgrounds larger.
const PICTURE: std::ops::Range<f64> = 0.05..0.9;

/// What happened to the pages of a document, by their numbers.
#[derive(Debug)]
pub(super) struct Notes {
    pages: usize,
    mode: PdfMode,
    glyphs: u64,
    unknown: u64,
    scans: usize,
    hidden: Vec<usize>,
    /// Number of hidden words.
    hidden_words: usize,
    misread: Vec<usize>,
    pub(super) blank: usize,
    pub(super) damaged: Vec<usize>,
    pub(super) unpainted: Vec<usize>,
    /// Pages sent as images without the comments on them.
    pub(super) uncommented: Vec<usize>,
    /// Pages sent as text without the pictures on them.
    unpictured: Vec<usize>,
    pub(super) undecoded: Vec<usize>,
    pub(super) without_picture: Vec<usize>,
    pub(super) attachments: Vec<String>,
    /// Whether attachments are documents of their own.
    pub(super) apart: bool,
}

impl Notes {
    pub(super) fn new(pages: usize, mode: PdfMode) -> Self {
        Self {
            pages,
            mode,
            glyphs: 0,
            unknown: 0,
            scans: 0,
            hidden: Vec::new(),
            hidden_words: 0,
            misread: Vec::new(),
            blank: 0,
            damaged: Vec::new(),
            unpainted: Vec::new(),
            uncommented: Vec::new(),
            unpictured: Vec::new(),
            undecoded: Vec::new(),
            without_picture: Vec::new(),
            attachments: Vec::new(),
            apart: false,
        }
    }

    pub(super) fn hide(&mut self, number: usize, words: usize) {
        if words > 0 {
            self.hidden.push(number);
            self.hidden_words += words;
        }
    }

    /// Counts a page that is sent as text.
    pub(super) fn text(&mut self, number: usize, scan: &Scan, is_picture: bool, is_misread: bool) {
        self.scans += usize::from(is_picture);
        self.glyphs += scan.glyphs;
        self.unknown += scan.unknown;
        self.misread.extend(is_misread.then_some(number));
        let is_pictured = !is_picture && scan.invisible == 0 && PICTURE.contains(&scan.pictured());
        self.unpictured.extend(is_pictured.then_some(number));
    }

    /// Whether a note says why the page is empty.
    pub(super) fn names(&self, number: usize) -> bool {
        [&self.damaged, &self.undecoded, &self.without_picture, &self.hidden].iter().any(|pages| pages.last() == Some(&number))
    }

    /// The failure of a document without any content.
    pub(super) fn failure(&self, name: &str) -> Failure {
        let pages = verdict::counted(self.pages, "page");
        if !self.damaged.is_empty() {
            return verdict::damaged(name, "no page can be read");
        }
        if !self.undecoded.is_empty() {
            return verdict::damaged(name, "its pictures cannot be decoded");
        }
        let attached = match self.attached() {
            Some(attached) => format!(" It has {attached}. Save them as files"),
            None => " Export it again".to_owned(),
        };
        if !self.hidden.is_empty() {
            return Failure::new(FailureCode::Empty, format!("all text in this document is hidden ({pages}).{attached}, or exclude it"));
        }
        match self.mode {
            PdfMode::Text if self.attachments.is_empty() => Failure::new(
                FailureCode::NoText,
                format!(
                    "none of the {pages} in this document has text, as in scans. Send images of them with prepare.pdf.mode = \"auto\" \
                     or \"pages\""
                ),
            ),
            _ => Failure::new(FailureCode::Empty, format!("this document is blank ({pages}).{attached}, or exclude it")),
        }
    }

    fn attached(&self) -> Option<String> {
        let named: Vec<&str> = self.attachments.iter().take(NAMED).map(String::as_str).collect();
        let more = if self.attachments.len() > NAMED { ", ..." } else { "" };
        (!named.is_empty()).then(|| format!("{}: {}{more}", verdict::counted(self.attachments.len(), "attachment"), named.join(", ")))
    }

    /// Writes the notes. `refusal` is the reason why pages lack their picture.
    pub(super) fn written(self, refusal: Option<&Failure>) -> Vec<String> {
        let mut notes = Vec::new();
        if self.blank > 0 {
            let why = if self.mode == PdfMode::Text { "without text left out" } else { "with nothing on them left out" };
            notes.push(format!("{} of {} {why}", self.blank, verdict::counted(self.pages, "page")));
        }
        if self.scans > 0 {
            notes.push(format!(
                "only a little text sent of {} of {}: this is usual for scans, and prepare.pdf.mode = \"auto\" sends images of them",
                self.scans,
                verdict::counted(self.pages, "page")
            ));
        }
        if self.unknown > 0 {
            // The share is rounded up, so that it never shows as 0.
            let percent = (self.unknown * 100).div_ceil(self.glyphs.max(1));
            notes.push(format!("{percent} % of the characters are unknown: fonts in the document do not say what they stand for"));
        }
        let mut add = |pages: &[usize], what: &str| notes.extend(numbered(pages).map(|pages| format!("{pages} {what}")));
        add(&self.damaged, "damaged: only a part of the content could be read");
        add(&self.unpainted, "sent as an image without all values of its form fields");
        add(&self.uncommented, "sent as an image without the comments on it");
        add(&self.unpictured, "sent as text without its pictures: prepare.pdf.mode = \"pages\" sends images of all pages");
        add(&self.undecoded, "without its picture, which cannot be decoded");
        if let Some(failure) = refusal {
            add(&self.without_picture, &format!("sent without its picture: {}", failure.message));
        }
        add(&self.misread, "misread: its bytes do not fit the encoding that its fonts declare");
        if let Some(pages) = named(&self.hidden) {
            notes.push(format!("{}: {} on {pages}", verdict::HIDDEN, verdict::counted(self.hidden_words, "word")));
        }
        if let Some(attached) = self.attached() {
            let what = if self.apart { "those that docmill can read have rows of their own" } else { "named, not read" };
            notes.push(format!("{attached} ({what})"));
        }
        notes
    }
}

/// Builds the subject and verb of a note.
///
/// Examples are `page 2 is` and `3 pages (the first is page 2) are`.
fn numbered(pages: &[usize]) -> Option<String> {
    named(pages).map(|named| format!("{named} {}", if pages.len() == 1 { "is" } else { "are" }))
}

fn named(pages: &[usize]) -> Option<String> {
    let first = pages.first()?;
    Some(if pages.len() == 1 {
        format!("page {first}")
    } else {
        format!("{} (the first is page {first})", verdict::counted(pages.len(), "page"))
    })
}
