//! Detects the kind of a file by its content.
//!
//! The content has priority over the file name. The extension decides only where the content is
//! ambiguous. For example, camera raw files are TIFF inside, and an MP3 file may start like UTF-16
//! text. Unsupported kinds have names, so that a failure can say "ZIP archive" instead of "cannot
//! decode".

use super::documents::{READERS, Reader};
use super::image_kind::ImageKind;
use super::text::CHUNK;
use super::{binary, encoding, fenced};
use crate::model::{GROUP_EXTENSION, Kind};
use binary::{BINARY, CAMERA_RAW};

/// Maximum bytes for detecting texts.
const SAMPLE: usize = 64 * 1024;

/// Format of documents that consist of several files.
const GROUP: &str = "group";

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// An image of this format.
    Image(ImageKind),
    /// Text in some encoding, or an empty file.
    Text,
    /// A document with the reader that extracts its content.
    Document(&'static Reader),
    /// Several files that are one document. The main process names this kind: no content shows it.
    Group,
    /// An unsupported file, with a name of its kind for people.
    Unsupported(&'static str),
}

impl Sniffed {
    /// The kind with this [`Sniffed::format`], if a separate process reads it.
    pub fn of_format(format: &[u8]) -> Option<Self> {
        let reader = READERS.iter().find(|reader| reader.format.as_bytes() == format).map(Self::Document);
        let image = || ImageKind::ALL.into_iter().find(|kind| kind.name().as_bytes() == format).map(Self::Image);
        reader.or_else(image).or_else(|| (format == GROUP.as_bytes()).then_some(Self::Group))
    }

    /// Format in results: `pdf`, `jpeg`.
    pub fn format(self) -> &'static str {
        match self {
            Self::Image(kind) => kind.name(),
            Self::Document(reader) => reader.format,
            Self::Text => "text",
            Self::Group => GROUP,
            Self::Unsupported(name) => name,
        }
    }

    /// Name for people, with its article: `a PDF document`, `a JPEG image`.
    pub fn name(self) -> String {
        match self {
            Self::Image(kind) => format!("{} {} image", if kind == ImageKind::Avif { "an" } else { "a" }, kind.name().to_uppercase()),
            Self::Document(reader) => reader.name.to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Group => "a document of several files".to_owned(),
            Self::Unsupported(name) => name.to_owned(),
        }
    }

    /// Whether this is a document that consists of several files.
    pub fn is_group(self) -> bool {
        self == Self::Group
    }

    /// Whether a separate process reads files of this kind, because libraries decode them.
    pub fn is_read_apart(self) -> bool {
        matches!(self, Self::Image(_) | Self::Document(_) | Self::Group)
    }

    /// The kind of document, if docmill can prepare it.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Image(_) => Some(Kind::Image),
            Self::Text | Self::Document(_) | Self::Group => Some(Kind::Text),
            Self::Unsupported(_) => None,
        }
    }
}

/// A note on a text that has the name of another format.
pub fn misnamed(sniffed: Sniffed, extension: &str) -> Option<String> {
    // Not `key` and `pages`: texts have such names too.
    const OTHERS: [&str; 26] = [
        "avif", "bmp", "doc", "docm", "docx", "epub", "gif", "heic", "heif", "jpeg", "jpg", "msg", "odp", "ods", "odt", "pdf", "png",
        "ppt", "pptm", "pptx", "tif", "tiff", "webp", "xls", "xlsb", "xlsx",
    ];
    let is_other = sniffed == Sniffed::Text && OTHERS.contains(&extension);
    is_other.then(|| format!("the name ends in .{extension}, but the content is plain text, which was sent"))
}

/// Detects the kind of a file by its content.
///
/// `extension` is the file extension in lower case without the dot, or "". It decides only where
/// the content is ambiguous.
pub fn sniff(bytes: &[u8], extension: &str) -> Sniffed {
    if extension == GROUP_EXTENSION {
        return Sniffed::Group;
    }
    if let Some(kind) = ImageKind::of(bytes) {
        let raw = camera_raw(bytes, kind, extension);
        return if raw { Sniffed::Unsupported(CAMERA_RAW) } else { Sniffed::Image(kind) };
    }
    // A library may panic during detection. Then the file does not have the library's format.
    let recognised = |reader: &&Reader| fenced(|| Ok((reader.recognises)(bytes, extension))).unwrap_or(false);
    if let Some(reader) = READERS.iter().find(recognised) {
        return Sniffed::Document(reader);
    }
    if let Some(name) = binary::name(bytes, extension) {
        return Sniffed::Unsupported(name);
    }
    if is_text(bytes) { Sniffed::Text } else { Sniffed::Unsupported(BINARY) }
}

/// Whether this is a camera raw file.
///
/// Such a file contains a TIFF with a small preview, which must not be sent.
fn camera_raw(bytes: &[u8], kind: ImageKind, extension: &str) -> bool {
    const EXTENSIONS: [&str; 9] = ["3fr", "arw", "cr2", "dng", "erf", "iiq", "nef", "pef", "sr2"];
    kind == ImageKind::Tiff && (bytes.get(8..10) == Some(b"CR") || EXTENSIONS.contains(&extension))
}

fn is_text(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    if encoding::has_byte_order_mark(sample) || encoding::utf16_without_mark(sample).is_some() {
        return true;
    }
    // Only UTF-16 and UTF-32 texts have zero bytes.
    if sample.contains(&0) {
        return false;
    }
    // Terminal logs contain escapes and backspaces. In random bytes, one in ten is another control
    // character.
    let control = |byte: &u8| u8::from(matches!(byte, 0x01..=0x07 | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F));
    let controls: usize = sample.chunks(CHUNK).map(|chunk| usize::from(chunk.iter().map(control).sum::<u8>())).sum();
    // Data of unknown formats often consists of text and a few other bytes. Texts with so many
    // control characters are in ASCII or UTF-8.
    let whole = sample.len() < SAMPLE;
    let is_utf8 = std::str::from_utf8(sample).map_or_else(|error| !whole && error.error_len().is_none(), |_| true);
    controls <= 1 + sample.len() / if is_utf8 { 20 } else { 200 }
}
