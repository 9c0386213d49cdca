//! One input of a run.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One input: a file that the walk found.
#[derive(Debug, Clone)]
pub struct Document {
    /// Position in input order, from 0. The walk is sorted by path bytes.
    pub index: u64,
    /// What results call it: the path below the input directory, with `/` between parts on every system.
    /// Bytes that are not UTF-8 are written as `\xHH`, so every name fits a CSV cell and none is lost.
    pub name: String,
    /// Where to read it.
    pub path: PathBuf,
}

/// What a document is, decided by its content and not by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A raster image.
    Image,
    /// Text in any encoding.
    Text,
}

impl Kind {
    /// The word for it in messages and result files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}
