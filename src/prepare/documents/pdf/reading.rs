//! Reads a document page by page.

use super::super::{Extract, ImageLimits, Page, PdfMode, PrepareSettings, verdict};
use super::glyphs::{self, Endless};
use super::notes::Notes;
use super::scan::Scan;
use super::structure::Structure;
use super::tables::Columns;
use super::{READER, annotations, attachments, charset, damage, form, hyphens, order, page_image};
use crate::model::{Failure, FailureCode};
use hayro::RenderCache;
use hayro::hayro_interpret::{InterpreterCache, InterpreterSettings, InterpreterWarning};
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::page::Page as Leaf;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// The form in which a page is sent.
enum Found {
    Text(String),
    Picture,
    Nothing,
}

/// A document that is being read.
pub(super) struct Reading<'a> {
    pdf: &'a Pdf,
    settings: &'a PrepareSettings,
    limits: &'a ImageLimits,
    interpreter: InterpreterSettings,
    /// Whether an image could not be decoded.
    undecoded: Arc<AtomicBool>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(pdf: &'a Pdf, settings: &'a PrepareSettings, limits: &'a ImageLimits) -> Self {
        let undecoded = Arc::new(AtomicBool::new(false));
        let sink = Arc::clone(&undecoded);
        let warning_sink = Arc::new(move |warning| {
            if matches!(warning, InterpreterWarning::ImageDecodeFailure) {
                sink.store(true, Ordering::Relaxed);
            }
        });
        Self { pdf, settings, limits, interpreter: InterpreterSettings { warning_sink, ..InterpreterSettings::default() }, undecoded }
    }

    pub(super) fn read(&self) -> Result<Extract, Failure> {
        let mode = self.settings.pdf.mode;
        let (texts, images) = (InterpreterCache::new(), RenderCache::new());
        let mut notes = Notes::new(self.pdf.pages().len(), mode);
        let structure = catch_unwind(AssertUnwindSafe(|| Structure::read(self.pdf))).unwrap_or_default();
        let mut columns = Columns::default();
        let mut allowance = ALLOWANCE + ALLOWANCE_PER_PAGE * self.pdf.pages().len() as u64;
        let mut pages = Vec::with_capacity(self.pdf.pages().len());
        // The reason why the first page without its picture has none.
        let mut refusal = None;
        for (number, page) in (1..).zip(self.pdf.pages().iter()) {
            let scan = catch_unwind(AssertUnwindSafe(|| glyphs::scan(page, &texts, &self.interpreter, &structure, &mut allowance)));
            let Ok(scan) = scan else {
                notes.damaged.push(number);
                pages.push(Page::Text(String::new()));
                continue;
            };
            let scan = scan.map_err(|Endless| endless(number))?;
            let broken = damage::is_damaged(page);
            if broken {
                notes.damaged.push(number);
            }
            notes.hide(number, scan.hidden);
            let found = found(&scan, mode, &mut columns);
            let fields = form::unseen(page, if let Found::Text(text) = &found { text } else { "" });
            let comments = annotations::comments(page);
            let page = match found {
                Found::Text(text) => {
                    notes.text(number, &scan, is_picture(&scan), charset::is_misread(&text));
                    Page::Text(text)
                }
                Found::Picture => match self.picture(page, &scan, number, &images) {
                    Ok(Some(image)) => {
                        notes.unpainted.extend((!fields.is_empty()).then_some(number));
                        notes.uncommented.extend((!comments.is_empty()).then_some(number));
                        Page::Image(image)
                    }
                    Ok(None) if self.undecoded.load(Ordering::Relaxed) => {
                        notes.undecoded.push(number);
                        Page::Text(text_of(&scan))
                    }
                    Ok(None) => Page::Text(String::new()),
                    Err(failure) => {
                        notes.without_picture.push(number);
                        refusal.get_or_insert(failure);
                        Page::Text(text_of(&scan))
                    }
                },
                Found::Nothing => Page::Text(String::new()),
            };
            let page = match page {
                Page::Text(text) => Page::Text(with_list(with_list(text, "Form fields", &fields), "Comments", &comments)),
                Page::Image(image) => Page::Image(image),
            };
            notes.blank += usize::from(matches!(&page, Page::Text(text) if text.is_empty()) && !notes.names(number));
            pages.push(page);
        }
        notes.attachments = attachments::names(self.pdf);
        notes.apart = self.settings.apart.attachments;
        if pages.iter().all(|page| matches!(page, Page::Text(text) if text.trim().is_empty())) {
            return Err(refusal.unwrap_or_else(|| notes.failure(READER.name)));
        }
        hyphens::resolve(pages.iter_mut().filter_map(|page| if let Page::Text(text) = page { Some(text) } else { None }));
        let notes = notes.written(refusal.as_ref());
        Ok(Extract { notes, pages, paged: true })
    }

    /// Paints a page; `None` if it is blank.
    fn picture<'p>(
        &self,
        page: &'p Leaf<'p>,
        scan: &Scan,
        number: usize,
        cache: &RenderCache<'p>,
    ) -> Result<Option<super::super::PageImage>, Failure> {
        self.check_pixels(scan, number)?;
        let limits = self.limits.with_max_edge(self.settings.image.max_edge);
        let size = page_image::size(page, scan.sharpness, &limits);
        self.undecoded.store(false, Ordering::Relaxed);
        let painted = catch_unwind(AssertUnwindSafe(|| page_image::painted(page, cache, &self.interpreter, size)));
        let painted = painted.map_err(|_| verdict::damaged(READER.name, format!("page {number} cannot be painted")))?;
        let is_lost = self.undecoded.load(Ordering::Relaxed);
        if (self.settings.pdf.mode != PdfMode::Pages || is_lost) && page_image::is_white(&painted) {
            return Ok(None);
        }
        page_image::encoded(&painted, self.settings.image.jpeg_quality, &limits).map(Some)
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

fn found(scan: &Scan, mode: PdfMode, columns: &mut Columns) -> Found {
    columns.turn();
    if mode == PdfMode::Pages {
        return Found::Picture;
    }
    let garbled = scan.unknown * 2 > scan.glyphs;
    let is_tables = || scan.pictured() <= PICTURE && has_tables(&order::text(scan, &mut Columns::default()));
    if mode == PdfMode::Auto && (garbled || scan.glyphs == 0 && scan.painted || is_picture(scan) && !is_tables()) {
        return Found::Picture;
    }
    if scan.unknown == scan.glyphs { Found::Nothing } else { Found::Text(order::text(scan, columns)) }
}

/// The text of a page that cannot be sent as an image.
fn text_of(scan: &Scan) -> String {
    if scan.unknown * 2 > scan.glyphs { String::new() } else { order::text(scan, &mut Columns::default()) }
}

fn with_list(text: String, title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return text;
    }
    format!("{text}\n\n{title}:\n{}", lines.join("\n").replace(hyphens::JOINT, "\u{FFFD}")).trim_start().to_owned()
}

/// Whether the page shows more than its text.
fn is_picture(scan: &Scan) -> bool {
    // The letters are counted only if necessary.
    let few = || scan.has_fewer_letters(FEW_LETTERS);
    let little = || scan.written() < LITTLE_TEXT && scan.invisible < FEW_LETTERS as u64;
    scan.drawing && few() || scan.pictured() > PICTURE && (few() || little())
}

/// Whether the text of a page is that of tables, so that its shapes are their lines.
fn has_tables(text: &str) -> bool {
    let length = |is_row: bool| text.lines().filter(|line| line.starts_with("| ") == is_row).map(str::len).sum::<usize>();
    length(true) > 4 * length(false)
}

fn endless(number: usize) -> Failure {
    Failure::new(
        FailureCode::PrepareLimit,
        format!("page {number} draws more than the limit for a document. Print it to a new file, or exclude it"),
    )
}
