//! One input document of a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};

/// Prefix of the id that docmill gives to unnamed table rows. The row's number and `)` follow:
/// `reviews.csv#(row 17)`.
///
/// The number identifies the row only in its own table.
pub const UNNAMED_ROW: &str = "(row ";

/// One input: a found file, or a row of a table.
#[derive(Debug, Clone)]
pub struct Document {
    /// Position in input order, from 0. The walk is sorted by path bytes.
    pub index: u64,
    /// Name in results: its path below the input directory. Parts are separated by `/` on every
    /// system. Bytes that are not UTF-8 become `\xHH`, so that every name fits a CSV cell. A table
    /// row is named by its table and its id or number: `reviews.csv#17`.
    pub name: String,
    /// Location of its content.
    pub place: Place,
}

/// Location of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A local file.
    File(PathBuf),
    /// An object in object storage, or a web resource.
    Object {
        /// Index of the input that lists it, from 0.
        input: usize,
        /// Full key of the object.
        key: String,
        /// Stamp from the listing, if the object was listed.
        listed: Option<Stamp>,
    },
    /// A table row, already read.
    Row(Box<TableRow>),
    /// Several local files that are one document, in order.
    Group(Vec<PathBuf>),
    /// A file inside of a local file: in an archive, or attached to a mail.
    Member(Box<ContainerMember>),
}

/// A file inside of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMember {
    /// The file that contains it.
    pub container: PathBuf,
    /// The stamp of that file when its members were listed.
    pub container_stamp: Stamp,
    /// Whether archives inside of the container are divided.
    pub archives: bool,
    /// Position among the members, from 0.
    pub number: u64,
    /// Its name below the container.
    pub name: String,
    /// Its own stamp. It changes with the container.
    pub stamp: Stamp,
}

/// The extension of documents that consist of several files. No file has it.
pub const GROUP_EXTENSION: &str = "\0group";

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRow {
    /// The document's text. The reader moves it out, so that memory holds it once.
    pub text: Vec<u8>,
    /// Columns that templates or results use, by name.
    pub columns: Map<String, Value>,
    /// Digest of all content that can reach a model. It covers the text, and the columns that
    /// templates use, as text.
    pub digest: Digest,
    /// The digest that earlier versions of docmill computed, if it differs. It distinguishes a null
    /// from an empty text, and a number from its digits.
    pub typed_digest: Option<Digest>,
    /// Stamp of the whole row. A row with another stamp may look different in the results.
    pub stamp: Stamp,
    /// The stamp that earlier versions of docmill computed, if it differs. It distinguishes a number
    /// from its digits in all columns.
    pub typed_stamp: Option<Stamp>,
}

impl Document {
    /// The table row, if the document is one.
    pub fn row(&self) -> Option<&TableRow> {
        if let Place::Row(row) = &self.place { Some(row) } else { None }
    }

    /// Whether a stamp is that of the document. `now` is its stamp.
    pub fn has_stamp(&self, known: Option<Stamp>, now: Option<Stamp>) -> bool {
        known == now || known.is_some() && self.row().is_some_and(|row| row.typed_stamp == known)
    }

    /// Lower-case extension of the file name; empty without an extension.
    pub fn extension(&self) -> String {
        let name = match &self.place {
            Place::File(path) => path,
            Place::Object { key, .. } => Path::new(key),
            Place::Row(_) => return String::new(),
            Place::Group(_) => return GROUP_EXTENSION.to_owned(),
            Place::Member(member) => Path::new(&member.name),
        };
        name.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
    }
}

/// Number of a document in the run store. Each pair of name and content has its own number. A
/// renamed file keeps its number; an edited file gets a new one.
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
    /// The first eight bytes: enough to distinguish the contents of one input.
    pub fn short(self) -> u64 {
        self.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Metadata of a document. While the stamp is unchanged, the content counts as unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last content change, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Time of the last change of any kind. Programs cannot set it back. 0 if the system does not
    /// report it. For an object, a number derived from its entity tag.
    pub changed_ns: i64,
}

/// Kind of a document, from its content and not its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A raster image.
    Image,
    /// Text in any encoding.
    Text,
}

impl Kind {
    /// The word in messages and result files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}
