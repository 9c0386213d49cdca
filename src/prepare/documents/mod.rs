//! Documents that are neither plain text nor an image, and the table of their kinds: what they are called, how they are
//! recognised, who reads them.
//!
//! A new kind is a file of its own beside this one, and a line in [`READERS`]. What several of them need has a file as well: what
//! is around documents (`archive`, `compound`, `bounded`, `xml`), what comes out of them (`markdown`, `table`, `verdict`).

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

/// A kind of file, and what reads it.
#[derive(Debug)]
pub struct Reader {
    /// In results, as `input.format`: `pdf`.
    pub format: &'static str,
    /// For people, with its article: `a PDF document`.
    pub name: &'static str,
    /// Whether a file is of this kind, by its bytes. The extension (in lower case, without its dot) only breaks ties.
    pub recognises: fn(bytes: &[u8], extension: &str) -> bool,
    /// Gets everything out that a model can read.
    pub read: fn(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure>,
}

/// There is one of each kind.
impl PartialEq for Reader {
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format
    }
}

impl Eq for Reader {}

/// What was in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// In reading order.
    pub pages: Vec<Page>,
    /// Whether these are what readers of the file call its pages (or slides), so that their numbers mean something.
    pub paged: bool,
    /// What people should know: what was left out, what could not be read.
    pub notes: Vec<String>,
}

/// A page, or all there is in a file that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// Its text; tables as Markdown.
    Text(String),
    /// The page as it looks.
    Image(PageImage),
}

/// A page as a JPEG, of the size at which it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageImage {
    /// The file in base64.
    pub base64: String,
    /// BLAKE3 of the file, in hexadecimal.
    pub digest: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

impl Extract {
    /// A file without pages.
    pub fn text(text: String) -> Self {
        Self { pages: vec![Page::Text(text)], ..Self::default() }
    }
}

/// All of them. The first that recognises a file reads it.
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
