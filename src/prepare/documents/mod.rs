//! Readers of documents other than plain text and images.
//!
//! A new kind of document is a file here and a line in [`READERS`]. Shared code has its own files:
//! containers (`archive`, `compound`, `bounded`, `xml`) and output (`markdown`, `table`,
//! `verdict`).

mod archive;
mod bounded;
mod codepage;
mod compound;
mod docx;
mod epub;
mod grid;
mod html;
mod legacy;
mod mail;
mod markdown;
mod msg;
mod numbering;
mod odf;
mod ods;
mod parts;
mod pdf;
mod pptx;
mod rtf;
mod sheet;
mod sheet_rows;
mod styles;
mod symbols;
mod table;
mod tags;
mod verdict;
mod xml;

pub use sheet_rows::{SheetChoice, is_workbook, sheet_rows};

use super::{ImageLimits, PdfMode, PrepareSettings, encode, encoding, fenced};
use crate::model::Failure;
use serde::{Deserialize, Serialize};

/// A kind of document and its reader.
#[derive(Debug)]
pub struct Reader {
    /// The format in results, as `input.format`: `pdf`.
    pub format: &'static str,
    /// The name for people, with its article: `a PDF document`.
    pub name: &'static str,
    /// Whether a file is of this kind, by its bytes.
    ///
    /// The extension (in lower case, without the dot) only breaks ties.
    pub recognises: fn(bytes: &[u8], extension: &str) -> bool,
    /// Extracts everything that a model can read.
    pub read: fn(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure>,
}

/// Formats are unique among readers.
impl PartialEq for Reader {
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format
    }
}

impl Eq for Reader {}

/// The extracted content of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// The pages in reading order.
    pub pages: Vec<Page>,
    /// Whether the file has numbered pages (or slides).
    pub paged: bool,
    /// Notes for people: what was left out, what could not be read.
    pub notes: Vec<String>,
}

/// A page, or the whole content of a file without pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// The text; tables as Markdown.
    Text(String),
    /// An image of the page.
    Image(PageImage),
}

/// A page as a JPEG, in the size to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageImage {
    /// The file in base64.
    pub base64: String,
    /// BLAKE3 of the file, in hexadecimal.
    pub digest: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Extract {
    /// The extract of a file without pages.
    pub fn text(text: String) -> Self {
        Self { pages: vec![Page::Text(text)], ..Self::default() }
    }
}

/// All readers. The first that recognises a file reads it.
pub const READERS: &[Reader] = &[
    pdf::READER,
    docx::READER,
    pptx::READER,
    sheet::XLSX,
    sheet::XLSB,
    odf::ODT,
    odf::ODP,
    ods::READER,
    epub::READER,
    legacy::DOC,
    legacy::PPT,
    sheet::XLS,
    msg::READER,
    compound::SEALED,
    rtf::READER,
    mail::MBOX,
    mail::EML,
    html::READER,
];
