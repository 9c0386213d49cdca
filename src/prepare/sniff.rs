//! Detects the kind of a file by its content.
//!
//! The content has priority over the file name. The extension decides only where the content is
//! ambiguous. For example, camera raw files are TIFF inside, and an MP3 file may start like UTF-16
//! text. Unsupported kinds have names, so that a failure can say "ZIP archive" instead of "cannot
//! decode".

use super::documents::{READERS, Reader};
use super::image_kind::{ImageKind, brands};
use super::text::CHUNK;
use super::{encoding, fenced};
use crate::model::Kind;

/// Maximum bytes for detecting texts.
const SAMPLE: usize = 64 * 1024;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// An image of this format.
    Image(ImageKind),
    /// Text in some encoding, or an empty file.
    Text,
    /// A document with the reader that extracts its content.
    Document(&'static Reader),
    /// An unsupported file, with a name of its kind for people.
    Unsupported(&'static str),
}

impl Sniffed {
    /// The kind with this [`Sniffed::format`], if a separate process reads it.
    pub fn of_format(format: &[u8]) -> Option<Self> {
        let reader = READERS.iter().find(|reader| reader.format.as_bytes() == format).map(Self::Document);
        let image = || ImageKind::ALL.into_iter().find(|kind| kind.name().as_bytes() == format).map(Self::Image);
        reader.or_else(image)
    }

    /// Format in results: `pdf`, `jpeg`.
    pub fn format(self) -> &'static str {
        match self {
            Self::Image(kind) => kind.name(),
            Self::Document(reader) => reader.format,
            Self::Text => "text",
            Self::Unsupported(name) => name,
        }
    }

    /// Name for people, with its article: `a PDF document`, `a JPEG image`.
    pub fn name(self) -> String {
        match self {
            Self::Image(kind) => format!("a {} image", kind.name().to_uppercase()),
            Self::Document(reader) => reader.name.to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Unsupported(name) => name.to_owned(),
        }
    }

    /// Whether a separate process reads files of this kind, because libraries decode them.
    pub fn is_read_apart(self) -> bool {
        matches!(self, Self::Image(_) | Self::Document(_))
    }

    /// The kind of document, if docmill can prepare it.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Image(_) => Some(Kind::Image),
            Self::Text | Self::Document(_) => Some(Kind::Text),
            Self::Unsupported(_) => None,
        }
    }
}

/// Detects the kind of a file by its content.
///
/// `extension` is the file extension in lower case without the dot, or "". It decides only where
/// the content is ambiguous.
pub fn sniff(bytes: &[u8], extension: &str) -> Sniffed {
    if let Some(kind) = ImageKind::of(bytes) {
        let raw = camera_raw(bytes, kind, extension);
        return if raw { Sniffed::Unsupported(CAMERA_RAW) } else { Sniffed::Image(kind) };
    }
    // A library may panic during detection. Then the file does not have the library's format.
    let recognised = |reader: &&Reader| fenced(|| Ok((reader.recognises)(bytes, extension))).unwrap_or(false);
    if let Some(reader) = READERS.iter().find(recognised) {
        return Sniffed::Document(reader);
    }
    if let Some(name) = known_by_name(bytes, extension) {
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

/// Name of files of unknown kind.
pub const BINARY: &str = "binary data";
const CAMERA_RAW: &str = "camera raw image";
const ARCHIVE: &str = "compressed archive";
const EXECUTABLE: &str = "executable";
const MEDIA: &str = "audio or video";

/// First bytes that identify a kind of file.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "ZIP archive"),
    (b"PK\x05\x06", "ZIP archive"),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "compound file"),
    (b"\x1F\x8B", "gzip archive"),
    (b"BZh91AY&SY", ARCHIVE),
    (b"\xFD7zXZ\0", ARCHIVE),
    (b"\x28\xB5\x2F\xFD", ARCHIVE),
    (b"7z\xBC\xAF\x27\x1C", ARCHIVE),
    (b"Rar!\x1A\x07", ARCHIVE),
    (b"\x7FELF", EXECUTABLE),
    (b"MZ\x90\0", EXECUTABLE),
    (b"\xCF\xFA\xED\xFE", EXECUTABLE),
    (b"\xFE\xED\xFA\xCF", EXECUTABLE),
    (b"\xCA\xFE\xBA\xBE", EXECUTABLE),
    (b"\0asm", EXECUTABLE),
    (b"OggS\0", MEDIA),
    (b"fLaC\0", MEDIA),
    (b"ID3\x02", MEDIA),
    (b"ID3\x03", MEDIA),
    (b"ID3\x04", MEDIA),
    (b"\x1A\x45\xDF\xA3", MEDIA),
    (b"FLV\x01", MEDIA),
    (b"MThd\0", MEDIA),
    (b"\0\0\0\x0CjP  ", "JPEG 2000 image"),
    (b"8BPS\0\x01", "Photoshop image"),
    (b"\0\0\x01\0", "icon"),
    (b"SQLite format 3\0", "SQLite database"),
];

fn known_by_name(bytes: &[u8], extension: &str) -> Option<&'static str> {
    if extension == "mp3" && matches!(bytes, [0xFF, 0xE0..=0xFF, ..]) {
        return Some(MEDIA);
    }
    if let [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..]
    | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] = bytes
    {
        return Some(MEDIA);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(if brands(bytes).any(|brand| brand == b"crx ") { CAMERA_RAW } else { MEDIA });
    }
    SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)).map(|(_, name)| *name)
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
    controls <= 1 + sample.len() / 20
}
