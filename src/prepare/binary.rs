//! Names kinds of files that docmill cannot read.
//!
//! Most have a signature. CBOR and MessagePack need none: a file has such a kind if it consists of
//! whole items from its first byte to its last and is not UTF-8.

use super::image_kind::brands;
use super::program_text;

/// Name of files of unknown kind.
pub const BINARY: &str = "binary data";
pub(super) const CAMERA_RAW: &str = "camera raw image";
const ARCHIVE: &str = "compressed archive";
const EXECUTABLE: &str = "executable";
const CBOR: &str = "CBOR data";
const MESSAGE_PACK: &str = "MessagePack data";
const PICKLE: &str = "Python pickle";
const MEDIA: &str = "audio or video";

/// Bytes of the shortest file that is taken for CBOR or MessagePack.
const SHORTEST: usize = 8;

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
    (b"\xD9\xD9\xF7", CBOR),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x89HDF\r\n\x1A\n", "HDF5 data"),
    (b"Obj\x01", "Avro data"),
    (b"bplist00", "property list"),
    (b"OTTO\0", "font"),
    (b"\0\x01\0\0", "font"),
    (b"ITSF\x03", "compiled help"),
    (b"MSCF\0", ARCHIVE),
    (b"!<arch>\n", ARCHIVE),
    (b"\x04\x22\x4D\x18", ARCHIVE),
    (b"\x1F\x9D", ARCHIVE),
    (b"\xD4\xC3\xB2\xA1", "network capture"),
    (b"\x0A\x0D\x0D\x0A", "network capture"),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04\x95", PICKLE),
    (b"\x80\x05\x95", PICKLE),
];

/// Names the kind of a file that docmill cannot read. `None` for texts and unknown kinds.
pub(super) fn name(bytes: &[u8], extension: &str) -> Option<&'static str> {
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
    let signed = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)).map(|(_, name)| *name);
    signed
        .or_else(|| program_text::name(bytes))
        .or_else(|| is_cbor(bytes).then_some(CBOR))
        .or_else(|| is_message_pack(bytes).then_some(MESSAGE_PACK))
}

/// The end of an item head: where the next item begins, and how many items belong to this one.
struct Head {
    end: usize,
    items: u64,
}

/// Whether the file consists of one item and those in it, of which one at least is longer than a byte.
fn is_whole(bytes: &[u8], item: fn(&[u8], usize) -> Option<Head>) -> bool {
    if std::str::from_utf8(bytes).is_ok() {
        return false;
    }
    let (mut at, mut missing, mut has_long) = (0, 1_u64, false);
    while missing > 0 {
        let Some(head) = item(bytes, at) else { return false };
        missing = (missing - 1).saturating_add(head.items);
        has_long |= head.end > at + 1;
        at = head.end;
        // Each item takes a byte at least.
        if at > bytes.len() || missing > (bytes.len() - at) as u64 {
            return false;
        }
    }
    at == bytes.len() && has_long
}

fn is_cbor(bytes: &[u8]) -> bool {
    bytes.len() >= SHORTEST && matches!(bytes[0], 0x80..=0xBF | 0xD8..=0xDB) && is_whole(bytes, cbor_item)
}

fn is_message_pack(bytes: &[u8]) -> bool {
    bytes.len() >= SHORTEST && matches!(bytes[0], 0x80..=0x9F | 0xDC..=0xDF) && is_whole(bytes, message_pack_item)
}

/// A big-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let digits = bytes.get(at..at.checked_add(size)?)?;
    Some(digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit)))
}

fn behind(at: usize, length: u64) -> Option<usize> {
    at.checked_add(usize::try_from(length).ok()?)
}

