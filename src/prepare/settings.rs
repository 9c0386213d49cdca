//! The `[prepare]` table of `pipeline.toml`.
//!
//! Plain data without defaults: `pipeline.toml` has every key and is the only place of defaults.

use serde::{Deserialize, Serialize};

/// The `[prepare]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareSettings {
    /// Documents prepared at the same time, one per core. 0 means all cores.
    pub workers: usize,
    /// Documents that may wait between reading and preparation.
    pub queue: usize,
    /// Megabytes (10^6 bytes) of memory for decoding, over all workers.
    pub memory_mb: u64,
    /// How images are prepared.
    pub image: ImageSettings,
    /// How texts are prepared.
    pub text: TextSettings,
    /// How PDF documents are prepared.
    pub pdf: PdfSettings,
    /// Time limit for extracting the content of one document, in seconds.
    pub document_s: u64,
    /// Memory limit for extracting one document, in megabytes (10^6 bytes).
    pub document_mb: u64,
}

impl PrepareSettings {
    /// The number of documents that are prepared at the same time.
    pub fn parallelism(&self) -> usize {
        if self.workers > 0 { self.workers } else { std::thread::available_parallelism().map_or(1, usize::from) }
    }
}

/// The `[prepare.pdf]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PdfSettings {
    /// Whether the text or an image of each page is sent.
    pub mode: PdfMode,
    /// Maximum number of pages of a document; 0 = no limit.
    pub max_pages: u32,
}

/// Whether the text or an image of a PDF page is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfMode {
    /// The text, or an image if the page has no text.
    Auto,
    /// The text of a page.
    Text,
    /// An image of a page.
    Pages,
}

/// The `[prepare.image]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Longest side in pixels as sent; larger images are shrunk. 0 = the size useful to the model.
    pub max_edge: u32,
    /// Quality of re-encoded images, 1 to 100, on the usual JPEG scale.
    pub jpeg_quality: u8,
    /// Maximum size in megapixels (10^6 pixels); larger images are refused undecoded.
    pub max_pixels_mp: u32,
}

/// The `[prepare.text]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Whether to lower-case the text, remove punctuation and collapse white space.
    pub clean: bool,
}
