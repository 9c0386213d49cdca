//! Readers of documents other than plain text and images.
//!
//! A new kind of document needs a file here and an entry in [`READERS`]. Shared code has its own
//! files:
//!
//! - containers: `archive`, `compound`, `salvage`, `bounded`, `parts`, `quoted_printable`, `xml`
//! - content: `chart`, `codepage`, `grid`, `math`, `number_format`, `numbering`, `omml`,
//!   `style_sheet`, `styles`, `symbols`, `tags`, `web_form`
//! - output: `markdown`, `piece`, `table`, `verdict`

mod archive;
mod bounded;
mod cards;
mod cell_edges;
mod chart;
mod codepage;
mod compound;
mod delimited;
mod doc_comments;
mod doc_forms;
mod doc_looks;
mod doc_properties;
mod docx;
mod epub;
mod grid;
mod html;
mod iwork;
mod latex;
mod legacy;
mod little_endian;
mod mail;
mod markdown;
mod math;
mod msg;
mod notebook;
mod number_format;
mod numbering;
mod odf;
mod odf_comments;
mod odf_file;
mod odf_looks;
mod odf_objects;
mod ods;
mod omml;
mod parts;
mod pdf;
mod piece;
mod ppt_looks;
mod ppt_slides;
mod ppt_tables;
mod pptx;
mod quoted_printable;
mod rtf;
mod salvage;
mod script;
mod sheet;
mod sheet_rows;
mod style_sheet;
mod styles;
mod subtitles;
mod symbols;
mod table;
mod tag_added;
mod tag_boxes;
mod tag_looks;
mod tag_names;
mod tag_svg;
mod tags;
mod tokens;
mod verdict;
mod web_form;
mod xml;

pub use sheet_rows::{SheetChoice, is_workbook, sheet_rows};

use super::{ImageLimits, PdfMode, PrepareSettings, encode, encoding, fenced};
use crate::model::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A kind of document and its reader.
#[derive(Debug)]
pub struct Reader {
    /// Format in results, as in `input.format`: `pdf`.
    pub format: &'static str,
    /// Name for people, with its article: `a PDF document`.
    pub name: &'static str,
    /// Whether a file is of this kind.
    ///
    /// The bytes decide. The extension (in lower case, without the dot) decides only if they are
    /// ambiguous.
    pub recognises: fn(bytes: &[u8], extension: &str) -> bool,
    /// Extracts everything that a model can read.
    pub read: fn(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure>,
}

/// Readers are equal if their formats are equal, because formats are unique.
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
    /// Notes for people about omitted and unreadable content.
    pub notes: Vec<String>,
}

/// A page, or the whole content of a file without pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// The text, with tables as Markdown.
    Text(String),
    /// An image of the page.
    Image(PageImage),
}

/// A JPEG of a page in the size to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageImage {
    /// The file in base64.
    #[serde(deserialize_with = "base64_only")]
    pub base64: String,
    /// BLAKE3 hash of the file, in hexadecimal.
    pub digest: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl PageImage {
    /// The image in `file`, of this width and height.
    pub fn new(file: &[u8], (width, height): (u32, u32)) -> Self {
        Self { base64: STANDARD.encode(file), digest: blake3::hash(file).to_hex().to_string(), width, height }
    }
}

/// Refuses text that is not base64.
///
/// Requests contain this text without escapes. A reader that a hostile file has taken over must not
/// write into requests.
fn base64_only<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    let text = String::deserialize(text)?;
    let is_base64 = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    if is_base64 { Ok(text) } else { Err(D::Error::custom("an image is not in base64")) }
}

impl Extract {
    /// Creates the extract of a file without pages.
    pub fn text(text: String) -> Self {
        Self { pages: vec![Page::Text(text)], ..Self::default() }
    }
}

/// A file attached to a document.
pub(super) struct Attachment {
    pub name: String,
    pub content: Vec<u8>,
}

/// The files attached to a document.
pub(super) fn attachments(reader: &Reader, bytes: &[u8]) -> Vec<Attachment> {
    let files = || match reader.format {
        "eml" | "mbox" => mail::attachments(bytes, reader.format == "mbox"),
        "msg" => msg::attachments(bytes),
        "pdf" => pdf::attachments(bytes),
        _ => Vec::new(),
    };
    // Libraries may panic. The document then keeps its attachments.
    fenced(|| Ok(files())).unwrap_or_default()
}

/// All readers. The first one that recognises a file reads it.
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
    iwork::READER,
    legacy::DOC,
    legacy::PPT,
    sheet::XLS,
    msg::READER,
    compound::SEALED,
    docx::FLAT,
    sheet::FLAT,
    odf::FODT,
    odf::FODP,
    ods::FODS,
    rtf::READER,
    mail::MBOX,
    mail::EML,
    html::READER,
    delimited::CSV,
    delimited::TSV,
    latex::READER,
    notebook::READER,
    subtitles::VTT,
    subtitles::SRT,
    cards::ICS,
    cards::VCF,
];