/// The head of a CBOR item of definite length (RFC 8949).
fn cbor_item(bytes: &[u8], at: usize) -> Option<Head> {
    let first = *bytes.get(at)?;
    let (value, start) = match first & 0x1F {
        small @ 0..=23 => (u64::from(small), at + 1),
        size @ 24..=27 => {
            let size = 1 << (size - 24);
            (number(bytes, at + 1, size)?, at + 1 + size)
        }
        _ => return None,
    };
    let (length, items) = match first >> 5 {
        2 => (value, 0),
        3 => {
            std::str::from_utf8(bytes.get(start..behind(start, value)?)?).ok()?;
            (value, 0)
        }
        4 => (0, value),
        5 => (0, value.checked_mul(2)?),
        6 => (0, 1),
        _ => (0, 0),
    };
    Some(Head { end: behind(start, length)?, items })
}

/// The head of a MessagePack item.
fn message_pack_item(bytes: &[u8], at: usize) -> Option<Head> {
    let first = *bytes.get(at)?;
    let sized = |size: usize| Some((number(bytes, at + 1, size)?, at + 1 + size));
    let (length, items, start) = match first {
        0x00..=0x7F | 0xC0 | 0xC2 | 0xC3 | 0xE0..=0xFF => (0, 0, at + 1),
        0x80..=0x8F => (0, u64::from(first & 15) * 2, at + 1),
        0x90..=0x9F => (0, u64::from(first & 15), at + 1),
        0xA0..=0xBF => (u64::from(first & 31), 0, at + 1),
        0xC1 => return None,
        0xC4..=0xC6 | 0xD9..=0xDB => {
            let (length, start) = sized(1 << ((first - if first < 0xD0 { 0xC4 } else { 0xD9 }) & 3))?;
            (length, 0, start)
        }
        0xC7..=0xC9 => {
            let (length, start) = sized(1 << (first - 0xC7))?;
            (length + 1, 0, start)
        }
        0xCA | 0xCE | 0xD2 => (4, 0, at + 1),
        0xCB | 0xCF | 0xD3 => (8, 0, at + 1),
        0xCC | 0xD0 => (1, 0, at + 1),
        0xCD | 0xD1 => (2, 0, at + 1),
        0xD4..=0xD8 => ((1 << (first - 0xD4)) + 1, 0, at + 1),
        0xDC | 0xDD => {
            let (items, start) = sized(2 << (first - 0xDC))?;
            (0, items, start)
        }
        0xDE | 0xDF => {
            let (items, start) = sized(2 << (first - 0xDE))?;
            (0, items.checked_mul(2)?, start)
        }
    };
    Some(Head { end: behind(start, length)?, items })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by the Python packages cbor2 and msgpack: {"name": "Größe", "values": [1, 2.5, None], "ok": True}.
    const CBOR_FILE: &[u8] = b"\xa3dnamegGr\xc3\xb6\xc3\x9fefvalues\x83\x01\xf9A\x00\xf6bok\xf5";
    const MESSAGE_PACK_FILE: &[u8] =
        b"\x83\xa4name\xa7Gr\xc3\xb6\xc3\x9fe\xa6values\x93\x01\xcb@\x04\x00\x00\x00\x00\x00\x00\xc0\xa2ok\xc3";

    #[test]
    fn files_without_signature_are_recognised_by_their_structure() {
        assert_eq!(name(CBOR_FILE, "txt"), Some(CBOR));
        assert_eq!(name(MESSAGE_PACK_FILE, ""), Some(MESSAGE_PACK));
        for cut in 1..CBOR_FILE.len() {
            assert_eq!(name(&CBOR_FILE[..cut], ""), None);
        }
    }

    #[test]
    fn legacy_texts_are_not_taken_for_data() {
        for text in [
            &b"\xbfqu\xe9 tal? \xa1hola! Todo bien."[..],
            b"\x93it costs \x805\x94",
            b"\x84Gr\xfc\xdfe\x93",
            b"\xabVoil\xe0\xbb",
            "اHello1234".as_bytes(),
        ] {
            assert_eq!(name(text, "txt"), None, "{text:?}");
        }
    }
}
