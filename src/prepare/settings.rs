//! The `[prepare]` table of `pipeline.toml`.
//!
//! The structs have no defaults, because `pipeline.toml` contains every key.

use serde::{Deserialize, Serialize};

/// The `[prepare]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareSettings {
    /// Documents prepared at the same time, one for each core.
    ///
    /// 0 means all cores.
    pub workers: usize,
    /// Maximum documents that wait between reading and preparation.
    pub queue: usize,
    /// Memory for decoding in megabytes (10^6 bytes), for all workers together.
    pub memory_mb: u64,
    /// Settings for images.
    pub image: ImageSettings,
    /// Settings for texts.
    pub text: TextSettings,
    /// Settings for PDF documents.
    pub pdf: PdfSettings,
    /// Timeout for the extraction from one document, in seconds.
    pub document_s: u64,
    /// Memory limit for the extraction from one document, in megabytes (10^6 bytes).
    pub document_mb: u64,
    /// Which files inside of documents are documents of their own (`input.attachments`).
    #[serde(default)]
    pub apart: Apart,
}

impl PrepareSettings {
    /// Number of documents that are prepared at the same time.
    pub fn parallelism(&self) -> usize {
        if self.workers > 0 { self.workers } else { std::thread::available_parallelism().map_or(1, usize::from) }
    }
}

/// Which files inside of other files are documents of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// Readable files attached to mails and PDF documents (`input.attachments`).
    #[serde(default)]
    pub attachments: bool,
    /// Files in archives (`input.archives`).
    #[serde(default)]
    pub archives: bool,
}

/// The `[prepare.pdf]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PdfSettings {
    /// Whether pages are sent as text or as images.
    pub mode: PdfMode,
    /// Maximum pages of a document; 0 for no limit.
    pub max_pages: u32,
}

/// Whether PDF pages are sent as text or as images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfMode {
    /// The text, or an image if the page has no text.
    Auto,
    /// The text of each page.
    Text,
    /// An image of each page.
    Pages,
}

/// The `[prepare.image]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Longest side of sent images in pixels; larger images are shrunk.
    ///
    /// 0 means the useful size for the model.
    pub max_edge: u32,
    /// JPEG quality of re-encoded images, from 1 to 100.
    pub jpeg_quality: u8,
    /// Maximum size in megapixels (10^6 pixels).
    ///
    /// Larger images are refused without decoding.
    pub max_pixels_mp: u32,
}

/// The `[prepare.text]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Whether to lower-case the text, remove punctuation and collapse white space.
    pub clean: bool,
}
