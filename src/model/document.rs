//! One input of a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};

/// One input: a file that the walk found, or a row of a table.
#[derive(Debug, Clone)]
pub struct Document {
    /// Position in input order, from 0. The walk is sorted by path bytes.
    pub index: u64,
    /// What results call it: the path below the input directory, with `/` between parts on every system.
    /// Bytes that are not UTF-8 are written as `\xHH`, so every name fits a CSV cell and none is lost.
    /// A row is called by its table and its id or number: `reviews.csv#17`.
    pub name: String,
    /// Where to read it.
    pub place: Place,
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// In a file of this machine.
    File(PathBuf),
    /// In object storage, or on the web.
    Object {
        /// The input that it was found in, from 0.
        input: usize,
        /// Its whole key.
        key: String,
        /// What its listing said about it, if it was listed.
        listed: Option<Stamp>,
    },
    /// A row of a table, read already.
    Row(Box<TableRow>),
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRow {
    /// The text that is the document. Who reads it takes it away, so that it is in memory once.
    pub text: Vec<u8>,
    /// The columns that templates or results want, by name.
    pub columns: Map<String, Value>,
    /// Of everything that can reach a model: the text, and the columns that templates want.
    pub digest: Digest,
    /// Of the whole row, in the form of a stamp: what has another one may look different in the results.
    pub stamp: Stamp,
}

impl Document {
    /// Its row, if it is one.
    pub fn row(&self) -> Option<&TableRow> {
        if let Place::Row(row) = &self.place { Some(row) } else { None }
    }

    /// What stands behind the last dot of its file's name, in small letters; empty if nothing does.
    pub fn extension(&self) -> String {
        let name = match &self.place {
            Place::File(path) => path,
            Place::Object { key, .. } => Path::new(key),
            Place::Row(_) => return String::new(),
        };
        name.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
    }
}

/// Number of a document in the run store: one for each name and content. A file that is renamed keeps it, a file that
/// is edited gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub i64);

/// BLAKE3 of a document's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl Digest {
    /// Its first eight bytes: enough to tell the contents of one input apart.
    pub fn short(self) -> u64 {
        self.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the file system, or the storage service, says about a document. As long as it says the same, the bytes are taken to
/// be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// When its content was last written, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// When it was last touched in any way; programs cannot set it back. 0 where the system does not tell. Of an object it is
    /// a number made of its entity tag.
    pub changed_ns: i64,
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
