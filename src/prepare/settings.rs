//! The `[prepare]` table of `pipeline.toml`.
//!
//! Plain data. There are no defaults here: `pipeline.toml` states every key, so that the file that people read
//! is the only place where a default is written down.

use serde::{Deserialize, Serialize};

/// The `[prepare]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareSettings {
    /// Documents that are prepared at the same time, each on its own core; 0 = all cores.
    pub workers: usize,
    /// Documents that may wait between reading and preparation.
    pub queue: usize,
    /// Megabytes (10^6 bytes) that decoding may take at one time, over all workers.
    pub memory_mb: u64,
    /// How images are made ready.
    pub image: ImageSettings,
    /// How texts are made ready.
    pub text: TextSettings,
    /// How PDF documents are made ready.
    pub pdf: PdfSettings,
    /// Seconds that getting the text out of one document may take.
    pub document_s: u64,
    /// Megabytes (10^6 bytes) that it may take.
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
    /// What is sent of each page.
    pub mode: PdfMode,
    /// Pages that a document may have at the most; 0 = any number.
    pub max_pages: u32,
}

/// What is sent of the pages of a PDF document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfMode {
    /// Its text, or an image of it where it has no text.
    Auto,
    /// Its text.
    Text,
    /// An image of it.
    Pages,
}

/// The `[prepare.image]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Longest side in pixels as sent; larger images are shrunk. 0 = the size that is useful to the model.
    pub max_edge: u32,
    /// Quality of re-encoded images, 1 to 100, on the usual JPEG scale.
    pub jpeg_quality: u8,
    /// Megapixels (10^6 pixels) that an image may have before it is refused undecoded.
    pub max_pixels_mp: u32,
}

/// The `[prepare.text]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Whether to lower-case the text, take out punctuation and collapse white space.
    pub clean: bool,
}
