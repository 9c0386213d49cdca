//! Pages, Numbers and Keynote documents (PAGES, NUMBERS, KEY), by the preview in them.
//!
//! Their own format is not documented. Most contain a PDF of all pages, or a picture of the first
//! page. A note says which one was read.

use super::archive::{self, Archive};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, pdf};
use crate::model::{Failure, FailureCode};
use crate::prepare::{ImageKind, picture};

pub(super) const READER: Reader = Reader { format: "iwork", name: NAME, recognises, read };

const NAME: &str = "a Pages, Numbers or Keynote document";
const PDF: &str = "QuickLook/Preview.pdf";
/// Pictures of the first page, the largest first.
const PICTURES: [&str; 3] = ["preview.jpg", "QuickLook/Thumbnail.jpg", "preview-web.jpg"];

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let damaged = matches!(extension, "pages" | "numbers" | "key");
    archive::holds(bytes, |name| name == "Index/Document.iwa" || name == "Index.zip" || name == "index.apxl" || name == PDF, damaged)
}

fn read(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure> {
    let mut archive = Archive::open(bytes, NAME, settings.document_mb)?;
    if let Some(preview) = archive.bytes(PDF)? {
        let mut extract = (pdf::READER.read)(&preview, settings, limits)?;
        extract.notes.insert(0, "read from the PDF preview in the document".to_owned());
        return Ok(extract);
    }
    for name in PICTURES {
        if let Some(preview) = archive.bytes(name)? {
            let (image, note) = picture::page(&preview, ImageKind::Jpeg, &settings.image, limits)?;
            let seen = "only the preview picture of the first page. Export the document as PDF for the rest".to_owned();
            return Ok(Extract { pages: vec![Page::Image(image)], paged: false, notes: std::iter::once(seen).chain(note).collect() });
        }
    }
    let message = format!("cannot read this as {NAME}: it has no preview. Export it as PDF, or exclude it");
    Err(Failure::new(FailureCode::UnsupportedKind, message))
}
