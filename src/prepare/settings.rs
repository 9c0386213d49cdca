//! The `[prepare]` table of `pipeline.toml`.
//!
//! Plain data. There are no defaults here: `pipeline.toml` states every key, so that the file that people read
//! is the only place where a default is written down.

use serde::Deserialize;

/// The `[prepare]` table.
#[derive(Debug, Clone, Deserialize)]
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
}

/// The `[prepare.image]` table.
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Whether to lower-case the text, take out punctuation and collapse white space.
    pub clean: bool,
}
